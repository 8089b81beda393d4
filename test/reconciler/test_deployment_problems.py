"""What a deployment waits for: its pods say it, else Dynamo's operator, else only time."""

import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import PODS, Graph, Pod
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.pod_problems import problem_of_deployment, without_spec
from dgdr_controller.settings import Settings
from test.builders.deployments import manifest
from test.builders.observed_state import NOW, after, graph_of, rfc3339, said

Status = dict[str, Any]


def pod(
    name: str = "a",
    *,
    ago: float = 60,
    deleted: bool = False,
    scheduled: bool = True,
    unready: float | None = None,
    **status: Any,
) -> Pod:
    """Make a pod that was scheduled, or has not been, since some seconds, and is not ready since some."""
    at = rfc3339(NOW - dt.timedelta(seconds=ago))
    condition = {"type": "PodScheduled", "status": str(scheduled), "lastTransitionTime": at}
    if not scheduled:
        condition |= {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}
    conditions = [condition]
    if unready is not None:
        since = rfc3339(NOW - dt.timedelta(seconds=unready))
        conditions.append({"type": "Ready", "status": "False", "lastTransitionTime": since})
    metadata = {"name": name, "namespace": "team", "creationTimestamp": at}
    metadata |= {"deletionTimestamp": at} if deleted else {}
    made = {"metadata": metadata, "status": {"conditions": conditions} | status}
    found: Pod = PODS.decode(msgspec.json.encode(made))
    return found


def container(state: Status, *, last: Status | None = None, ready: bool = False, restarts: int = 0) -> Status:
    told = {"name": "main", "image": "r.io/x:1", "ready": ready, "restartCount": restarts, "state": state}
    return {"containerStatuses": [told | {"lastState": last or {}}]}


def running(seconds: float) -> Status:
    return {"running": {"startedAt": rfc3339(NOW - dt.timedelta(seconds=seconds))}}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
CRASHED = {"terminated": {"exitCode": 1, "reason": "Error", "message": "ValueError: unknown flag --x\n"}}
OUT_OF_MEMORY = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}


