"""Trials: what a thorough search wants is deployed as far as GPUs allow, followed, answered, and taken down."""

import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import yaml

from dgdr_api.candidate import Candidate
from dgdr_api.names import LABEL_GRAPH, LABEL_TRIAL, dgd_name, trial_name
from dgdr_api.trials import TrialState, TrialStatus
from dgdr_api.v1beta1 import Backend, Phase
from dgdr_controller.kinds import GRAPHS_V1ALPHA1, PODS, Graph, Pod
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
    published_of,
    rfc3339,
)
from test.builders.trials import candidate, log_of, measuring

WAITING, STARTING, READY, FAILED = TrialState


def trial(
    observed: ObservedState, wanted: Candidate, *, ago: float = 10, state: str = "pending", **status: Any
) -> Graph:
    """Make the deployment of a trial, as it was made some seconds ago."""
    manifest = composed_trial(observed, wanted, log_of(wanted))
    manifest["metadata"] |= {"creationTimestamp": rfc3339(NOW - dt.timedelta(seconds=ago))}
    return graph_of(manifest, state, components={"Frontend": {"replicas": 1}, "worker": {"replicas": 1}}, **status)


def pod(
    of: Graph, name: str = "w-0", *, node: bool = True, ago: float = 300, component: str = "worker", **status: Any
) -> Pod:
    at = rfc3339(NOW - dt.timedelta(seconds=ago))
    scheduled = {"type": "PodScheduled", "status": str(node), "lastTransitionTime": at}
    if not node:
        scheduled |= {"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}
    conditions = [scheduled, {"type": "Ready", "status": "False", "lastTransitionTime": at}]
    labels = {LABEL_GRAPH: of.metadata.name, "nvidia.com/dynamo-component": component}
    metadata = {"name": name, "namespace": "team", "creationTimestamp": at, "labels": labels}
    made = {"metadata": metadata, "status": {"conditions": conditions} | status}
    found: Pod = PODS.decode(msgspec.json.encode(made))
    return found


def crashed(times: int) -> dict[str, Any]:
    """Return the statuses of a container that has crashed so often."""
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "ValueError: no kernel\n"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    return {"containerStatuses": [{"name": "main", "restartCount": times, "state": waiting, "lastState": ended}]}


def decided(observed: ObservedState) -> Decision:
    return with_trials(observed, profiling(observed))


def then(observed: ObservedState, decision: Decision, *, s: float = 0, **seen: Any) -> ObservedState:
    """Return the state some time after a decision, with what it has answered."""
    maps = [ensure.manifest for ensure in decision.ensure if ensure.manifest["kind"] == "ConfigMap"]
    assert observed.output_map is not None
    data = dict(observed.output_map.data) | (maps[0]["data"] if maps else {})
    output_map = msgspec.structs.replace(observed.output_map, data=data)
    return replace(observed, output_map=output_map, now=observed.now + dt.timedelta(seconds=s), **seen)


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
    found = read_trial_status(msgspec.structs.replace(map_of(measuring()), data=maps[0]["data"])).trials
    return {name: status.model_copy(update={"since": None}) for name, status in found.items()}


def test_trial_is_deployed_as_one_replica_of_the_request_and_goes_with_it() -> None:
    decision = decided(measuring(candidate(4)))

    assert made(decision) == [candidate(4).id]
    ensure = decision.ensure[-1]
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

    assert {c["name"] for c in decision.ensure[-1].manifest["spec"]["components"]} == {"Frontend", "worker"}


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
    answer = answers(decision)[candidate(4).id]
    assert (answer.state, answer.endpoint) == (READY, f"http://{name}-frontend.team.svc:8000")
    deployment = yaml.safe_load(answer.deployment)
    assert (deployment["kind"], deployment["metadata"]["name"]) == ("DynamoGraphDeployment", name)
    assert [event.reason for event in decision.events] == ["TrialReady"]
    again = then(observed, decision, s=60)
    assert decided(again).ensure == []
    assert decided(again).events == []


def test_endpoint_is_that_of_the_component_of_type_frontend() -> None:
    """A deployment of v1alpha1 calls components services."""
    observed = replace(measuring(candidate(4)), graphs=GRAPHS_V1ALPHA1)
    observed = replace(observed, trials=(trial(observed, candidate(4), state="successful"),))

    (status,) = answers(decided(observed)).values()

    assert status.endpoint == f"http://{trial_name('qwen', UID, candidate(4).id)}-frontend.team.svc:8000"


def test_trial_that_crashes_again_and_again_fails_with_its_last_words() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4), ago=90)
    observed = replace(observed, trials=(graph,))

    once = decided(replace(observed, trial_pods=(pod(graph, ago=80, **crashed(1)),)))
    often = decided(replace(observed, trial_pods=(pod(graph, ago=80, **crashed(3)),)))

    assert answers(once)[candidate(4).id].state is STARTING
    assert once.remove == []
    failed_trial = answers(often)[candidate(4).id]
    assert failed_trial.state is FAILED
    assert "ValueError: no kernel" in failed_trial.message
    assert [removal.name for removal in often.remove] == [graph.metadata.name]
    assert [(event.reason, event.warning) for event in often.events] == [("TrialFailed", True)]
    assert "vllm aggregated, 1 × tp4" in often.events[0].message


