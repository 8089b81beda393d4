"""What is known of a container: the states of Kubernetes' API, and how they are written and read back."""

from dataclasses import dataclass
from typing import Any

from dgdr_controller.manifest import Manifest

LOST_CODE = 137


@dataclass(frozen=True, slots=True)
class Waiting:
    """It does not run yet, or not again yet.

    Attributes:
        reason: One word, such as CrashLoopBackOff.
        message: What it waits for.
    """

    reason: str
    message: str = ""

    def manifest(self) -> Manifest:
        """Return it as the API has it."""
        return {"waiting": {"reason": self.reason} | ({"message": self.message} if self.message else {})}


@dataclass(frozen=True, slots=True)
class Running:
    """It runs.

    Attributes:
        started_at: Since when, as the API writes times.
    """

    started_at: str

    def manifest(self) -> Manifest:
        """Return it as the API has it."""
        return {"running": {"startedAt": self.started_at}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """It has ended.

    Attributes:
        exit_code: Exit code; 128 and the signal's number when a signal has ended it.
        reason: Completed, Error, StartError or ContainerStatusUnknown.
        message: What it has said about it.
        started_at: When it started; empty when it never did.
        finished_at: When it ended.
        container_id: Which run it was.
    """

    exit_code: int
    reason: str
    message: str = ""
    started_at: str = ""
    finished_at: str = ""
    container_id: str = ""

    def manifest(self) -> Manifest:
        """Return it as the API has it."""
        optional = {
            "message": self.message,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
        }
        terminated: Manifest = {"exitCode": self.exit_code, "reason": self.reason}
        return {"terminated": terminated | {name: value for name, value in optional.items() if value}}


State = Waiting | Running | Terminated


@dataclass(slots=True)
class Record:
    """What is known of one container.

    Attributes:
        name: Its name in the pod.
        image: Its image.
        state: How it is.
        last: How its previous run ended.
        restarts: How often it has been started again.
        started: Whether it runs and its startup probe has succeeded.
        ready: Whether it can be given requests.
        container_id: Its present run.
    """

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""

    @property
    def has_succeeded(self) -> bool:
        """Whether it has ended with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    def manifest(self) -> Manifest:
        """Return it as the API has it."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "state": self.state.manifest(),
            "lastState": self.last.manifest() if self.last else {},
            "restartCount": self.restarts,
            "started": self.started,
            "ready": self.ready,
        } | ({"containerID": self.container_id} if self.container_id else {})


def recall(container: Manifest, status: Manifest | None, waiting: Waiting, now: str) -> Record:
    """Return the record of a container when a kubelet begins to look after its pod.

    Args:
        container: The container's spec.
        status: What an earlier kubelet has written of it; its processes have been ended since.
        waiting: The state of a container that has never run.
        now: The time.
    """
    record = Record(container["name"], container["image"], waiting)
    if status is None:
        return record
    record.restarts = status.get("restartCount", 0)
    record.last = _terminated(status.get("lastState", {}))
    state = status.get("state", {})
    if "running" in state:
        lost = "The virtual kubelet was restarted, which ends containers"
        began, identity = state["running"].get("startedAt", ""), status.get("containerID", "")
        record.state = Terminated(LOST_CODE, "ContainerStatusUnknown", lost, began, now, identity)
    elif ended := _terminated(state):
        record.state = ended
    return record


def _terminated(state: Any) -> Terminated | None:
    terminated = state.get("terminated")
    if terminated is None:
        return None
    times = terminated.get("startedAt", ""), terminated.get("finishedAt", "")
    return Terminated(
        terminated["exitCode"],
        terminated.get("reason", ""),
        terminated.get("message", ""),
        *times,
        terminated.get("containerID", ""),
    )