@pytest.mark.parametrize(
    ("found", "reason", "message"),
    [
        (pod(scheduled=False), "Unschedulable",
         "pod a cannot be scheduled: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
        (pod(**container(PULLING)), "ImagePullFailed", "pod a cannot start: ImagePullBackOff of r.io/x:1: Back-off pulling image"),
        (pod(**container(BACK_OFF, last=CRASHED, restarts=5)), "CrashLoop",
         "pod a, restarted 5 times: container main ended with exit code 1 (Error): ValueError: unknown flag --x"),
        (pod(**container(running(3), last=CRASHED, restarts=1)), "CrashLoop",
         "pod a, restarted 1 time: container main ended with exit code 1 (Error): ValueError: unknown flag --x"),
        (pod(**container(BACK_OFF, last=OUT_OF_MEMORY, restarts=2)), "OOMKilled",
         "pod a, restarted 2 times: container main ended with exit code 137 (OOMKilled)"),
        (pod(ago=1000, **container(running(1000))), "NotReady",
         "pod a runs and is not ready; kubectl logs a -c main says how far it is"),
    ],
)  # fmt: skip
def test_trouble_of_a_pod_is_told(found: Pod, reason: str, message: str) -> None:
    problem = problem_of_deployment([pod("healthy", **container(running(5000), ready=True)), found], NOW)
    assert problem is not None
    assert (problem.reason, problem.message) == (reason, message)


@pytest.mark.parametrize(
    "found",
    [
        pod(scheduled=False, ago=2),
        pod(scheduled=False, deleted=True),
        pod(ago=800, **container(running(600))),
        pod(ago=864_000, unready=2, **container(running(864_000))),
        pod(**container(running(5000), ready=True, last=CRASHED, restarts=3)),
        pod(**container({"waiting": {"reason": "ContainerCreating"}})),
        pod(phase="Succeeded", **container({"terminated": {"exitCode": 0}})),
        pod(),
    ],
)
def test_pod_on_its_way_has_no_trouble(found: Pod) -> None:
    assert problem_of_deployment([found], NOW) is None


def test_oldest_trouble_is_told_and_how_many_others_there_are() -> None:
    pods = [
        pod("b", scheduled=False, ago=60),
        pod("a", scheduled=False, ago=600),
        pod("c", **container(PULLING), ago=50),
    ]
    problem = problem_of_deployment(pods, NOW)
    assert problem is not None
    assert problem.message.startswith("pod a cannot be scheduled: ")
    assert problem.message.endswith(" (2 more pods have problems)")
    assert problem.since == NOW - dt.timedelta(seconds=600)


def test_pod_is_kept_without_what_nobody_reads() -> None:
    whole = {
        "metadata": {"name": "a", "labels": {"x": "y"}, "managedFields": [1], "annotations": {"z": "w"}},
        "spec": {"containers": []},
        "status": {"phase": "Running"},
    }
    assert without_spec(whole) == {"metadata": {"name": "a", "labels": {"x": "y"}}, "status": {"phase": "Running"}}


def waiting(observed: ObservedState, state: str = "pending", **status: Any) -> ObservedState:
    return replace(observed, graph=graph_of(manifest(observed), state, **status))


def test_trouble_is_shown_with_its_age_and_told_once(deploying_state: ObservedState) -> None:
    observed = replace(waiting(deploying_state), serving=(pod(scheduled=False, ago=180),))
    decision = deploying(observed)
    told = "pod a cannot be scheduled: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu. (since 2026-01-02 03:01 UTC)"
    assert said(decision, "DeploymentReady") == ("False", "Unschedulable", told)
    assert said(decision, "Succeeded")[1:] == ("Unschedulable", told)
    assert [(event.reason, event.message) for event in decision.events] == [("Unschedulable", told)]
    assert decision.after_s is not None
    again = deploying(after(observed, decision, s=30))
    assert not again.events
    assert again.status == after(observed, decision).status
    cured = deploying(replace(after(observed, decision, s=60), serving=()))
    assert said(cured, "DeploymentReady")[1:] == ("DeploymentInProgress", "DGD qwen-dgd is in pending state")
    assert said(cured, "Succeeded")[1] == "Deploying"


def test_words_of_the_operator_are_repeated(deploying_state: ObservedState) -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "x", "message": "Resources not ready: [decode]"}]
    decision = deploying(waiting(deploying_state, conditions=conditions))
    assert said(decision, "DeploymentReady")[2] == "DGD qwen-dgd is in pending state: Resources not ready: [decode]"


def unseen(observed: ObservedState, seconds: float) -> Graph:
    graph = graph_of(manifest(observed), "")
    made = observed.now - dt.timedelta(seconds=seconds)
    return msgspec.structs.replace(graph, metadata=msgspec.structs.replace(graph.metadata, creation_timestamp=made))


@pytest.mark.parametrize(("seconds", "reason"), [(10, "DeploymentInProgress"), (90, "WaitingForOperator")])
def test_operator_that_never_looks_is_missed(deploying_state: ObservedState, seconds: float, reason: str) -> None:
    decision = deploying(replace(deploying_state, graph=unseen(deploying_state, seconds)))
    assert said(decision, "DeploymentReady")[1] == reason


def test_deadline_is_told_and_the_deployment_is_followed_all_the_same(deploying_state: ObservedState) -> None:
    state = replace(waiting(deploying_state), settings=Settings(deployment_deadline_s=600))
    begun = after(state, deploying(state))
    assert said(deploying(replace(begun, now=begun.now + dt.timedelta(seconds=590))), "DeploymentReady")[1] == (
        "DeploymentInProgress"
    )
    late = replace(begun, now=begun.now + dt.timedelta(seconds=610))
    decision = deploying(late)
    assert said(decision, "DeploymentReady")[1:] == (
        "DeadlineExceeded",
        "DGD qwen-dgd is not healthy after 10 min: DGD qwen-dgd is in pending state",
    )
    assert [event.reason for event in decision.events] == ["DeadlineExceeded"]
    assert decision.status.phase is Phase.DEPLOYING
    healthy = replace(after(late, decision), graph=graph_of(manifest(late)))
    assert deploying(healthy).status.phase is Phase.DEPLOYED