def test_trial_without_image_fails_after_a_minute() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4))
    observed = replace(observed, trials=(graph,))
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    pulling: dict[str, Any] = {"containerStatuses": [{"name": "main", "restartCount": 0} | waiting]}

    young = decided(replace(observed, trial_pods=(pod(graph, ago=30, **pulling),)))
    old = decided(replace(observed, trial_pods=(pod(graph, ago=80, **pulling),)))

    assert answers(young)[candidate(4).id].state is STARTING
    assert answers(old)[candidate(4).id].state is FAILED
    assert "no such image" in answers(old)[candidate(4).id].message


def test_trial_that_is_never_ready_costs_its_deadline_only() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4))
    begun = decided(replace(observed, trials=(graph,)))
    deadline = observed.settings.profiling.trial_deadline_s

    before = decided(then(replace(observed, trials=(graph,)), begun, s=deadline - 5))
    after = decided(then(replace(observed, trials=(graph,)), begun, s=deadline + 5))

    assert [ensure for ensure in before.ensure if ensure.manifest["kind"] == "ConfigMap"] == []
    assert answers(after)[candidate(4).id].state is FAILED
    assert "not ready after 60 min" in answers(after)[candidate(4).id].message
    assert len(after.remove) == 1


def test_deadline_of_a_trial_that_was_ready_begins_when_it_is_not_any_more() -> None:
    observed = measuring(candidate(4))
    ready = replace(observed, trials=(trial(observed, candidate(4), state="successful"),))
    later = then(ready, decided(ready), s=10 * observed.settings.profiling.trial_deadline_s)

    lost = decided(replace(later, trials=(trial(observed, candidate(4)),)))

    assert answers(lost)[candidate(4).id].state is STARTING
    assert lost.remove == []


def test_time_that_a_trial_waits_for_gpus_does_not_count() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4))
    observed = replace(observed, trials=(graph,))
    waiting = replace(observed, trial_pods=(pod(graph, node=False, ago=60),))

    much_later = then(waiting, decided(waiting), s=10 * observed.settings.profiling.trial_deadline_s)

    assert answers(decided(replace(much_later, trial_pods=(pod(graph),))))[candidate(4).id].state is STARTING


def test_failed_trial_stays_failed_while_it_is_wanted() -> None:
    """A deployment that serves again, or that somebody has deleted, does not change what was answered."""
    gone = TrialStatus(state=FAILED, message="it crashed")

    observed = measuring(candidate(4), statuses={candidate(4).id: gone})
    served = trial(observed, candidate(4), state="successful")

    decision = decided(replace(observed, trials=(served,)))

    assert made(decision) == []
    assert answers(decision)[candidate(4).id] == gone
    assert [removal.uid for removal in decision.remove] == [served.metadata.uid]
    assert decision.events == []


def test_younger_of_two_trials_that_wait_for_each_other_gives_its_gpus_up() -> None:
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4), ago=90)
    pods = (pod(graph, "a", ago=70), pod(graph, "b", node=False, ago=70))
    observed = replace(observed, trials=(graph,), trial_pods=pods)

    alone = decided(observed)
    younger = decided(replace(observed, rivals=(trial(observed, candidate(2), ago=100),)))
    older = decided(replace(observed, rivals=(trial(observed, candidate(2), ago=80),)))
    young = replace(observed, trial_pods=(pods[0], pod(graph, "b", node=False, ago=10)))

    assert [removal.name for removal in younger.remove] == [graph.metadata.name]
    assert answers(younger)[candidate(4).id].state is WAITING
    assert "Insufficient nvidia.com/gpu" in answers(younger)[candidate(4).id].message
    assert alone.remove == older.remove == []
    assert decided(replace(young, rivals=(trial(observed, candidate(2), ago=100),))).remove == []


def test_trial_that_holds_no_gpu_waits() -> None:
    """Its frontend has a node, as it needs no GPU."""
    observed = measuring(candidate(4))
    graph = trial(observed, candidate(4), ago=90)
    frontend = pod(graph, "f", ago=70, component="Frontend")
    observed = replace(observed, trials=(graph,), trial_pods=(frontend, pod(graph, "b", node=False, ago=70)))

    assert decided(replace(observed, rivals=(trial(observed, candidate(2), ago=100),))).remove == []


def test_gpus_that_others_trials_wait_for_are_not_free() -> None:
    observed = measuring(candidate(4), used=0)
    rival = trial(observed, candidate(2, batch=3))

    decision = decided(replace(observed, rivals=(rival, trial(observed, candidate(4, batch=3)))))

    assert made(decision) == []
    assert answers(decision)[candidate(4).id].message == "it needs 4 GPUs, and 2 are free in the cluster"


