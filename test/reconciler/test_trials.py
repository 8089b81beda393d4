"""Trials: what a thorough search wants is deployed as far as GPUs allow, followed, answered, and taken down."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.names import LABEL_GRAPH, LABEL_TRIAL, dgd_name, trial_name
from dgdr_api.trials import TrialLog, TrialState, TrialStatus
from dgdr_api.v1beta1 import Backend, DgdrStatus, Hardware, Phase
from dgdr_controller.hardware.resolve import resolve
from dgdr_controller.hardware.status import shown
from dgdr_controller.kinds import PODS, Graph, Pod
from dgdr_controller.profiling_job.output import read_trial_status
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.reconciler.composition import composed_trial
from dgdr_controller.reconciler.decision import Decision, WriteMode
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObservedState
from dgdr_controller.reconciler.phases.failed import failed
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.trials import needs, with_trials
from test.builders.observed_state import (
    NODE,
    NOW,
    UID,
    graph_of,
    job_of,
    map_of,
    observed_of,
    pod_of,
    published_of,
    request_of,
    rfc3339,
)

WAITING, STARTING, READY, FAILED = TrialState


def candidate(tp: int = 4, *, batch: int = 64) -> Candidate:
    worker = Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=tp), count=1, batch=batch, max_num_tokens=8192)
    return Candidate(
        backend=Backend.VLLM, backend_version="0.31.0", mode=Mode.AGGREGATED, workers=(worker,), replicas=1,
        context_length=8192, source=Source.SILICON,
    )  # fmt: skip


def log_of(*wanted: Candidate) -> TrialLog:
    return TrialLog(model="Qwen/Qwen3-32B", wanted=wanted)


def measuring(
    *wanted: Candidate,
    statuses: Mapping[str, TrialStatus] | None = None,
    used: int | None = 0,
    spec: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    **seen: Any,
) -> ObservedState:
    """Return a thorough request whose profiler wants trials; its node has eight GPUs."""
    request = request_of(searchStrategy="thorough", **(spec or {}))
    node = replace(NODE, used=used)
    hardware = shown(resolve(Hardware(), (node,), multinode=False))
    status = DgdrStatus(phase=Phase.PROFILING, observed_generation=1, hardware=hardware)
    observed = observed_of(request.model_copy(update={"status": status}), nodes=(node,))
    published = published_of(observed, trials=log_of(*wanted), statuses=statuses, **(run or {}))
    state: dict[str, Any] = {"job": job_of(observed), "pods": (pod_of(phase="Running"),)} | published | seen
    return replace(observed, **state)


def trial(
    observed: ObservedState, wanted: Candidate, *, ago: float = 10, state: str = "pending", **status: Any
) -> Graph:
    """Make the deployment of a trial, as it was made some seconds ago."""
    manifest = composed_trial(observed, wanted, log_of(wanted))
    manifest["metadata"] |= {"creationTimestamp": rfc3339(NOW - dt.timedelta(seconds=ago))}
    return graph_of(manifest, state, components={"Frontend": {"replicas": 1}, "worker": {"replicas": 1}}, **status)


def pod(of: Graph, name: str = "w-0", *, node: bool = True, ago: float = 300, **status: Any) -> Pod:
    at = rfc3339(NOW - dt.timedelta(seconds=ago))
    scheduled = {"type": "PodScheduled", "status": str(node), "lastTransitionTime": at}
    if not node:
        scheduled |= {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}
    conditions = [scheduled, {"type": "Ready", "status": "False", "lastTransitionTime": at}]
    metadata = {"name": name, "namespace": "team", "creationTimestamp": at, "labels": {LABEL_GRAPH: of.metadata.name}}
    made = {"metadata": metadata, "status": {"conditions": conditions} | status}
    found: Pod = PODS.decode(msgspec.json.encode(made))
    return found


CRASHED: dict[str, Any] = {
    "containerStatuses": [
        {
            "name": "main",
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "ValueError: no kernel\n"}},
        }
    ]
}


def decided(observed: ObservedState) -> Decision:
    return with_trials(observed, profiling(observed))


def made(decision: Decision) -> list[str]:
    """Return the ids of the trials that a decision makes."""
    return [
        ensure.manifest["metadata"]["labels"][LABEL_TRIAL]
        for ensure in decision.ensure
        if ensure.manifest["kind"] == "DynamoGraphDeployment"
    ]


def answers(decision: Decision) -> dict[str, TrialStatus]:
    """Return what the profiler is answered."""
    maps = [ensure.manifest for ensure in decision.ensure if ensure.manifest["kind"] == "ConfigMap"]
    assert len(maps) == 1
    return read_trial_status(msgspec.structs.replace(map_of(measuring()), data=maps[0]["data"]))


def test_trial_is_deployed_as_one_replica_of_the_request_and_goes_with_it() -> None:
    decision = decided(measuring(candidate(4)))

    assert made(decision) == [candidate(4).id]
    ensure = decision.ensure[0]
    metadata = ensure.manifest["metadata"]
    assert ensure.mode is WriteMode.CREATE
    assert metadata["ownerReferences"][0]["uid"] == UID
    assert metadata["name"] != dgd_name("qwen")
    assert metadata["labels"]["dgdr.nvidia.com/name"] == "qwen"
    workers = {c["name"]: c for c in ensure.manifest["spec"]["components"]}
    assert workers["worker"]["replicas"] == 1
    assert "--tensor-parallel-size" in workers["worker"]["podTemplate"]["spec"]["containers"][0]["args"]
    assert answers(decision)[candidate(4).id].state is STARTING
    assert decision.status.phase is Phase.PROFILING


def test_trial_of_a_request_with_planner_has_none() -> None:
    decision = decided(measuring(candidate(4), spec={"features": {"planner": True}}))

    assert {c["name"] for c in decision.ensure[0].manifest["spec"]["components"]} == {"Frontend", "worker"}


def test_trials_are_deployed_together_as_far_as_the_budget_reaches() -> None:
    four, two, also_four = candidate(4), candidate(2), candidate(4, batch=8)

    decision = decided(measuring(four, two, also_four))

    assert made(decision) == [four.id, two.id]
    waiting = answers(decision)[also_four.id]
    assert waiting.state is WAITING
    assert "it needs 4 GPUs, and the other deployments that are measured leave 2" in waiting.message
    assert ClusterState.GPUS in decision.awaits


def test_trial_waits_while_others_use_the_gpus() -> None:
    decision = decided(measuring(candidate(4), used=5))

    assert made(decision) == []
    assert answers(decision)[candidate(4).id].message == "it needs 4 GPUs, and 3 are free in the cluster"


def test_gpus_of_a_trial_without_node_are_not_free() -> None:
    """What counts users of GPUs counts pods with a node alone."""
    two, four = candidate(2), candidate(4)
    observed = measuring(two, four, used=3)
    graph = trial(observed, two)

    decision = decided(replace(observed, trials=(graph,)))

    assert made(decision) == []
    assert answers(decision)[four.id].message == "it needs 4 GPUs, and 3 are free in the cluster"


def test_ready_trial_is_answered_with_its_endpoint_once() -> None:
    observed = measuring(candidate(4))
    observed = replace(observed, trials=(trial(observed, candidate(4), state="successful"),))

    decision = decided(observed)

    name = trial_name("qwen", UID, candidate(4).id)
    ready = TrialStatus(state=READY, endpoint=f"http://{name}-frontend.team.svc:8000")
    assert answers(decision) == {candidate(4).id: ready}
    assert [event.reason for event in decision.events] == ["TrialReady"]
    again = measuring(candidate(4), statuses={candidate(4).id: ready}, trials=observed.trials)
    assert decided(again).ensure == []
    assert decided(again).events == []


def test_crashing_trial_fails_with_its_last_words_after_a_minute() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4), ago=90)
    observed = replace(observed, trials=(graph,))

    young = decided(replace(observed, trial_pods=(pod(graph, ago=30, **CRASHED),)))
    old = decided(replace(observed, trial_pods=(pod(graph, ago=80, **CRASHED),)))

    assert answers(young)[candidate(4).id].state is STARTING
    failed_trial = answers(old)[candidate(4).id]
    assert failed_trial.state is FAILED
    assert "ValueError: no kernel" in failed_trial.message
    assert [(event.reason, event.warning) for event in old.events] == [("TrialFailed", True)]
    assert "vllm aggregated, 1 × tp4" in old.events[0].message


def test_trial_that_is_never_ready_costs_its_deadline_only() -> None:
    observed = measuring(candidate(4))
    deadline = observed.settings.profiling.trial_deadline_s

    before = decided(replace(observed, trials=(trial(observed, candidate(4), ago=deadline - 5),)))
    after = decided(replace(observed, trials=(trial(observed, candidate(4), ago=deadline + 5),)))

    assert answers(before)[candidate(4).id].state is STARTING
    assert answers(after)[candidate(4).id].state is FAILED
    assert "not ready after 60 min" in answers(after)[candidate(4).id].message


def test_failed_trial_stays_failed_while_it_is_wanted() -> None:
    """A deployment that serves again, or that somebody has deleted, does not change what was answered."""
    gone = TrialStatus(state=FAILED, message="it crashed")

    decision = decided(measuring(candidate(4), statuses={candidate(4).id: gone}))

    assert decision.ensure == []


def test_trial_that_holds_gpus_and_waits_for_others_gives_them_up() -> None:
    """Two deployments that wait for each other's GPUs would wait for ever."""
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4), ago=90)
    holding = (pod(graph, "a", ago=70), pod(graph, "b", node=False, ago=70))
    empty = (pod(graph, "b", node=False, ago=70),)

    gives_up = decided(replace(observed, trials=(graph,), trial_pods=holding))
    waits = decided(replace(observed, trials=(graph,), trial_pods=empty))

    assert [removal.name for removal in gives_up.remove] == [graph.metadata.name]
    assert answers(gives_up)[candidate(4).id].state is WAITING
    assert waits.remove == []
    assert "Insufficient nvidia.com/gpu" in answers(waits)[candidate(4).id].message


