"""What takes more than a moment: shows how far it is, is done by one process at a time, and says how it failed.

The standard library suffices, as this also serves before there is an environment; on a terminal `hack.cluster.terminal`
draws bars.
"""

import contextlib
import fcntl
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from hack.cluster import children

FIRST_REPORT_S = 10.0
"""Seconds after which a step that still runs is reported for the first time."""
REPORT_S = 30.0
"""Seconds between later reports."""
_POLL_S = 0.2


class ClusterError(Exception):
    """A cluster cannot be made or used; one sentence says why and what to do."""


class UnavailableError(ClusterError):
    """This machine lacks what such a cluster needs."""


class Task:
    """A step that takes time.

    Attributes:
        what: What it does, for people.
        unit: What is counted, in the plural; empty: nothing is.
        total: How many there are; None: unknown.
        done: How many are done.
        note: What is being done now.
    """

    def __init__(self, what: str, unit: str = "") -> None:
        """Start the clock."""
        self.what, self.unit, self.note = what, unit, ""
        self.total: int | None = None
        self.done = 0
        self.begun = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.begun

    def advance(self, note: str = "") -> None:
        """Count one more unit; a total that turns out too small grows."""
        self.done += 1
        self.note = note
        if self.total is not None:
            self.total = max(self.total, self.done)

    def report(self) -> str:
        """Return one line that says how far it is and, where that can be known, how long it will take."""
        if not self.total or not self.done:
            return f"{self.what}: running for {duration(self.elapsed_s)}"
        share = self.done / self.total
        left = duration(self.elapsed_s * (1 - share) / share)
        return f"{self.what}: {self.done} of {self.total} {self.unit}, {share:.0%}, about {left} left"


def duration(seconds: float) -> str:
    """Return a duration as people say it: 4.2 s, 41 s, 3 min 5 s."""
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Display(Protocol):
    """Where running steps are shown."""

    def begin(self, task: Task) -> None:
        """Show a step that has begun."""

    def end(self, task: Task) -> None:
        """Show it no longer."""

    def line(self, text: str) -> None:
        """Print a line."""


class _Lines:
    """Shows steps as lines, where nobody can draw: one after some seconds, then one every half minute."""

    def __init__(self) -> None:
        self._running: dict[Task, threading.Event] = {}

    def begin(self, task: Task) -> None:
        ended = self._running[task] = threading.Event()
        threading.Thread(target=self._report, args=(task, ended), daemon=True).start()

    def _report(self, task: Task, ended: threading.Event) -> None:
        period = FIRST_REPORT_S
        while not ended.wait(period):
            self.line(task.report())
            period = REPORT_S

    def end(self, task: Task) -> None:
        self._running.pop(task).set()

    def line(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


_lines = _Lines()


def _display() -> Display:
    """Return bars where a person looks at a terminal and the library for them is there, else lines."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with contextlib.suppress(ModuleNotFoundError):  # rich is not there before the environment is
            bars: Display = importlib.import_module("hack.cluster.terminal").BARS
            return bars
    return _lines


_REFUSED = ("certificate verify failed", "unknownissuer", "unknown authority", "unauthorized", "forbidden")
"""What they print where an answer is no package, in lower case."""
_UNREACHABLE = (
    *("dial tcp", "no such host", "i/o timeout", "connection refused", "could not resolve", "temporary failure"),
    *("network is unreachable", "dns error", "error sending request", "failed to fetch", "proxyconnect", "timed out"),
    "from versions: none",
)
"""What Go, uv, pip and apt print where they reach nothing, in lower case."""


def way_out(printed: str) -> str:
    """Return what to do about a program that failed, as far as what it printed tells; a sentence after a line break."""
    text = printed.lower()
    if "no space left on device" in text:
        return "\nThe disk is full: make room, or set XDG_CACHE_HOME to a folder on another disk, and run it again."
    if any(sign in text for sign in _REFUSED):
        return (
            "\nThe registry is reached and refuses, or is not trusted: check its name, credentials and certificate "
            "authority (`pip config list`, SSL_CERT_FILE), and run it again: it continues where it stopped."
        )
    if any(sign in text for sign in _UNREACHABLE):
        return (
            "\nThe network is not reached: check it, the proxy (HTTPS_PROXY) and where packages come from (`pip config "
            "list`, `go env GOPROXY`), and run it again: it continues where it stopped."
        )
    return ""


def say(text: str) -> None:
    """Print one line at once."""
    _display().line(text)


@contextlib.contextmanager
def step(what: str, unit: str = "") -> Iterator[Task]:
    """Show a step while it runs; say how long it took when it has succeeded.

    Args:
        what: What it does, for people.
        unit: What its progress is counted in.
    """
    children.check()
    task, display = Task(what, unit), _display()
    display.begin(task)
    try:
        yield task
    finally:
        display.end(task)
    display.line(f"{what}: {duration(task.elapsed_s)}")


@contextlib.contextmanager
def locked(file: Path, why: str) -> Iterator[int]:
    """Hold a lock; who comes second waits, and says why.

    The lock ends with this process at the latest, and with those that inherit the file descriptor that this yields.

    Raises:
        ClusterError: The lock's folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("w")
    except OSError as error:
        raise ClusterError(
            f"{file}: {error.strerror}: let this user write there"
            + ("" if Path.cwd() in file.parents else ", or set XDG_CACHE_HOME to another folder")
        ) from error
    with lock:
        waiting = False
        while not _try_lock(lock):
            if not waiting:
                say(f"{why}; waiting for it ...")
            waiting = True
            children.check()
            time.sleep(_POLL_S)
        yield lock.fileno()


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run_long(
    what: str,
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    follow: Callable[[Task], Callable[[str], None]] | None = None,
) -> str:
    """Run a command that takes minutes as a step; return its standard output.

    Args:
        what: What it does, for people.
        command: Program and arguments.
        cwd: Folder that it runs in.
        env: What is added to this process' environment.
        follow: Makes of the step what is told each line that the command prints.

    Raises:
        ClusterError: It fails; the end of what it said is in the message.
    """
    with step(what) as task:
        process = children.start(command, os.environ | env, cwd)
        output, errors = children.finish(process, follow(task) if follow else None)
        if process.returncode:
            raise ClusterError(f"{what}: {command[0]} failed:\n{errors.strip()[-2000:]}{way_out(errors)}")
        return output