def test_urgent_trial_gets_the_gpus_of_less_urgent_ones() -> None:
    """The budget holds both, and somebody else uses the GPUs: each would wait for the other for ever."""
    urgent, other = candidate(4), candidate(4, batch=8)
    observed = measuring(urgent, other, used=8)
    graph = trial(observed, other, state="successful")
    observed = replace(observed, trials=(graph,), trial_pods=(pod(graph),))

    decision = decided(observed)

    assert [removal.name for removal in decision.remove] == [graph.metadata.name]
    assert answers(decision)[urgent.id].message == "it needs 4 GPUs, and 0 are free in the cluster"
    assert answers(decision)[other.id].state is WAITING


def test_trial_needs_the_gpus_of_an_engine_on_one_node() -> None:
    observed = measuring(candidate(8), used=4)
    two = (replace(NODE, used=4), replace(NODE, node="n2", used=4))

    decision = decided(replace(observed, nodes=two))

    assert made(decision) == []
    message = answers(decision)[candidate(8).id].message
    assert message == "it needs 8 GPUs on one node, and no node has more than 4 free"


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


@pytest.mark.parametrize("state", [FAILED, WAITING])
def test_trial_that_the_api_server_refuses_hinders_no_other(state: TrialState) -> None:
    decision = decided(measuring(candidate(4), candidate(2)))
    by_trial = {e.manifest["metadata"]["labels"].get(LABEL_TRIAL): e for e in decision.ensure}
    instead = by_trial[candidate(4).id].instead
    assert instead is not None

    final = state is FAILED
    refused = instead("exceeded quota: gpus", final)

    assert refused.ensure is not None
    assert "resourceVersion" not in refused.ensure.manifest["metadata"], "the answer before was written just now"
    found = read_trial_status(msgspec.structs.replace(map_of(measuring()), data=refused.ensure.manifest["data"]))
    assert found.trials[candidate(4).id].state is state
    assert "was refused: exceeded quota: gpus" in found.trials[candidate(4).id].message
    assert [event.reason for event in refused.events] == (["TrialFailed"] if final else [])


def test_answer_says_until_when_the_job_runs() -> None:
    observed = measuring(candidate(4))
    assert observed.job is not None
    job = msgspec.structs.replace(
        observed.job, metadata=msgspec.structs.replace(observed.job.metadata, creation_timestamp=NOW)
    )

    decision = decided(replace(observed, job=job))

    data = next(e.manifest["data"] for e in decision.ensure if e.manifest["kind"] == "ConfigMap")
    ends = read_trial_status(msgspec.structs.replace(map_of(measuring()), data=data)).ends
    assert ends == NOW + dt.timedelta(seconds=observed.settings.profiling.thorough_deadline_s)


def test_trial_of_another_number_of_gpus_than_its_candidate_fails() -> None:
    more = {"overrides": {"dgd": {"spec": {"services": {"worker": {"replicas": 2}}}}}}

    decision = decided(measuring(candidate(4), spec=more))

    assert made(decision) == []
    assert "a trial of 4 GPUs would take 8" in answers(decision)[candidate(4).id].message


def test_override_of_the_planner_is_left_out_of_trials() -> None:
    planner = {
        "features": {"planner": True},
        "overrides": {"dgd": {"spec": {"services": {"Planner": {"replicas": 1}}}}},
    }

    assert made(decided(measuring(candidate(4), spec=planner))) == [candidate(4).id]


def test_trial_of_another_engine_than_the_requests_is_not_deployed() -> None:
    """Whoever may write the output's ConfigMap could ask for it."""
    sglang = candidate(4).model_copy(update={"backend": Backend.SGLANG})

    decision = decided(measuring(sglang, spec={"backend": "vllm"}))

    assert made(decision) == []


@pytest.mark.parametrize("model", ["evil/repository", "/opt/model-cache/x", "Qwen/Qwen3-32B/../../evil"])
def test_trial_of_another_model_than_the_requests_is_not_deployed(model: str) -> None:
    """The same: engines might run code that a model brings along."""
    observed = measuring(candidate(4))
    log = log_of(candidate(4)).model_copy(update={"model": model})
    observed = replace(observed, **published_of(observed, trials=log))

    decision = decided(observed)

    assert made(decision) == []
    assert f'the result is of "{model}"' in answers(decision)[candidate(4).id].message


def test_trial_is_one_replica_whatever_is_asked_for() -> None:
    decision = decided(measuring(candidate(2).scaled(2)))

    workers = {c["name"]: c for c in decision.ensure[-1].manifest["spec"]["components"]}
    assert workers["worker"]["replicas"] == 1


def test_trial_that_cannot_take_the_users_override_fails_alone() -> None:
    override = {"overrides": {"dgd": {"spec": {"services": {"nobody": {"replicas": 2}}}}}}

    decision = decided(measuring(candidate(4), spec=override))

    assert made(decision) == []
    assert answers(decision)[candidate(4).id].state is FAILED


def test_needs_are_those_of_trials_only_while_some_are_wanted() -> None:
    assert needs(measuring(candidate(4))) == Need.COMPOSITION | Need.HARDWARE | Need.RIVALS
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
