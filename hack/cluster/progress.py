"""What takes more than a moment: says so and how long it took, is done by one process at a time."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_REPORT_S = 30.0


class ClusterError(Exception):
    """A cluster cannot be made or used; one sentence says why and what to do."""


class UnavailableError(ClusterError):
    """This machine lacks what such a cluster needs."""


def say(line: str) -> None:
    """Print one line at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    begun = time.monotonic()
    say(f"{what} ...")
    yield
    say(f"{what}: {time.monotonic() - begun:.1f} s")


@contextlib.contextmanager
def locked(file: Path, why: str) -> Iterator[int]:
    """Hold a lock; who comes second waits, and says why.

    The lock ends with this process at the latest, and with those that inherit the file descriptor that this yields.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{why}; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Wait for a program with a line of progress every half minute; return what it printed on both streams.

    Whatever ends the wait early ends the program and, where it leads a session of its own, all that it has started.
    """
    begun = time.monotonic()
    try:
        while True:
            try:
                output, errors = process.communicate(timeout=_REPORT_S)
            except subprocess.TimeoutExpired:
                say(f"  still running, {(time.monotonic() - begun) / 60:.1f} min")
            else:
                return output or "", errors or ""
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            leads = os.getsid(process.pid) == process.pid
            os.killpg(process.pid, signal.SIGKILL) if leads else process.kill()
        process.communicate()
        raise


def run_long(what: str, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command that takes minutes, with a line of progress every half minute; return its standard output.

    Args:
        what: What it does, for people.
        command: Program and arguments.
        cwd: Folder that it runs in.
        env: What is added to this process' environment.

    Raises:
        ClusterError: It fails; the end of what it said is in the message.
    """
    with step(what):
        process = subprocess.Popen(  # noqa: S603 - callers name their own programs
            command, cwd=cwd, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        output, errors = finish(process)
        if process.returncode:
            raise ClusterError(f"{what}: {command[0]} failed:\n{errors.strip()[-2000:]}")
        return output
