"""Verification: a deployment that is healthy is measured once, where it is asked for, and held against its plan."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.candidate import Candidate
from dgdr_api.names import ANNOTATION_VERIFIED, ANNOTATION_VERIFY
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase, Sla
from dgdr_controller.kinds import JOBS, Job
from dgdr_controller.reconciler.decision import Decision, WriteMode
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.verification import needs, with_verification
from test.builders.deployments import manifest
from test.builders.observed_state import after, container, graph_of, pod_of, said

TYPE = "PerformanceVerified"


def annotated(request: DynamoGraphDeploymentRequest, annotations: Mapping[str, str | None]) -> Any:
    changed = {**(request.metadata.annotations or {}), **annotations}
    kept = {name: value for name, value in changed.items() if value is not None}
    return request.model_copy(update={"metadata": request.metadata.model_copy(update={"annotations": kept})})


def asking(observed: ObservedState, value: str | None = "60s", **others: str | None) -> ObservedState:
    return replace(observed, request=annotated(observed.request, {ANNOTATION_VERIFY: value} | others))


def decided(observed: ObservedState) -> Decision:
    phase = deployed if observed.phase is Phase.DEPLOYED else deploying
    return with_verification(observed, phase(observed))


def job_of(decision: Decision, *, uid: str = "job-v", **status: Any) -> Job:
    """Return the Job that a decision makes, as the API server has it."""
    (ensure,) = [e for e in decision.ensure if e.manifest["kind"] == "Job"]
    assert ensure.mode is WriteMode.CREATE
    made = ensure.manifest | {"metadata": ensure.manifest["metadata"] | {"uid": uid}, "status": status}
    found: Job = JOBS.decode(msgspec.json.encode(made))
    return found


def ended(job: Job, kind: str = "Complete", message: str = "") -> Job:
    told = {"type": kind, "status": "True", "reason": "R", "message": message}
    return msgspec.structs.replace(job, status=msgspec.convert({"conditions": [told]}, type(job.status)))


def measuring(observed: ObservedState) -> tuple[ObservedState, Job]:
    """Return the state in which the deployment is measured, and the Job."""
    observed = after(observed, decided(observed))
    decision = decided(observed)
    job = job_of(decision)
    return after(observed, decision, verification=job), job


def point(**changes: Any) -> str:
    numbers = {"concurrency": 8, "ttft": 100.0, "itl": 10.0, "tokens_per_s": 800.0, "request_rate": 0.8} | changes
    return json.dumps([MeasuredPoint(trial="qwen", requests=48, **numbers).model_dump(mode="json")], indent=1)


def told(message: str, code: int = 0) -> tuple[Any, ...]:
    """Return the Job's pod, whose container has ended with a termination message."""
    state = {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": message}}
    return (pod_of("verify-qwen-x", job="job-v", containerStatuses=[container("profiler", **state)]),)


def chosen(observed: ObservedState) -> Candidate:
    assert observed.output is not None
    choice = observed.output.results().choice
    assert choice is not None
    return choice


def as_planned(observed: ObservedState, **factors: float) -> str:
    """Return a measurement that is so many times what is planned."""
    plan = chosen(observed).numbers
    numbers = {name: getattr(plan, name) * factors.get(name, 1.0) for name in ("ttft", "itl", "tokens_per_s")}
    return point(concurrency=round(plan.concurrency), **numbers)


def test_nothing_is_measured_where_nobody_asks(deployed_state: ObservedState) -> None:
    for value in (None, "0s"):
        observed = asking(deployed_state, value)
        assert decided(observed) == deployed(observed)
        assert needs(observed) == Need(0)


def test_condition_comes_before_the_job_that_works_from_the_plan(deployed_state: ObservedState) -> None:
    observed = asking(deployed_state)
    first = decided(observed)
    assert said(first, TYPE)[:2] == ("Unknown", "VerificationPending")
    assert not first.ensure
    observed = after(observed, first)
    assert Need.FRESH_OUTPUT in needs(observed)
    second = decided(observed)
    (ensure,) = second.ensure
    plan = chosen(observed).numbers
    (profiler,) = ensure.manifest["spec"]["template"]["spec"]["containers"]
    options = dict(arg.removeprefix("--").split("=", 1) for arg in profiler["args"][1:])
    assert options["endpoint"] == "http://qwen-dgd-frontend.team.svc:8000"
    assert int(options["concurrency"]) == round(plan.concurrency)
    assert 0 <= int(options["requests"]) - plan.request_rate * 60 < 1, "a minute of what is planned"
    assert said(second, TYPE) == (
        "Unknown",
        "VerificationRunning",
        f"Job verify-qwen is measuring the deployment with {round(plan.concurrency)} requests in flight",
    )
    assert said(second, "Succeeded")[:2] == ("True", "Deployed"), "what is measured serves"


@pytest.mark.parametrize(
    ("factors", "status", "reason"),
    [
        ({}, "True", "AsPlanned"),
        ({"ttft": 1.19, "itl": 0.85, "tokens_per_s": 0.9}, "True", "AsPlanned"),
        ({"ttft": 1.21}, "False", "WorseThanPlanned"),
        ({"itl": 1.25}, "False", "WorseThanPlanned"),
        ({"tokens_per_s": 0.8}, "False", "WorseThanPlanned"),
        ({"ttft": 0.5, "itl": 1.3}, "False", "WorseThanPlanned"),
        ({"tokens_per_s": 1.3}, "True", "BetterThanPlanned"),
    ],
)
def test_what_is_measured_is_held_against_the_plan_once(
    deployed_state: ObservedState, factors: dict[str, float], status: str, reason: str
) -> None:
    observed, job = measuring(asking(deployed_state))
    observed = replace(observed, verification=ended(job), verification_pods=told(as_planned(observed, **factors)))
    assert Need.FRESH_OUTPUT in needs(observed)
    decision = decided(observed)
    assert said(decision, TYPE)[:2] == (status, reason)
    (event,) = decision.events
    assert (event.reason, event.warning) == (reason, status == "False")
    assert (said(decision, TYPE)[2] in said(decision, "Succeeded")[2]) == (status == "False")
    later = after(observed, decision)
    assert decided(later) == deployed(later), "it is done"
    assert needs(later) == Need(0)
    without_job = replace(later, verification=None, verification_pods=())
    assert decided(without_job) == deployed(without_job), "Jobs that have ended are cleaned up"


def test_numbers_are_side_by_side(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    plan = chosen(observed).numbers
    text = as_planned(observed, ttft=1.1, itl=0.95)
    message = said(decided(replace(observed, verification=ended(job), verification_pods=told(text))), TYPE)[2]
    assert message.startswith(f"Measured 48 requests, {round(plan.concurrency)} in flight: TTFT ")
    assert ", +10 %)" in message
    assert ", -5 %)" in message
    assert "tokens/s (planned " in message


def test_target_that_the_plan_meets_and_the_deployment_misses_comes_first(deployed_state: ObservedState) -> None:
    plan, request = chosen(deployed_state).numbers, deployed_state.request
    spec = request.spec.model_copy(update={"sla": Sla(itl=plan.itl * 1.05)})
    request = request.model_copy(update={"spec": spec})
    observed, job = measuring(asking(replace(deployed_state, request=request)))
    text = as_planned(observed, itl=1.1)
    decision = decided(replace(observed, verification=ended(job), verification_pods=told(text)))
    assert said(decision, TYPE)[:2] == ("False", "TargetsMissed")
    assert "Misses ITL " in said(decision, TYPE)[2]


def test_job_that_fails_says_why_and_is_not_repeated(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    failed = replace(
        observed, verification=ended(job, "Failed"), verification_pods=told("Error: 8 in flight: HTTP 500\n", 75)
    )
    decision = decided(failed)
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationFailed")
    assert "HTTP 500" in said(decision, TYPE)[2]
    assert said(decision, "Succeeded")[:2] == ("True", "Deployed")
    later = after(failed, decision)
    assert decided(later) == deployed(later)


def test_job_that_fails_without_a_word_says_what_it_waited_for(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = pod_of("verify-qwen-x", job="job-v", containerStatuses=[container("profiler", **waiting)])
    decision = decided(replace(observed, verification_pods=(pod,)))
    assert said(decision, TYPE)[:2] == ("Unknown", "ImagePullFailed")
    late = ended(job, "Failed", "Job was active longer than specified deadline")
    decision = decided(after(observed, decision, verification=late))
    assert said(decision, TYPE)[1] == "VerificationFailed"
    assert "longer than specified deadline" in said(decision, TYPE)[2]
    assert "no such image" in said(decision, TYPE)[2]


def test_removed_mark_measures_again(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    observed = replace(observed, verification=ended(job), verification_pods=told(as_planned(observed)))
    done = after(observed, decided(observed))
    again = replace(done, request=annotated(done.request, {ANNOTATION_VERIFIED: None}))
    decision = decided(again)
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationPending")
    assert [removal.name for removal in decision.remove] == ["verify-qwen"]
    gone = after(again, decision, verification=None, verification_pods=())
    assert job_of(decided(gone))


def test_other_time_or_another_deployment_is_another_measurement(deployed_state: ObservedState) -> None:
    observed, _ = measuring(asking(deployed_state))
    decision = decided(asking(observed, "2m"))
    assert [removal.name for removal in decision.remove] == ["verify-qwen"]
    graph = observed.graph
    assert graph is not None
    other = msgspec.structs.replace(graph, metadata=msgspec.structs.replace(graph.metadata, annotations={}))
    decision = decided(replace(observed, graph=other))
    assert [removal.name for removal in decision.remove] == ["verify-qwen"]


def test_measurement_ends_with_what_is_measured_and_with_the_wish(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    degraded = replace(observed, graph=graph_of(manifest(observed), "failed"))
    assert [removal.uid for removal in decided(degraded).remove] == [job.metadata.uid]
    decision = decided(asking(observed, None))
    assert [removal.uid for removal in decision.remove] == [job.metadata.uid]
    assert TYPE not in {condition.type for condition in decision.status.conditions or ()}


def test_setting_counts_for_deployments_that_become_healthy(
    deployed_state: ObservedState, deploying_state: ObservedState
) -> None:
    settings = deployed_state.settings.model_copy(update={"verify_s": 60})
    serving = replace(deployed_state, settings=settings)
    assert decided(serving) == deployed(serving), "no load on what serves already"
    becoming = replace(deploying_state, settings=settings, graph=graph_of(manifest(deploying_state)))
    first = decided(becoming)
    assert first.status.phase is Phase.DEPLOYED
    assert said(first, TYPE)[:2] == ("Unknown", "VerificationPending")
    observed = after(becoming, first)
    decision = decided(observed)
    job = ended(job_of(decision))
    observed = after(observed, decision, verification=job, verification_pods=told(as_planned(observed)))
    done = after(observed, decided(observed))
    degraded = replace(done, graph=graph_of(manifest(done), "failed"))
    recovering = after(degraded, decided(degraded), graph=done.graph)
    recovered = decided(recovering)
    assert recovered.status.phase is Phase.DEPLOYED
    assert said(recovered, TYPE)[:2] == ("True", "AsPlanned"), "the same deployment is not measured twice"
    assert decided(asking(becoming, "0s")) == deploying(asking(becoming, "0s"))


def test_annotation_that_cannot_be_read_is_named(deployed_state: ObservedState) -> None:
    decision = decided(asking(deployed_state, "soon"))
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationFailed")
    assert '"10s" to "60m"' in said(decision, TYPE)[2]
    assert decision.status.phase is Phase.DEPLOYED


def test_without_a_plan_nothing_is_measured_and_the_way_out_is_named(deployed_state: ObservedState) -> None:
    observed = after(asking(deployed_state), decided(asking(deployed_state)), output=None)
    decision = decided(observed)
    assert said(decision, TYPE)[:2] == ("Unknown", "NoPlan")
    assert "dgdr measure" in said(decision, TYPE)[2]
    assert not decision.ensure


@pytest.mark.parametrize("final", [True, False])
def test_refused_job_costs_the_request_nothing(deployed_state: ObservedState, *, final: bool) -> None:
    observed = after(asking(deployed_state), decided(asking(deployed_state)))
    (ensure,) = decided(observed).ensure
    assert ensure.instead is not None
    refused = ensure.instead("exceeded quota: pods", final)
    assert refused.ensure is None
    assert refused.condition is not None
    assert (refused.condition.status, refused.condition.reason) == ("Unknown", "WaitingForApi")
    assert "exceeded quota: pods" in refused.condition.message


def test_job_of_somebody_else_is_left_alone(deployed_state: ObservedState) -> None:
    _, job = measuring(asking(deployed_state))
    owner = msgspec.structs.replace(job.metadata.owner_references[0], uid="other")
    theirs = msgspec.structs.replace(job, metadata=msgspec.structs.replace(job.metadata, owner_references=(owner,)))
    pending = after(asking(deployed_state), decided(asking(deployed_state)), verification=theirs)
    decision = decided(pending)
    assert not decision.remove
    assert job_of(decision), "and the API server says that its name is taken"


def test_measurement_that_the_deployment_does_not_bear_is_not_repeated(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    degraded = replace(observed, graph=graph_of(manifest(observed), "failed"))
    decision = decided(degraded)
    assert [removal.uid for removal in decision.remove] == [job.metadata.uid]
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationFailed")
    assert "stopped being healthy" in said(decision, TYPE)[2]
    assert "VerificationFailed" in [event.reason for event in decision.events]
    recovering = after(degraded, decision, graph=observed.graph, verification=None)
    recovered = decided(recovering)
    assert recovered.status.phase is Phase.DEPLOYED
    healthy = after(recovering, recovered)
    assert decided(healthy) == deployed(healthy), "its load is not put on it again"


def test_job_that_somebody_deletes_is_not_made_again(deployed_state: ObservedState) -> None:
    observed, _ = measuring(asking(deployed_state))
    decision = decided(replace(observed, verification=None))
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationFailed")
    assert "was deleted" in said(decision, TYPE)[2]
    assert not decision.ensure


def test_nothing_is_left_to_say_of_a_deployment_that_is_gone(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    decision = decided(replace(observed, graph=None))
    assert decision.status.phase is Phase.FAILED
    assert [removal.uid for removal in decision.remove] == [job.metadata.uid]
    assert TYPE not in {condition.type for condition in decision.status.conditions or ()}


def test_pod_that_ends_after_its_job_is_waited_for(deployed_state: ObservedState) -> None:
    """Watches of different kinds tell in any order."""
    observed, job = measuring(asking(deployed_state))
    running = pod_of("verify-qwen-x", job="job-v", phase="Running", containerStatuses=[container("profiler")])
    early = replace(observed, verification=ended(job), verification_pods=(running,))
    assert Need.FRESH_PODS in needs(early)
    decision = decided(early)
    assert said(decision, TYPE)[:2] == ("Unknown", "VerificationRunning")
    assert decision.after_s is not None
    late = replace(early, verification_pods=told(as_planned(observed)))
    assert said(decided(late), TYPE)[:2] == ("True", "AsPlanned")


def test_wrong_annotation_leaves_a_result_alone(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    observed = replace(observed, verification=ended(job), verification_pods=told(as_planned(observed)))
    done = after(observed, decided(observed))
    mistaken = asking(done, "5s")
    assert decided(mistaken) == deployed(mistaken)


def test_removed_mark_measures_again_by_the_setting_too(deployed_state: ObservedState) -> None:
    observed, job = measuring(asking(deployed_state))
    observed = replace(observed, verification=ended(job), verification_pods=told(as_planned(observed)))
    done = after(observed, decided(observed))
    settings = done.settings.model_copy(update={"verify_s": 60})
    by_setting = replace(done, settings=settings, request=annotated(done.request, {ANNOTATION_VERIFY: None}))
    assert decided(by_setting) == deployed(by_setting)
    unmarked = replace(by_setting, request=annotated(by_setting.request, {ANNOTATION_VERIFIED: None}))
    assert said(decided(unmarked), TYPE)[:2] == ("Unknown", "VerificationPending")
