"""What a manager runs beside its caches, in groups that start and stop together."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, runtime_checkable

from dgdr_controller.runtime.log import get_logger

log = get_logger(__name__)

_CANCEL_S = 5.0


@runtime_checkable
class Runnable(Protocol):
    """Something with a graceful end, for example a controller.

    Attributes:
        name: For logs; unique in its manager.
    """

    name: str

    async def run(self) -> None:
        """Run until cancelled, or until ``stop`` and the end of what has begun; raising stops the manager."""

    def stop(self) -> None:
        """Begin nothing new."""


RunFunction = Callable[[], Awaitable[None]]
"""Runs until it is cancelled; returning earlier is allowed, raising stops the manager."""
Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]
"""Starts a task of this name."""


class Group:
    """Runnables that start together; one that is added later starts at once.

    Args:
        spawn: Starts a task.
    """

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._waiting: list[Runnable | RunFunction] = []
        self._graceful: list[tuple[Runnable, asyncio.Task[None]]] = []
        self._functions: list[asyncio.Task[None]] = []
        self._started = self._stopped = False

    def add(self, runnable: Runnable | RunFunction) -> None:
        """Run something as soon as the group has started.

        Raises:
            RuntimeError: The group has been stopped.
        """
        if self._stopped:
            raise RuntimeError("the manager has stopped; nothing more can be added")
        if self._started:
            self._start(runnable)
        else:
            self._waiting.append(runnable)

    def start(self) -> None:
        """Start everything that was added."""
        self._started = True
        for runnable in self._waiting:
            self._start(runnable)
        self._waiting.clear()

    async def stop(self, aborted: asyncio.Event, graceful_timeout: float) -> None:
        """Stop everything: functions are cancelled, the others may end what they have begun.

        Args:
            aborted: Nothing is waited for once it is set.
            graceful_timeout: Seconds that the others have.
        """
        self._stopped = True
        if not aborted.is_set():
            for runnable, _ in self._graceful:
                runnable.stop()
            await cancel(self._functions)
            await _first(aborted, [task for _, task in self._graceful], graceful_timeout)
        await cancel([*self._functions, *(task for _, task in self._graceful)])

    def _start(self, runnable: Runnable | RunFunction) -> None:
        if isinstance(runnable, Runnable):
            self._graceful.append((runnable, self._spawn(runnable.run(), runnable.name)))
        else:
            self._functions.append(self._spawn(_call(runnable), getattr(runnable, "__qualname__", "runnable")))


async def _call(function: RunFunction) -> None:
    await function()


async def _first(aborted: asyncio.Event, tasks: list[asyncio.Task[None]], timeout: float) -> None:  # noqa: ASYNC109 - not a limit of what is awaited
    """Wait until all tasks have ended, for so many seconds or until the event is set."""
    if tasks:
        aborting = asyncio.ensure_future(aborted.wait())
        ended = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait((aborting, ended), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        aborting.cancel()


async def cancel(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks and wait until they have ended; one that does not end is logged and left behind."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        _, stuck = await asyncio.wait(running, timeout=_CANCEL_S)
        for task in stuck:
            log.error("A task does not end although it was cancelled", task=task.get_name())
