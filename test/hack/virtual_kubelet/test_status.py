from typing import Any

import pytest

from hack.virtual_kubelet.states import Record, Running, Terminated, Waiting, recall
from hack.virtual_kubelet.status import Progress, differs, phase, pod_status

NOW = "2026-01-01T00:00:00Z"
CREATING, RUNS = Waiting("ContainerCreating"), Running(NOW)
GOOD, BAD = Terminated(0, "Completed"), Terminated(1, "Error")
STARTED = Progress(mounted=True, initialized=True)
OVER = Progress(mounted=True, initialized=True, ended=True)


def record(state: Any, last: Terminated | None = None, *, ready: bool = False, name: str = "main") -> Record:
    return Record(name, "i", state, last, ready=ready)


@pytest.mark.parametrize(
    ("inits", "mains", "progress", "expected"),
    [
        ([], [record(CREATING)], Progress(), "Pending"),
        ([record(RUNS)], [record(CREATING)], Progress(mounted=True), "Pending"),
        ([], [record(RUNS)], STARTED, "Running"),
        ([], [record(CREATING), record(RUNS)], STARTED, "Pending"),
        ([], [record(Waiting("CrashLoopBackOff"), BAD)], STARTED, "Running"),
        ([], [record(GOOD), record(RUNS)], STARTED, "Running"),
        ([], [record(GOOD)], STARTED, "Running"),  # sidecars are still to end
        ([], [record(GOOD)], OVER, "Succeeded"),
        ([], [record(GOOD), record(BAD)], OVER, "Failed"),
        ([record(BAD)], [record(CREATING)], OVER, "Failed"),
        ([], [record(GOOD)], Progress(ended=True, failure=("DeadlineExceeded", "m")), "Failed"),
    ],
)
def test_phase_follows_from_the_containers(
    inits: list[Record], mains: list[Record], progress: Progress, expected: str
) -> None:
    assert phase(inits, mains, progress) == expected


def pod(**status: Any) -> dict[str, Any]:
    return {"spec": {}, "status": {"podIP": "127.64.0.1", "hostIP": "127.0.0.1"} | status}


def conditions(mains: list[Record], progress: Progress, of: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    made = pod_status(of or pod(), [], mains, frozenset(), progress, NOW)
    return {condition["type"]: condition for condition in made["conditions"]}


def test_conditions_of_a_pod_that_is_ready_hold() -> None:
    found = conditions([record(RUNS, ready=True)], STARTED)
    assert {kind: condition["status"] for kind, condition in found.items()} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "True",
    }


def test_conditions_name_the_containers_that_are_not_ready() -> None:
    found = conditions([record(RUNS, ready=True), record(RUNS, name="other")], STARTED)
    assert found["Ready"]["message"] == "containers with unready status: [other]"
    assert found["Ready"]["reason"] == "ContainersNotReady"


def test_conditions_of_a_pod_that_has_ended_say_so() -> None:
    assert conditions([record(GOOD)], OVER)["Ready"]["reason"] == "PodCompleted"
    assert conditions([record(BAD)], OVER)["ContainersReady"]["reason"] == "PodFailed"


def test_readiness_gates_are_others_to_open() -> None:
    gated = pod() | {"spec": {"readinessGates": [{"conditionType": "g"}]}}
    found = conditions([record(RUNS, ready=True)], STARTED, gated)
    assert (found["ContainersReady"]["status"], found["Ready"]["reason"]) == ("True", "ReadinessGatesNotReady")


def test_conditions_of_others_and_times_of_what_has_not_changed_stay() -> None:
    other = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": "2025-01-01T00:00:00Z"}
    initialized = ready | {"type": "Initialized", "status": "False"}
    found = conditions([record(RUNS, ready=True)], STARTED, pod(conditions=[other, ready, initialized]))
    assert found["PodScheduled"] == other
    assert found["Ready"] == ready
    assert found["Initialized"]["lastTransitionTime"] == NOW


def test_status_that_was_written_is_not_written_again() -> None:
    mains = [record(Waiting("CrashLoopBackOff", "m"), BAD)]
    written = pod_status(pod(), [], mains, frozenset(), STARTED, NOW)
    stored = {name: value for name, value in written.items() if value is not None} | {"qosClass": "Burstable"}
    stored["containerStatuses"] = [status | {"resources": None} for status in stored["containerStatuses"]]
    assert not differs(pod_status(pod() | {"status": stored}, [], mains, frozenset(), STARTED, "later"), stored)
    assert differs(written | {"phase": "Failed"}, stored)


def test_record_reads_back_as_it_was_written() -> None:
    old = Record("main", "i", Waiting("CrashLoopBackOff"), BAD, restarts=3, container_id="process://1")
    found = recall({"name": "main", "image": "i"}, old.manifest(), CREATING, NOW)
    assert (found.restarts, found.last, found.state) == (3, BAD, CREATING)
    assert recall({"name": "main", "image": "i"}, Record("main", "i", GOOD).manifest(), CREATING, NOW).state == GOOD


def test_record_of_what_ran_says_that_it_was_lost() -> None:
    found = recall({"name": "main", "image": "i"}, Record("main", "i", RUNS).manifest(), CREATING, NOW)
    assert isinstance(found.state, Terminated)
    assert (found.state.exit_code, found.state.reason) == (137, "ContainerStatusUnknown")