def test_trial_that_is_being_deleted_is_not_made_again_before_it_is_gone() -> None:
    observed = measuring(candidate(4))
    manifest = composed_trial(observed, candidate(4), log_of(candidate(4)))
    manifest["metadata"]["deletionTimestamp"] = rfc3339(NOW)

    decision = decided(replace(observed, trials=(graph_of(manifest),)))

    assert made(decision) == []
    assert decision.remove == []
    assert answers(decision)[candidate(4).id].state is WAITING


def test_trial_that_is_no_longer_wanted_is_removed() -> None:
    observed = measuring(candidate(2))
    old = trial(observed, candidate(4))

    decision = decided(replace(observed, trials=(old,)))

    assert [(removal.kind, removal.uid) for removal in decision.remove] == [("DynamoGraphDeployment", "dgd-1")]


def _no_job(observed: ObservedState) -> ObservedState:
    return replace(observed, job=None)


def _failed_job(observed: ObservedState) -> ObservedState:
    return replace(observed, job=job_of(observed, Failed=("DeadlineExceeded", "too long")))


def _other_job(observed: ObservedState) -> ObservedState:
    return replace(observed, job=job_of(observed, "job-2"))


def _succeeded(observed: ObservedState) -> ObservedState:
    return replace(observed, **published_of(observed, trials=log_of(candidate(4)), status=RunState.SUCCESS))


