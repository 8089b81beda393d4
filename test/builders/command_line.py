"""`dgdr` called in the process of the tests.

A process of its own needs half a second to import the command line, and two seconds more for the simulator, whose
workers are forked from a server that belongs to the process that asks. Here both are paid once. `main` is given what a
process is given: arguments, a folder, an environment, standard streams; and it ends itself, with an exit code. That a
process comes to the same is tested in test/cli/test_process.py.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

import pytest

from dgdr_controller.cli import main
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool

Run = subprocess.CompletedProcess[str]


def serve_simulator(test: pytest.FixtureRequest) -> None:
    """For a test of the simulator, start the server that workers are forked from: before anything of the test is set.

    It stays for all tests of this process: what it has of folder and environment are those of the run.
    """
    if test.node.get_closest_marker("aic"):
        WorkerPool(preload=PRELOAD)


def run(*args: str, folder: Path, stdin: str | None = None, **environment: str) -> Run:
    """Call the program's entry point; return how it ended and what it wrote, as for a process."""
    out, err, code = _stream(), _stream(), 0
    with _set_up(["dgdr", *args], folder, environment), _streams(stdin or "", out, err):
        try:
            main()
        except SystemExit as end:
            code = _exit_code(end, err)
    return Run(["dgdr", *args], code, _text(out), _text(err))


@contextlib.contextmanager
def _set_up(words: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Set what a process is started with; set it back afterwards, and whatever the program has set itself."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with contextlib.chdir(folder), patch.dict(os.environ, environment), patch.object(sys, "argv", words):
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _streams(stdin: str, out: io.TextIOWrapper, err: io.TextIOWrapper) -> Iterator[None]:
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    with patch.object(sys, "stdin", given), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def _exit_code(end: SystemExit, err: io.TextIOWrapper) -> int:
    """Return the exit code as the interpreter makes it: a text is an error that is written."""
    if isinstance(end.code, str):
        err.write(f"{end.code}\n")
        return 1
    return int(end.code or 0)
