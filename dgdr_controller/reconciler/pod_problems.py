"""Why a pod does not run or serve: it cannot be scheduled, a container cannot start, fails, or is never ready."""

import datetime as dt
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dgdr_controller.kinds import ContainerStatus, Pod, Terminated

UNSCHEDULABLE = "Unschedulable"
CONTAINER_FAILED = "ProfilerEnded"
OOM_KILLED = "OOMKilled"
CRASH_LOOP = "CrashLoop"
NOT_READY = "NotReady"
WAITING_REASONS = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "CreateContainerConfigError": "ContainerConfigError",
    "CreateContainerError": "ContainerConfigError",
    "RunContainerError": "ContainerConfigError",
}
"""The kubelet's reasons for which a container waits and does not start by itself, and the condition's reasons."""

_PASSING_S = 5.0
"""Trouble of a deployment's pod that is younger may be none: pods before it may still be ending."""
_LOADING_S = 900.0
"""How long a container may run without being ready before people are told: large models take minutes to load."""
_LAST_LINES = 3
_LAST_OUTPUT = 1000
"""Lines and characters of a container's termination message that are repeated: its last words."""
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why a pod does not run.

    Attributes:
        reason: Reason for a condition.
        message: The pod's own words.
        since: When it began, as far as the pod says.
    """

    reason: str
    message: str
    since: dt.datetime | None


def problem_of(pods: Sequence[Pod], container: str, expected_exits: Container[int]) -> PodProblem | None:
    """Return why the newest of some pods does not run, if it does not.

    Args:
        pods: At least one pod.
        container: Name of the container whose failure counts.
        expected_exits: Exit codes of that container that are no failure.
    """
    newest = max(pods, key=lambda pod: (pod.metadata.creation_timestamp or _LONG_AGO, pod.metadata.name))
    return _scheduling(newest) or _starting(newest) or _ending(newest, container, expected_exits)


def is_scheduled(pods: Sequence[Pod]) -> bool:
    """Say whether there are pods, and all of them have a node."""
    return bool(pods) and all(map(has_node, pods))


def has_node(pod: Pod) -> bool:
    """Say whether a pod has a node."""
    return any(c.type == "PodScheduled" and c.status == "True" for c in pod.status.conditions)


def crashes(pods: Sequence[Pod]) -> int:
    """Return how often the container was started again that was so most often, of those that are not ready."""
    statuses = (s for pod in pods for s in (*pod.status.init_container_statuses, *pod.status.container_statuses))
    return max((status.restart_count for status in statuses if not status.ready), default=0)


def problem_of_deployment(pods: Sequence[Pod], now: dt.datetime) -> PodProblem | None:
    """Return why a deployment is not healthy, as far as its pods say: the oldest problem, and how many pods have one.

    Args:
        pods: Its pods.
        now: The time.
    """
    alive = (pod for pod in pods if pod.metadata.deletion_timestamp is None and pod.status.phase != "Succeeded")
    found = [problem for pod in alive if (problem := _serving_problem(pod, now))]
    if not found:
        return None
    oldest = min(found, key=lambda problem: (problem.since or _LONG_AGO, problem.message))
    others = len(found) - 1
    more = f" ({others} more {'pods have' if others > 1 else 'pod has'} problems)" if others else ""
    return replace(oldest, message=f"{oldest.message}{more}")


def _serving_problem(pod: Pod, now: dt.datetime) -> PodProblem | None:
    problem = _scheduling(pod) or _starting(pod) or _crashing(pod)
    if problem is None:
        return _loading(pod, now)
    is_passing = problem.since is not None and (now - problem.since).total_seconds() < _PASSING_S
    return None if is_passing else problem


def _crashing(pod: Pod) -> PodProblem | None:
    """Return what a container that is started again and again has ended with."""
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended = container.state.terminated or container.last_state.terminated
        if container.ready or ended is None or ended.exit_code == 0 or not container.restart_count:
            continue
        reason = OOM_KILLED if ended.reason == OOM_KILLED else CRASH_LOOP
        times = f"{container.restart_count} {'times' if container.restart_count > 1 else 'time'}"
        message = f"pod {pod.metadata.name}, restarted {times}: {_exit(container.name, ended)}"
        return PodProblem(reason, message, _unready_since(pod))
    return None


def _loading(pod: Pod, now: dt.datetime) -> PodProblem | None:
    """Return that a container runs for long and is not ready, which no reason tells."""
    name, since = pod.metadata.name, _unready_since(pod)
    for container in pod.status.container_statuses:
        if container.ready or container.state.running is None or since is None:
            continue
        if (now - since).total_seconds() >= _LOADING_S:
            message = f"pod {name} runs and is not ready; kubectl logs {name} -c {container.name} says how far it is"
            return PodProblem(NOT_READY, message, since)
    return None


def _scheduling(pod: Pod) -> PodProblem | None:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            since = condition.last_transition_time or pod.metadata.creation_timestamp
            message = f"pod {pod.metadata.name} cannot be scheduled: {condition.message}"
            return PodProblem(UNSCHEDULABLE, message, since)
    return None


def _starting(pod: Pod) -> PodProblem | None:
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = container.state.waiting
        if waiting and waiting.reason in WAITING_REASONS:
            image = container.image or container.name
            message = f"pod {pod.metadata.name} cannot start: {waiting.reason} of {image}: {waiting.message}"
            return PodProblem(WAITING_REASONS[waiting.reason], message.rstrip(": "), _scheduled_at(pod))
    return None


def _ending(pod: Pod, failing: str, expected_exits: Container[int]) -> PodProblem | None:
    for container in pod.status.container_statuses:
        ended = container.state.terminated
        if container.name == failing and ended and ended.exit_code not in expected_exits:
            reason = OOM_KILLED if ended.reason == OOM_KILLED else CONTAINER_FAILED
            return PodProblem(reason, f"pod {pod.metadata.name}: {exit_message(container)}", _scheduled_at(pod))
    return None


def _unready_since(pod: Pod) -> dt.datetime | None:
    """Return since when a pod has not been ready."""
    times = (c.last_transition_time for c in pod.status.conditions if c.type == "Ready" and c.status == "False")
    return next(times, None) or _scheduled_at(pod)


def _scheduled_at(pod: Pod) -> dt.datetime | None:
    """Return when a pod was scheduled: before, nobody tried to start its containers."""
    times = (c.last_transition_time for c in pod.status.conditions if c.type == "PodScheduled")
    return next(times, None) or pod.metadata.creation_timestamp


def exit_message(container: ContainerStatus) -> str:
    """Return how a container has failed, with its last output; empty where it has not."""
    ended = container.state.terminated
    return "" if ended is None or ended.exit_code == 0 else _exit(container.name, ended)


def _exit(container: str, ended: Terminated) -> str:
    message = f"container {container} ended with exit code {ended.exit_code} ({ended.reason})"
    lines = [line.strip() for line in ended.message.splitlines() if line.strip()]
    output = "; ".join(lines[-_LAST_LINES:])[-_LAST_OUTPUT:]  # kubectl shows no more of a column than its first line
    return f"{message}: {output}" if output else message


def without_spec(pod: dict[str, Any]) -> dict[str, Any]:
    """Keep of a pod what is read here: its spec, and who has written which field, make up most of it."""
    metadata = {name: value for name, value in pod["metadata"].items() if name not in ("managedFields", "annotations")}
    return {"metadata": metadata, "status": pod.get("status") or {}}
