"""AIPerf as a program: started in a process group of its own, with a deadline, and never left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dgdr_controller.profiler.errors import ProfilerError
from dgdr_controller.profiler.measurement import launcher
from dgdr_controller.profiler.measurement.acceptance import Clocks

VARIABLE = "DGDR_AIPERF"
"""Environment variable with the path of the program."""
LOG_FILE = "aiperf.log"
_FOLDER = "/opt/aiperf/bin"
"""Where the profiler's image has it."""
_NOT_FOUND = (
    "AIPerf is not installed: {} is not a program; install aiperf 0.13 in an environment of its own, and set "
    f"{VARIABLE} to its program"
)
_REMOVED = (
    *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),  # AIPerf 0.13 then refuses the folder of a tokenizer
    "PYTHONDONTWRITEBYTECODE",  # each of its seven processes would compile itself at each start
)
"""Variables that AIPerf does not get."""
_HELD_BACK = {signal.SIGINT, signal.SIGTERM}
_POLL_S = 0.2
_TERMINATION_S = 10.0
"""How long it may take to end by itself once it is told to."""
_LAST_BYTES = 8192
_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of AIPerf has ended.

    Attributes:
        code: Exit code; None: it was ended at its deadline.
        clocks: When it was there.
        last_lines: The end of its log.
    """

    code: int | None
    clocks: Clocks
    last_lines: str


def program() -> Path:
    """Return AIPerf's program: the one that `VARIABLE` names, else ``aiperf`` on the PATH or in the image.

    Raises:
        ProfilerError: There is none.
    """
    wanted = os.environ.get(VARIABLE) or "aiperf"
    found = shutil.which(wanted, path=os.pathsep.join((os.environ.get("PATH", os.defpath), _FOLDER)))
    if found is None:
        raise ProfilerError(_NOT_FOUND.format(wanted))
    return Path(found).absolute()


def run(configuration: Path, folder: Path, deadline_s: float, on_poll: Callable[[], None]) -> Ended:
    """Run AIPerf to its end.

    Args:
        configuration: Its configuration file.
        folder: Folder for its log.
        deadline_s: After how many seconds it is ended.
        on_poll: Is called several times a second while it runs.

    Raises:
        ProfilerError: It is not installed.
        KeyboardInterrupt: Whatever interrupts the wait ends AIPerf, too.
    """
    command = (str(program()), "profile", "--config", str(configuration))
    log = folder / LOG_FILE
    started_ns, started = time.time_ns(), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="aiperf-", ignore_cleanup_errors=True) as temporary,
        _running(command, log, temporary) as process,
    ):
        code = _wait(process, started + deadline_s, on_poll)
    clocks = Clocks(started_ns, time.time_ns(), time.monotonic() - started)
    return Ended(code, clocks, _last_lines(log))


@contextlib.contextmanager
def _running(command: tuple[str, ...], log: Path, temporary: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the block is left; then it and all that it has started have ended."""
    environment = {name: value for name, value in os.environ.items() if name not in _REMOVED}
    # What it maps into memory and its sockets: gone with the folder, also after it was killed.
    environment["TMPDIR"] = temporary
    launched = (sys.executable, launcher.__file__, str(os.getpid()), *command)
    process: subprocess.Popen[bytes] | None = None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)  # or one inside Popen leaves a program behind
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                launched,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield process
    finally:
        if process is not None:
            _end(process)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(process: "subprocess.Popen[bytes]", until: float, on_poll: Callable[[], None]) -> int | None:
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_S)
        on_poll()
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process group: first by asking the program, whose children end with it; then whatever is left.

    The children of AIPerf ignore SIGTERM.
    """
    try:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERMINATION_S)
    finally:  # a second interrupt, too
        _kill_group(process)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of a process group, and wait until nothing is."""
    until = time.monotonic() + _TERMINATION_S
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
        while time.monotonic() < until:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(_POLL_S / 10)
    process.wait()


def _last_lines(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join([line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:])
