import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import children
from hack.cluster.children import finish, parallel
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError, run_long


def sleeper(marks: list[str]) -> Callable[[], str]:
    """Run a program for a minute as part of a step."""

    def run() -> str:
        try:
            return run_long("Sleeping", ("sleep", "60"), Path.cwd(), {})
        finally:
            marks.append("ended")

    return run


def test_parallel_steps_end_when_one_fails_and_its_error_is_told() -> None:
    marks: list[str] = []

    def fail() -> str:
        time.sleep(0.3)
        raise ClusterError("the disk is full")

    begun = time.monotonic()
    with pytest.raises(ClusterError, match="the disk is full"):
        parallel(sleeper(marks), fail)
    assert time.monotonic() - begun < 10
    assert marks == ["ended"]
    assert parallel(lambda: 1, lambda: 2) == [1, 2]  # what ended the others is over


def test_parallel_steps_start_nothing_more_once_one_has_failed(tmp_path: Path) -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ClusterError("no")

    def go_on() -> None:
        failed.wait()
        time.sleep(0.3)
        run_long("Too late", ("touch", str(tmp_path / "made")), tmp_path, {})

    with pytest.raises(ClusterError, match=r"^no$"):
        parallel(fail, go_on)
    assert not (tmp_path / "made").exists()


def test_program_that_is_registered_after_the_others_were_ended_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a step may not have got so far when another one fails."""
    monkeypatch.setattr(children._children, "ending", True)
    with subprocess.Popen(("sleep", "60"), start_new_session=True, text=True) as process:
        with pytest.raises(children.EndedError), children._children.hold(process):
            raise AssertionError("unreachable")
        assert process.wait(10) == -signal.SIGKILL


INTERRUPTED = """
import sys
from pathlib import Path
from hack.cluster.children import parallel
from hack.cluster.progress import run_long

print("begun", flush=True)
try:
    parallel(
        lambda: run_long("One", ("sh", "-c", "sleep 60 & echo $! > one; wait"), Path.cwd(), {}),
        lambda: run_long("Two", ("sh", "-c", "echo $$ > two; sleep 60"), Path.cwd(), {}),
    )
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_parallel_steps_that_are_interrupted_leave_no_program(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        limit = time.monotonic() + 20
        while not all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in ("one", "two")):
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    for name in ("one", "two"):
        number = int((tmp_path / name).read_text())
        limit = time.monotonic() + 5
        while runs(number) and time.monotonic() < limit:
            time.sleep(0.02)
        assert not runs(number)


def test_interrupt_while_steps_are_started_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    threads: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        threads.append(thread)
        start(thread)
        if len(threads) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel(lambda: ran.append("one"), lambda: ran.append("two"))
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert ran == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_while_a_program_is_started_ends_it(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    begun: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        begun.append(popen(*args, **kwargs))
        signal.raise_signal(number)
        return begun[0]

    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, handle)
    monkeypatch.setattr(subprocess, "Popen", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            children.start(("sleep", "60"), {})
        assert signal.getsignal(number) is handle
    finally:
        signal.signal(number, before)
    assert begun[0].returncode == -signal.SIGKILL


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"^Trying: sh failed:\nno such module$"):
        run_long("Trying", ("sh", "-c", "echo no such module >&2; exit 3"), tmp_path, {})


def test_program_is_followed_line_by_line() -> None:
    lines: list[str] = []
    process = subprocess.Popen(["sh", "-c", "echo a; echo b >&2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert finish(process, lines.append) == ("a\n", "b\n")
    assert sorted(lines) == ["a\n", "b\n"]