@pytest.mark.parametrize("ended", [_no_job, _failed_job, _other_job, _succeeded])
def test_trials_go_when_nobody_profiles_any_more(ended: Any) -> None:
    observed = measuring(candidate(4))
    observed = replace(ended(observed), trials=(trial(observed, candidate(4)),))

    decision = with_trials(observed, Decision(observed.status))

    assert len(decision.remove) == 1
    assert made(decision) == []


def test_trials_go_with_a_request_that_has_failed() -> None:
    observed = measuring(candidate(4))
    observed = replace(observed, trials=(trial(observed, candidate(4)),))
    status = observed.status.model_copy(update={"phase": Phase.FAILED})
    observed = replace(observed, request=observed.request.model_copy(update={"status": status}))

    assert len(with_trials(observed, failed(observed)).remove) == 1


def test_trial_of_another_request_of_the_name_is_left_alone() -> None:
    observed = measuring(candidate(4))
    manifest = composed_trial(observed, candidate(4), log_of(candidate(4)))
    manifest["metadata"]["ownerReferences"][0]["uid"] = "another"

    decision = with_trials(_no_job(replace(observed, trials=(graph_of(manifest),))), Decision(observed.status))

    assert decision.remove == ()


def test_trial_that_the_api_server_rejects_fails_alone() -> None:
    decision = decided(measuring(candidate(4), candidate(2)))

    assert decision.ensure[0].instead is not None
    instead = decision.ensure[0].instead("spec.components: Invalid value")
    found = read_trial_status(msgspec.structs.replace(map_of(measuring()), data=instead.manifest["data"]))
    assert found[candidate(4).id].state is FAILED
    assert "was refused: spec.components: Invalid value" in found[candidate(4).id].message


def test_trial_that_cannot_take_the_users_override_fails_alone() -> None:
    override = {"overrides": {"dgd": {"spec": {"services": {"nobody": {"replicas": 2}}}}}}

    decision = decided(measuring(candidate(4), spec=override))

    assert made(decision) == []
    assert answers(decision)[candidate(4).id].state is FAILED


def test_needs_are_those_of_trials_only_while_some_are_wanted() -> None:
    assert needs(measuring(candidate(4))) == Need.COMPOSITION | Need.HARDWARE
    assert needs(measuring()) == Need(0)
    assert needs(observed_of()) == Need(0)


@pytest.mark.parametrize("name", ["a", "qwen", "a-very-long-name-of-a-request-33c"])
def test_name_of_a_trial_fits_where_that_of_the_deployment_does(name: str) -> None:
    names = {trial_name(name, UID, str(number)) for number in range(50)}

    assert len(names) == 50
    assert max(map(len, names)) <= max(len(dgd_name(name)), len("a-123456"))
    assert all("--" not in found for found in names)
    assert {found[0] for found in names} == {name[0]}
    assert trial_name(name, UID, "x") != trial_name(name, "another", "x")
