"""A deployment that the image of the request made, as Dynamo's profiler does: it is taken over, and nothing is chosen."""

from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.names import ANNOTATION_DEPLOY, ANNOTATION_GENERATED, ANNOTATION_PROFILER
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import GRAPHS_V1ALPHA1
from dgdr_controller.manifest import load_documents
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import FINAL_CONFIG, RunState, RunStatus
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.adopted import adopted_graph, adopted_text, config_map
from test.builders.deployments import annotated, manifest
from test.builders.observed_state import after, in_phase, job_of, map_of, observed_of, request_of, run_of, said

IMAGE = "r.io/dynamo-planner:1.6.1"
TEXT = adopted_text(config_map("planner-config-ab12"), adopted_graph(replicas=2))


def following(*, auto_apply: bool = True) -> ObservedState:
    request = request_of(annotations={ANNOTATION_PROFILER: "image"}, image=IMAGE, autoApply=auto_apply)
    observed = observed_of(request)
    observed = in_phase(Phase.PENDING, observed, pending(observed))
    return in_phase(Phase.PROFILING, observed, pending(observed))


def ended(observed: ObservedState, text: str | None = TEXT, *, job: str = "job-1", **run: Any) -> ObservedState:
    """Return a state in which the profiler has published its end."""
    fields: dict[str, Any] = {"status": RunState.SUCCESS, "phase": "Done", "message": "m"} | run
    packed = pack(text.encode()) if text is not None else None
    told = Output(job, run_of(observed).inputs, RunStatus(**fields), packed, FINAL_CONFIG)
    found = map_of(observed, told, seen=job)
    return replace(observed, output_map=found, output=output.read(found))


def taken_over(**options: bool) -> tuple[ObservedState, Decision]:
    observed = ended(following(**options))
    return observed, profiling(observed)


def test_its_deployment_is_deployed() -> None:
    observed, decision = taken_over()
    assert decision.status.phase is Phase.DEPLOYING
    made = manifest(after(observed, decision))
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("qwen-dgd", "team")
    assert said(decision, "ProfilingComplete") == (
        "True",
        "ProfilingCompleted",
        f"{IMAGE} made a deployment of 8 GPUs and gives no estimates of it",
    )
    documents = load_documents(decision.annotations[ANNOTATION_GENERATED] or "")
    assert [document["kind"] for document in documents if isinstance(document, dict)] == [
        "ConfigMap",
        "DynamoGraphDeployment",
    ]
    (mounted,) = (e.manifest for e in decision.ensure if e.manifest["metadata"]["name"] == "planner-config-ab12")
    assert mounted["metadata"]["ownerReferences"][0]["uid"] == observed.uid
    results = decision.status.profiling_results
    assert results is not None
    assert results.pareto is None
    assert results.completion_time == observed.now


def test_cluster_of_the_older_version_gets_it_in_that() -> None:
    observed = replace(ended(following()), graphs=GRAPHS_V1ALPHA1)
    assert manifest(after(observed, profiling(observed)))["apiVersion"] == "nvidia.com/v1alpha1"


def test_who_wants_to_look_first_deploys_it_later() -> None:
    observed, decision = taken_over(auto_apply=False)
    assert decision.status.phase is Phase.READY
    waiting = after(observed, decision)
    its = {ANNOTATION_PROFILER: "image"}
    asked = ready(annotated(waiting, **its, **{ANNOTATION_DEPLOY: "recommended"}))
    assert asked.status.phase is Phase.DEPLOYING
    other = ready(annotated(waiting, **its, **{ANNOTATION_DEPLOY: "vllm-agg-0123456789"}))
    assert other.status.phase is Phase.READY
    assert said(other, "SpecGenerated")[1] == "CandidateNotOffered"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            adopted_text(adopted_graph(replicas=3)),
            "final_config.yaml: spec.components: Forbidden: the deployment would use 12 GPUs; the budget is 8",
        ),
        ("null\n", "final_config.yaml: (document): Invalid value: 0: must contain exactly one DynamoGraphDeployment"),
    ],
)
def test_what_cannot_be_created_fails_with_the_reason(text: str, error: str) -> None:
    decision = profiling(ended(following(), text))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "SpecGenerated") == ("False", "GenerationFailed", error)


def test_what_cannot_be_unpacked_fails_with_the_reason() -> None:
    observed = ended(following())
    assert observed.output is not None
    broken = replace(observed, output=replace(observed.output, packed="AAAA"))
    assert "the published final_config.yaml cannot be read" in said(profiling(broken), "SpecGenerated")[2]


def test_deployment_is_not_taken_from_anybody(profiling_state: ObservedState) -> None:
    """Who may write the output's ConfigMap could otherwise have any deployment created."""
    observed = ended(profiling_state)
    decision = profiling(observed)
    assert decision.status.phase is Phase.FAILED
    assert "does not have its image profile" in said(decision, "SpecGenerated")[2]
    assert not decision.ensure


def test_deployment_that_no_annotation_holds_is_deployed_all_the_same() -> None:
    large = config_map("planner-config-ab12", data={"a": "x" * 260_000})
    decision = profiling(ended(following(), adopted_text(large, adopted_graph())))
    assert decision.status.phase is Phase.DEPLOYING
    assert "does not fit into annotation" in said(decision, "ConfigurationWarning")[2]


def test_failure_is_final_though_the_job_has_completed() -> None:
    observed = ended(following(), None, status=RunState.FAILED, error="Profiler did not produce a DGD config.")
    decision = profiling(replace(observed, job=job_of(observed, Complete=1)))
    assert decision.status.phase is Phase.FAILED
    assert "Profiler did not produce a DGD config." in said(decision, "Profiling")[2]
