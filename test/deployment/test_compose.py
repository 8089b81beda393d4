"""What is created: the plan, in the user's own deployment, with the user's marks and overrides – within the budget."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.errors import InvalidRequestError
from dgdr_api.preserved import DeploymentOverrides, Preserved
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import Composed, compose, compose_first
from dgdr_controller.deployment.overrides.dgd import gpus_of
from dgdr_controller.settings import Settings

Make = Callable[..., Any]

BASE = """
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata: {name: theirs, labels: {team: a, dgdr.nvidia.com/name: other}}
spec:
  services:
    Frontend:
      componentType: frontend
      replicas: 3
      extraPodSpec: {mainContainer: {image: "r.io/front:1.6.1"}}
    VllmDecodeWorker:
      componentType: worker
      replicas: 9
      envs: [{name: NCCL_DEBUG, value: INFO}]
      resources: {limits: {gpu: "1"}}
      extraPodSpec:
        mainContainer:
          image: r.io/engine:1.6.1
          command: [python3, -m, dynamo.vllm]
          args: [--model, other/m, --tensor-parallel-size, "8", --seed, "7"]
"""


@pytest.fixture
def aggregated(make_candidate: Make) -> Candidate:
    candidate: Candidate = make_candidate(tp=4)
    return candidate.scaled(2)


@pytest.fixture
def disaggregated() -> Candidate:
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=2), count=1, batch=8, max_num_tokens=4096)
        for role in (Role.PREFILL, Role.DECODE)
    )
    return Candidate(
        backend=Backend.VLLM, backend_version="1", mode=Mode.DISAGGREGATED, workers=workers, replicas=1,
        context_length=8192, source=Source.NAIVE,
    )  # fmt: skip


def composed(of: Candidate, request: Any) -> Composed:
    return compose(of, request, Settings())


def component(made: Composed, name: str) -> dict[str, Any]:
    return next(entry for entry in made.graph["spec"]["components"] if entry["name"] == name)


def main_of(found: dict[str, Any]) -> dict[str, Any]:
    (container,) = found["podTemplate"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


def refused(of: Candidate, request: Any) -> str:
    with pytest.raises(InvalidRequestError) as error:
        composed(of, request)
    return str(error.value)


def overriding(graph_request: Make, **dgd: Any) -> Any:
    return graph_request(overrides={"dgd": dgd})


def test_override_is_laid_over_what_is_created(graph_request: Make, aggregated: Candidate) -> None:
    spec = {"services": {"worker": {"envs": [{"name": "A", "value": "b"}]}}}
    made = composed(aggregated, overriding(graph_request, spec=spec))
    assert main_of(component(made, "worker"))["env"] == [{"name": "A", "value": "b"}]
    assert gpus_of(made.graph) == 8


def test_translated_name_is_told(graph_request: Make, aggregated: Candidate) -> None:
    made = composed(aggregated, overriding(graph_request, spec={"services": {"VllmWorker": {"replicas": 1}}}))
    assert any('override target "VllmWorker" is deprecated; use worker' in note for note in made.notes)
    assert component(made, "worker")["replicas"] == 1


def test_override_may_not_take_more_than_the_budget(graph_request: Make, aggregated: Candidate) -> None:
    within = overriding(graph_request, spec={"services": {"worker": {"replicas": 8}}})
    assert gpus_of(composed(aggregated, within).graph) == 32
    beyond = overriding(graph_request, spec={"services": {"worker": {"replicas": 9}}})
    assert refused(aggregated, beyond) == (
        "spec.overrides.dgd: Forbidden: the deployment would use 36 GPUs; the budget is 32"
    )


def test_name_that_is_too_long_is_refused(graph_request: Make, aggregated: Candidate) -> None:
    assert "must have at most 37 characters" in refused(
        aggregated, overriding(graph_request, metadata={"name": "a" * 38})
    )


def test_next_best_candidate_is_taken_where_the_best_one_does_not_fit(
    graph_request: Make, aggregated: Candidate, disaggregated: Candidate
) -> None:
    request = overriding(graph_request, spec={"services": {"prefill": {"replicas": 1}}})
    chosen, made = compose_first([aggregated, disaggregated], request, Settings())
    assert chosen == disaggregated
    assert any(
        note.startswith("The recommended configuration cannot be deployed: spec.overrides") for note in made.notes
    )
    best, plain = compose_first([aggregated, disaggregated], graph_request(), Settings())
    assert best == aggregated
    assert not plain.notes
    with pytest.raises(InvalidRequestError, match=r"services\.prefill"):
        compose_first([aggregated], request, Settings())


def test_engines_of_a_base_are_found_by_the_planner_too(graph_request: Make, aggregated: Candidate) -> None:
    request = replace(graph_request(features={"planner": True}), base=read_base(BASE))
    made = composed(aggregated, request)
    assert component(made, "VllmDecodeWorker")["type"] == "decode"
    named = graph_request(features={"planner": True}, overrides={"dgd": {"spec": {"services": {"VllmWorker": {}}}}})
    assert component(composed(aggregated, named), "worker")["type"] == "decode"


# v1alpha1's base deployment and overrides


def test_plan_is_put_into_the_users_own_deployment(graph_request: Make, aggregated: Candidate) -> None:
    made = composed(aggregated, replace(graph_request(), base=read_base(BASE)))
    worker = component(made, "VllmDecodeWorker")
    main = main_of(worker)
    assert (worker["replicas"], main["resources"]["limits"]) == (2, {"nvidia.com/gpu": "4"})
    assert main["image"] == "r.io/engine:1.6.1"
    assert {"name": "NCCL_DEBUG", "value": "INFO"} in main["env"]
    args = main["args"]
    assert (args[args.index("--model") + 1], args[args.index("--tensor-parallel-size") + 1]) == ("org/m", "4")
    assert args[args.index("--seed") + 1] == "7"
    assert made.graph["metadata"]["name"] == "r-dgd"
    assert made.graph["metadata"]["labels"]["dgdr.nvidia.com/name"] == "r"
    assert made.graph["metadata"]["labels"]["team"] == "a"
    assert gpus_of(made.graph) == 8


def test_base_that_the_plan_does_not_fit_is_refused(graph_request: Make, make_candidate: Make) -> None:
    base = read_base(BASE.replace("componentType: worker", "componentType: frontend"))
    assert "the plan needs a component of type worker" in refused(make_candidate(), replace(graph_request(), base=base))


def preserving(graph_request: Make, **said: Any) -> Any:
    request = graph_request(image="r.io/vllm-runtime:1.6.1")
    return replace(request, preserved=Preserved(deployment_overrides=DeploymentOverrides(**said)))


def test_workers_image_is_taken_verbatim(graph_request: Make, aggregated: Candidate) -> None:
    request = preserving(graph_request, workers_image="r.io/own@sha256:" + "0" * 64)
    made = composed(aggregated, request)
    for name in ("Frontend", "worker"):
        assert main_of(component(made, name))["image"] == "r.io/own@sha256:" + "0" * 64
    based = composed(aggregated, replace(request, base=read_base(BASE)))
    assert main_of(component(based, "VllmDecodeWorker"))["image"] == "r.io/own@sha256:" + "0" * 64


def test_workers_image_before_the_oldest_release_is_replaced_unless_somebody_insists(
    graph_request: Make, aggregated: Candidate
) -> None:
    request = preserving(graph_request, workers_image="r.io/vllm-runtime:0.6.1")
    made = composed(aggregated, request)
    assert main_of(component(made, "worker"))["image"] == "r.io/vllm-runtime:1.6.1"
    (note,) = made.notes
    assert note.startswith("spec.deploymentOverrides.workersImage r.io/vllm-runtime:0.6.1 is of a Dynamo before 1.0")
    kept = composed(aggregated, replace(request, keeps_image=True))
    assert main_of(component(kept, "worker"))["image"] == "r.io/vllm-runtime:0.6.1"
    assert kept.notes == ("The images are Dynamo 0.6; their flags are those of 1.0, and were not checked",)


def test_deployment_is_called_and_marked_as_wanted(graph_request: Make, aggregated: Candidate) -> None:
    request = preserving(
        graph_request, name="own", labels={"team": "a", "dgdr.nvidia.com/name": "x"}, annotations={"note": "b"}
    )
    metadata = composed(aggregated, request).graph["metadata"]
    assert metadata["name"] == "own"
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("a", "b")
    assert metadata["labels"]["dgdr.nvidia.com/name"] == "r"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"labels": {"a b": "c"}}, 'spec.deploymentOverrides.labels[a b]: Invalid value: "a b"'),
        ({"annotations": {"a b": "c"}}, 'spec.deploymentOverrides.annotations[a b]: Invalid value: "a b"'),
        ({"name": "9"}, 'spec.deploymentOverrides.name: Invalid value: "9"'),
    ],
)
def test_name_that_a_deployment_cannot_have_is_refused(
    graph_request: Make, aggregated: Candidate, said: dict[str, Any], sentence: str
) -> None:
    assert refused(aggregated, preserving(graph_request, **said)).startswith(sentence)
