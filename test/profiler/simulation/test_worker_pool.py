import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import pytest

from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.memory_limit import MemoryLimit
from dgdr_controller.profiler.simulation.worker_pool import (
    Answered,
    Lost,
    Refused,
    Reported,
    Started,
    WorkerPool,
    report,
)

# Functions of the standard library: a worker process cannot import a test module.
FAULTS: dict[str, Callable[[], object]] = {
    "fine": partial(str.upper, "fine"),
    "raise": partial(int, "x"),
    "exit": partial(sys.exit, 3),
    "crash": partial(os._exit, 7),
    "kill": partial(signal.raise_signal, signal.SIGKILL),
    "hang": partial(time.sleep, 600),
    "unpicklable": threading.Lock,
    "print": partial(print, "noise", flush=True),
    "fine too": partial(str.upper, "fine too"),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, object]:
    events = list(WorkerPool(PRELOAD, slots=3).run(call, list(FAULTS.values()), deadline_s=3))
    assert [e.item for e in events if isinstance(e, Started)] == list(FAULTS.values())
    names = {id(fault): name for name, fault in FAULTS.items()}
    return {names[id(e.item)]: e for e in events if not isinstance(e, Started)}


def test_stage_is_reported_before_the_answer() -> None:
    events = list(WorkerPool(PRELOAD, slots=1).run(call, [partial(report, "prefill")], deadline_s=30))
    assert [type(event) for event in events] == [Started, Reported, Answered]
    assert [event.stage for event in events if isinstance(event, Reported)] == ["prefill"]


def test_nobody_is_told_of_a_stage_outside_of_a_worker() -> None:
    report("prefill")


def test_every_item_ends_once(outcomes: dict[str, object]) -> None:
    assert sorted(outcomes) == sorted(FAULTS)


@pytest.mark.parametrize(("item", "answer"), [("fine", "FINE"), ("fine too", "FINE TOO"), ("print", None)])
def test_items_beside_a_failure_are_answered(outcomes: dict[str, object], item: str, answer: str | None) -> None:
    outcome = outcomes[item]
    assert isinstance(outcome, Answered)
    assert outcome.answer == answer


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [("raise", "ValueError", "invalid literal for int() with base 10: 'x'"), ("exit", "SystemExit", "3")],
)
def test_exception_is_told(outcomes: dict[str, object], item: str, error: str, message: str) -> None:
    outcome = outcomes[item]
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.message) == (error, message)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("crash", "its process ended with exit code 7"),
        ("kill", "its process was killed by SIGKILL"),
        ("hang", "took longer than 3 s"),
        ("unpicklable", "its process ended with exit code 1"),
    ],
)
def test_lost_process_is_told(outcomes: dict[str, object], item: str, reason: str) -> None:
    outcome = outcomes[item]
    assert isinstance(outcome, Lost)
    assert outcome.reason == reason


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_item_has_a_process_of_its_own_that_is_gone_afterwards() -> None:
    asked = [partial(os.getpid) for _ in range(3)]
    pids = [e.answer for e in WorkerPool(PRELOAD, slots=2).run(call, asked, deadline_s=30) if isinstance(e, Answered)]
    assert len(set(pids)) == 3
    assert not any(alive(process) for process in pids)


def test_workers_end_when_the_caller_stops_listening() -> None:
    events = WorkerPool(PRELOAD, slots=2).run(time.sleep, [600.0, 601.0], deadline_s=700)
    assert [type(next(events)), type(next(events))] == [Started, Started]
    begun = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 10


_INTERRUPTED_WHILE_IT_STARTS_A_PROCESS = """
import os, signal, sys, time
from multiprocessing import forkserver
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool
connect = forkserver.connect_to_new_process
def interrupted(fds):
    ends = connect(fds)  # the process is there, and waits for its orders
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
    return ends
forkserver.connect_to_new_process = interrupted
try:
    list(WorkerPool(slots=1).run(time.sleep, [600.0], deadline_s=700))
except KeyboardInterrupt:
    sys.exit(75)
"""


def test_interrupt_while_a_process_starts_is_heard_afterwards_and_that_process_is_silent() -> None:
    program = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE_IT_STARTS_A_PROCESS],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (program.returncode, program.stderr) == (75, "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server ends only once it has imported everything")
def test_server_that_still_imports_ends_with_its_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "slow.py").write_text(
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    program = "from dgdr_controller.profiler.simulation.worker_pool import WorkerPool; WorkerPool(preload=['slow'])"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}; import time; time.sleep(60)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    try:
        wait_for(lambda: pid.exists() and pid.read_text() != "")
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not Path(f"/proc/{pid.read_text()}").exists() or _is_zombie(pid.read_text()))


def _is_zombie(pid: str) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def wait_for(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_process_that_cannot_be_started_costs_only_its_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the server process is killed for want of memory: the one that starts the others."""
    pool = WorkerPool(slots=1)
    start, failures = pool._start, iter([EOFError("unexpected EOF")])

    def broken(*arguments: Any) -> Any:
        for error in failures:
            raise error
        return start(*arguments)

    monkeypatch.setattr(pool, "_start", broken)
    events = [event for event in pool.run(str.upper, ["a", "b"], 60) if not isinstance(event, Started)]
    lost, answered = events
    assert lost == Lost("a", "its process was not started: unexpected EOF", 0.0)
    assert isinstance(answered, Answered)
    assert answered.answer == "B"


def test_memory_is_named_where_the_cgroup_counts_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLimit, "read", staticmethod(lambda: MemoryLimit(1, 96 * 2**20)))
    (lost,) = (event for event in WorkerPool(slots=1).run(call, [FAULTS["kill"]], 60) if isinstance(event, Lost))
    assert lost.reason == "out of memory: processes were killed at the container's limit of 96 MiB"
