"""Why a pod does not run: it cannot be scheduled, a container cannot start, or a container has failed."""

import datetime as dt
from collections.abc import Container, Sequence
from dataclasses import dataclass

from dgdr_controller.kinds import ContainerStatus, Pod

UNSCHEDULABLE = "Unschedulable"
CONTAINER_FAILED = "ProfilerEnded"
OOM_KILLED = "OOMKilled"
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
REASONS = frozenset((UNSCHEDULABLE, CONTAINER_FAILED, OOM_KILLED, *WAITING_REASONS.values()))

_LAST_OUTPUT = 1000
"""Characters of a container's termination message that are repeated."""
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
    return _scheduling(newest) or _containers(newest, container, expected_exits)


def _scheduling(pod: Pod) -> PodProblem | None:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            since = condition.last_transition_time or pod.metadata.creation_timestamp
            message = f"pod {pod.metadata.name} cannot be scheduled: {condition.message}"
            return PodProblem(UNSCHEDULABLE, message, since)
    return None


def _containers(pod: Pod, failing: str, expected_exits: Container[int]) -> PodProblem | None:
    name, since = pod.metadata.name, _scheduled_at(pod)
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting, ended = container.state.waiting, container.state.terminated
        if waiting and waiting.reason in WAITING_REASONS:
            image = container.image or container.name
            message = f"pod {name} cannot start: {waiting.reason} of {image}: {waiting.message}"
            return PodProblem(WAITING_REASONS[waiting.reason], message.rstrip(": "), since)
        if container.name == failing and ended and ended.exit_code not in expected_exits:
            reason = OOM_KILLED if ended.reason == OOM_KILLED else CONTAINER_FAILED
            return PodProblem(reason, f"pod {name}: {exit_message(container)}", since)
    return None


def _scheduled_at(pod: Pod) -> dt.datetime | None:
    """Return when a pod was scheduled: before, nobody tried to start its containers."""
    times = (c.last_transition_time for c in pod.status.conditions if c.type == "PodScheduled")
    return next(times, None) or pod.metadata.creation_timestamp


def exit_message(container: ContainerStatus) -> str:
    """Return how a container has failed, with its last output; empty where it has not."""
    ended = container.state.terminated
    if ended is None or ended.exit_code == 0:
        return ""
    message = f"container {container.name} ended with exit code {ended.exit_code} ({ended.reason})"
    output = ended.message.strip()[-_LAST_OUTPUT:]
    return f"{message}: {output}" if output else message
