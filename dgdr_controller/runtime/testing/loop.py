"""Event loops for async tests: one whose time jumps, and the ordinary one."""

import asyncio
import contextlib
import fcntl
import selectors
import struct
import termios
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

P = ParamSpec("P")
_GRACE_S = 0.0003
_MOST_GRACES = 10_000
_TASKS = Path("/proc/self/task")
_FIRST_LOOK_S, _LAST_LOOK_S = 0.01, 0.25
_CLOSING_S = 35.0
"""A little more than asyncio itself waits for a peer to end its side of TLS."""
_OWN_SOCKETS = 1
"""Sockets of a loop itself: the one that wakes it up."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while something is to be done, else it jumps to the next timer: an hour takes milliseconds.

    Only for tests in which everything that answers runs in this process: in this loop, or in threads that it waits for.
    """

    def __init__(self) -> None:
        super().__init__(_Jumping(self._jump))
        self._now = 1000.0

    def time(self) -> float:
        """Return the virtual time."""
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(_GRACE_S)  # what was sent over the loopback arrives meanwhile
        graces = 1
        while not found and graces < _MOST_GRACES and (self._is_under_way() or _another_thread_works()):
            found = super().select(_GRACE_S)
            graces += 1
        if not found:
            self._jump(timeout)
        return found

    def _is_under_way(self) -> bool:
        """Whether something that was sent has not arrived: on a busy machine the kernel delivers late, too."""
        return any(_undelivered_bytes(key.fd) for key in self.get_map().values())


def _undelivered_bytes(descriptor: int) -> int:
    """Return how much that was written to a socket its peer's side has not acknowledged (tcp(7), SIOCOUTQ)."""
    try:
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:  # it listens, or is no socket
        return 0
    return int(struct.unpack("i", answer)[0])


def _another_thread_works() -> bool:
    """Whether another thread runs, or would if it had a core: on a busy machine it may answer late, but it will."""
    if threading.active_count() == 1 or not _TASKS.is_dir():
        return False
    own = str(threading.get_native_id())
    return any(_state(task) in "RD" for task in _TASKS.iterdir() if task.name != own)


def _state(task: Path) -> str:
    """Return the letter of a thread's state, as in proc(5); S if it has ended meanwhile."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "S"


def virtual_time(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a `VirtualLoop`."""
    return _in_loop(function, VirtualLoop)


class RealLoop(asyncio.SelectorEventLoop):
    """An ordinary loop that knows which connections are open."""

    def __init__(self) -> None:
        self._connections = selectors.DefaultSelector()
        super().__init__(self._connections)

    async def closed(self) -> None:
        """Wait until no connection is open, for some seconds: a peer may take a moment to end its side of TLS."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: len(self._connections.get_map()) <= _OWN_SOCKETS, _CLOSING_S)


def real_time(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in an ordinary loop."""

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        await function(*args, **kwargs)
        loop = asyncio.get_running_loop()
        if isinstance(loop, RealLoop):
            await loop.closed()

    return _in_loop(run, RealLoop)


def _in_loop(
    function: Callable[P, Coroutine[Any, Any, None]], loop: Callable[[], asyncio.AbstractEventLoop]
) -> Callable[P, None]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(function(*args, **kwargs))

    return run


async def until(holds: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until something holds: a function, or an async one, returns something true.

    Raises:
        TimeoutError: It does not, for so long.
    """
    pause = _FIRST_LOOK_S
    async with asyncio.timeout(seconds):
        while True:
            value = holds()
            if await value if isinstance(value, Awaitable) else value:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, _LAST_LOOK_S)
