"""The status of a pod, from what is known of its containers: pure logic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.states import Record, Terminated, Waiting

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
ENDED = frozenset({SUCCEEDED, FAILED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pod has come.

    Attributes:
        mounted: Its volumes are there.
        initialized: Its init containers have succeeded, its sidecars have started.
        ended: None of its containers runs, and none will be started.
        failure: Reason and message when the node has ended it; else empty.
    """

    mounted: bool = False
    initialized: bool = False
    ended: bool = False
    failure: tuple[str, str] | tuple[()] = ()


def phase(inits: Sequence[Record], mains: Sequence[Record], progress: Progress) -> str:
    """Return the phase, as the kubelet derives it.

    Args:
        inits: Init containers that are no sidecars.
        mains: The main containers.
        progress: How far the pod has come.
    """
    if progress.ended:
        succeeded = not progress.failure and all(record.has_succeeded for record in (*inits, *mains))
        return SUCCEEDED if succeeded else FAILED
    never_ran = any(isinstance(record.state, Waiting) and record.last is None for record in mains)
    return RUNNING if progress.initialized and not never_ran else PENDING


def conditions(pod: Manifest, serving: Sequence[Record], reached: str, progress: Progress, now: str) -> list[Manifest]:
    """Return a pod's conditions: those of others as they are, the kubelet's own as they are now.

    Args:
        pod: The pod, with its previous status.
        serving: Its main containers and sidecars.
        reached: Its phase.
        progress: How far it has come.
        now: The time.
    """
    previous = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions") or []}
    unready = [record.name for record in serving if not record.ready]
    wrong = _why_not_ready(reached, unready)
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
    open_gates = [gate for gate in gates if previous.get(gate, {}).get("status") != "True"]
    gated = {"reason": "ReadinessGatesNotReady", "message": f"corresponding conditions: {open_gates}"}
    initialized = progress.initialized or reached == SUCCEEDED
    own: dict[str, tuple[bool, Manifest]] = {
        "PodReadyToStartContainers": (progress.mounted and not progress.ended, {}),
        "Initialized": (initialized, {} if initialized else {"reason": "ContainersNotInitialized"}),
        "ContainersReady": (not wrong, wrong),
        "Ready": (not wrong and not open_gates, wrong or (gated if open_gates else {})),
    }
    mine = [_condition(kind, previous.get(kind), holds, why, now) for kind, (holds, why) in own.items()]
    return [condition for kind, condition in previous.items() if kind not in own] + mine


def _why_not_ready(reached: str, unready: Sequence[str]) -> Manifest:
    if reached in ENDED:
        return {"reason": "PodCompleted" if reached == SUCCEEDED else "PodFailed"}
    if unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        return {"reason": "ContainersNotReady", "message": message}
    return {}


def _condition(kind: str, previous: Manifest | None, holds: bool, why: Manifest, now: str) -> Manifest:  # noqa: FBT001 - a condition's status
    made = {"type": kind, "status": "True" if holds else "False", **why}
    previous_condition = {name: (previous or {}).get(name) for name in ("status", "reason", "message")}
    if previous and previous_condition == {name: made.get(name) for name in previous_condition}:
        return previous
    changed = previous is None or previous["status"] != made["status"]
    return made | {"lastTransitionTime": now if changed or not previous else previous["lastTransitionTime"]}


def pod_status(
    pod: Manifest,
    inits: Sequence[Record],
    mains: Sequence[Record],
    sidecars: frozenset[str],
    progress: Progress,
    now: str,
) -> Manifest:
    """Return the fields of a pod's status that are the kubelet's.

    Args:
        pod: The pod, with its address and its previous status.
        inits: Its init containers, sidecars among them.
        mains: Its main containers.
        sidecars: Names of the sidecars.
        progress: How far it has come.
        now: The time.
    """
    plain = [record for record in inits if record.name not in sidecars]
    serving = [*mains, *(record for record in inits if record.name in sidecars)]
    reached, status = phase(plain, mains, progress), pod["status"]
    reason, message = progress.failure or (None, None)
    return {
        "phase": reached,
        "reason": reason,
        "message": message,
        "startTime": status.get("startTime") or now,
        "hostIP": status["hostIP"],
        "hostIPs": [{"ip": status["hostIP"]}],
        "podIP": status["podIP"],
        "podIPs": [{"ip": status["podIP"]}],
        "conditions": conditions(pod, serving, reached, progress, now),
        "initContainerStatuses": [record.manifest() for record in inits] or None,
        "containerStatuses": [record.manifest() for record in mains],
    }


def differs(wanted: Manifest, present: Manifest) -> bool:
    """Say whether a merge of these fields would change a status; what is null and what is absent are the same."""
    return any(_bare(value) != _bare(present.get(name)) for name, value in wanted.items())


def _bare(value: Any) -> Any:
    """Return a value without nulls."""
    if isinstance(value, dict):
        return {name: _bare(content) for name, content in value.items() if content is not None}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def exit_code(record: Record) -> int | None:
    """Return the exit code of a container that has ended; None of one that has not."""
    return record.state.exit_code if isinstance(record.state, Terminated) else None
