"""What a container says when it ends."""

from pathlib import Path

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.layout import PodFolder

_LONGEST = 4096
_LOG_BYTES, _LOG_LINES = 2048, 80


def message(container: Manifest, folder: PodFolder, log: Path, code: int) -> str:
    """Return the termination message of a run.

    Args:
        container: The container's spec.
        folder: The pod's files.
        log: The run's log.
        code: The run's exit code.
    """
    file = folder.termination_message(container["name"])
    text = _end_of(file, _LONGEST) if file.exists() else ""
    if text or not code or container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    return "".join(_end_of(log, _LOG_BYTES).splitlines(keepends=True)[-_LOG_LINES:])


def _end_of(file: Path, most: int) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - most))
        return opened.read().decode(errors="replace")
