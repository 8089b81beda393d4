"""Run a command and measure all of its processes."""

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run took.

    Attributes:
        wall_s: Seconds from start to end.
        peak_mb: Most memory of all its processes at a time, MB; what they share counts once (PSS).
    """

    wall_s: float
    peak_mb: float


def measure(command: list[str], cwd: Path) -> Measured:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: It failed; its output is in the error.
    """
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - commands of our own
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        peak = _Peak(process.pid)
        output, _ = process.communicate()
        wall = time.monotonic() - began
        peak.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return Measured(wall, peak.mb)


class _Peak:
    """Looks at the memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self.mb = max(self.mb, sum(pss_mb(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def pss_mb(pid: int) -> float:
    """Return the memory of a process, MB; what it shares with others counts by its share (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
