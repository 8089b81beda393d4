"""Work in processes of its own, each with a deadline: a crash, a hang or a ``sys.exit`` costs only that piece.

Processes are forked from one server process that has imported what all of them need (``preload``), so that the
import is paid once.
"""

import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any, Generic, TypeVar, cast

from dgdr_controller.profiler.simulation.memory_limit import MemoryLimit

_PARENT_DEATH = "dgdr_controller.profiler.simulation.parent_death"
_STAGE, _LATE, _DEAD = "(stage)", "(late)", "(dead)"
"""Beside the names of exceptions, what a message may be about."""
_reports: list[Connection] = []
"""In a worker, the pipe to who waits for its answer."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Started(Generic[Item]):
    """Work on an item has begun."""

    item: Item


@dataclass(frozen=True, slots=True)
class Reported(Generic[Item]):
    """Work on an item goes on, and has come to a stage (`report`)."""

    item: Item
    stage: str


@dataclass(frozen=True, slots=True)
class Answered(Generic[Item, Answer]):
    """Work on an item has ended with an answer."""

    item: Item
    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused(Generic[Item]):
    """Work on an item has ended with an exception: its type's name and message."""

    item: Item
    error: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Lost(Generic[Item]):
    """The process of an item died or was stopped at its deadline; the reason says which."""

    item: Item
    reason: str
    seconds: float


Event = Reported[Item] | Answered[Item, Answer] | Refused[Item] | Lost[Item]
"""What happens to an item that was started."""


@dataclass(slots=True)
class _Running(Generic[Item]):
    item: Item
    process: ForkServerProcess
    pipe: Connection
    started: float
    deadline: float


class WorkerPool:
    """Runs a function on items, each in a fresh process, a few at a time.

    Args:
        preload: Names of modules that the server process imports first. There is one server for all pools of a process:
            those of the first pool count.
        slots: Processes at a time; by default one for each CPU that this process may use.
    """

    def __init__(self, preload: Sequence[str] = (), slots: int | None = None) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_PARENT_DEATH, *preload])
        _start_server()
        self._slots = slots or len(os.sched_getaffinity(0))

    def run(
        self, function: Callable[[Item], Answer], items: Sequence[Item], deadline_s: float, until: float = math.inf
    ) -> Iterator[Started[Item] | Event[Item, Answer]]:
        """Yield what happens to each item, as it happens; every process has ended when this does.

        Args:
            function: Module-level function; items and answers must be picklable.
            items: What to work on, in this order.
            deadline_s: Seconds that one item may take.
            until: Monotonic time at which all of it must have ended; what has not is lost.
        """
        waiting, running = deque(items), list[_Running[Item]]()
        try:
            while waiting or running:
                while waiting and len(running) < self._slots:
                    left = max(0.0, min(deadline_s, until - time.monotonic()))
                    item = waiting.popleft()
                    yield Started(item)
                    try:
                        running.append(self._start(function, item, left))
                    except (EOFError, ConnectionError) as error:  # the server died, as where there is no memory for it
                        yield Lost(item, f"its process was not started: {error or type(error).__name__}", 0.0)
                if not running:
                    continue
                nearest = min(task.deadline for task in running) - time.monotonic()
                ready = wait([task.pipe for task in running], timeout=max(0.0, nearest))
                for task in list(running):
                    if task.pipe not in ready and time.monotonic() < task.deadline:
                        continue
                    event: Event[Item, Answer] = _next(task, spoke=task.pipe in ready)
                    if not isinstance(event, Reported):
                        running.remove(task)
                    yield event
        finally:
            for task in running:
                _stop(task.process)

    def _start(self, function: Callable[[Item], Answer], item: Item, deadline_s: float) -> _Running[Item]:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(theirs, function, item), daemon=True)
        with _held_back(signal.SIGINT, signal.SIGTERM):  # interrupted halfway, it would read half of its orders, aloud
            process.start()
        theirs.close()
        now = time.monotonic()
        return _Running(item, process, ours, now, now + deadline_s)


def _start_server() -> None:
    """Start the server process deaf to Ctrl-C, which is the parent's business, and in UTF-8 whatever the locale.

    The signal is held back meanwhile, not ignored: a program inherits that, and who presses it now is heard afterwards.
    """
    os.environ.setdefault("PYTHONUTF8", "1")
    resource_tracker.ensure_running()  # before: it would be started by the server, and then lets the signal through
    with _held_back(signal.SIGINT):
        forkserver.ensure_running()


@contextmanager
def _held_back(*signals: signal.Signals) -> Iterator[None]:
    """Hold signals back: they are heard after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, function: Callable[[Item], Answer], item: Item) -> None:
    """Run in the worker: send the answer or the exception. Interrupts are the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A server that was started while the parent held signals back hands that on, and who ends it waits for its end.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # the file descriptors, because native code does not write through sys.stdout
        os.dup2(nowhere, stream)
    _reports.append(pipe)
    try:
        message: tuple[str, object] = ("", function(item))
    except BaseException as error:  # noqa: BLE001 - SystemExit too: libraries call sys.exit
        message = (type(error).__name__, str(error))
    pipe.send(message)


def report(stage: str) -> None:
    """Tell who waits for this worker's answer which stage it has come to; elsewhere than in a worker, nobody."""
    for pipe in _reports:
        pipe.send((_STAGE, stage))


def _end_with_parent() -> None:
    """End this worker when the process that asked for it ends, however it does: nobody waits for the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _next(task: _Running[Item], *, spoke: bool) -> Event[Item, Answer]:
    """Return what a task's process has sent, or what became of it; unless it only reported, it has ended then."""
    seconds = time.monotonic() - task.started
    error, content = _LATE, cast("Any", None)
    try:
        if spoke:
            error, content = task.pipe.recv()
    except EOFError:
        task.process.join()
        error, content = _DEAD, task.process.exitcode
    if error == _STAGE:
        return Reported(task.item, content)
    _stop(task.process)
    task.pipe.close()
    if error == _LATE:
        return Lost(task.item, f"took longer than {task.deadline - task.started:.0f} s", seconds)
    if error == _DEAD:
        return Lost(task.item, _how_it_died(content), seconds)
    return Refused(task.item, error, str(content), seconds) if error else Answered(task.item, content, seconds)


def _how_it_died(code: int | None) -> str:
    if code == -signal.SIGKILL and (reason := MemoryLimit.read().exceeded):
        return reason
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _stop(process: ForkServerProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join()
