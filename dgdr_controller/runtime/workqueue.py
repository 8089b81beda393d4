"""A queue of keys that never holds a key twice and never hands one out while it is being worked on."""

import asyncio
import heapq
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from dgdr_controller.runtime.workqueue_metrics import QueueMetrics

K = TypeVar("K")

LOW_PRIORITY = -100
"""For the first list after a start: what happens now goes first. The number is controller-runtime's."""
_FIRST_DELAY_S = 0.005
_LONGEST_DELAY_S = 1000.0
_MAX_DOUBLINGS = 30


class QueueShutDown(Exception):  # noqa: N818 - as `asyncio.QueueShutDown`, which Python 3.11 lacks
    """The queue hands out nothing any more."""


@dataclass(slots=True)
class _Waiting:
    """Why and since when a key waits; ``stamp`` tells its heap entry from older ones that are void."""

    priority: int
    due: float
    stamp: int
    added: float
    ready: bool = False


class PriorityQueue(Generic[K]):
    """Keys by priority, then by age. Time is that of the running event loop.

    A key that is added again while it waits keeps one place: the higher priority and the earlier time. One that is
    added while it is worked on waits until that is done. Semantics are those of controller-runtime's ``priorityqueue``.

    Args:
        metrics: Where to count; None: nowhere.
        first_delay: Seconds before the first retry of a key; doubled for each further one.
        longest_delay: Most seconds before a retry.
    """

    def __init__(
        self,
        metrics: QueueMetrics | None = None,
        *,
        first_delay: float = _FIRST_DELAY_S,
        longest_delay: float = _LONGEST_DELAY_S,
    ) -> None:
        self._metrics = metrics
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._waiting: dict[K, _Waiting] = {}
        self._working: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._ready: list[tuple[int, int, K]] = []
        self._delayed: list[tuple[float, int, K]] = []
        self._stamps = itertools.count()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._shut_down = False

    def __len__(self) -> int:
        """Keys that wait and may be worked on now."""
        return sum(waiting.ready for waiting in self._waiting.values())

    def add(self, key: K, *, priority: int = 0, after: float = 0.0) -> None:
        """Let a key be worked on.

        Args:
            key: The key.
            priority: Higher goes first.
            after: Seconds until it may be handed out.
        """
        if self._shut_down:
            return
        now = asyncio.get_running_loop().time()
        due = now + max(0.0, after)
        if self._metrics and after > 0:
            self._metrics.retried()
        known = self._waiting.get(key)
        if known is None:
            self._waiting[key] = known = _Waiting(priority, due, -1, now)
            if self._metrics:
                self._metrics.added()
        elif priority <= known.priority and (known.ready or due >= known.due):
            return
        elif known.ready:
            self._unready(known)
            known.priority = max(priority, known.priority)
        else:
            known.priority, known.due = max(priority, known.priority), min(due, known.due)
        self._schedule(key, known, now)

    def add_rate_limited(self, key: K, *, priority: int = 0) -> None:
        """Let a key be worked on after a delay that doubles each time, until it is forgotten."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._first_delay * 2 ** min(failures, _MAX_DOUBLINGS), self._longest_delay)
        self.add(key, priority=priority, after=delay)

    def forget(self, key: K) -> None:
        """Begin anew with the shortest delay."""
        self._failures.pop(key, None)

    def num_requeues(self, key: K) -> int:
        """Return how often a key was added with a growing delay since it was forgotten."""
        return self._failures.get(key, 0)

    async def get(self) -> tuple[K, int]:
        """Wait for a key; return it with its priority. ``done`` must follow.

        Raises:
            QueueShutDown: There will be none.
        """
        while True:
            if self._shut_down:
                raise QueueShutDown
            while self._ready:
                _, stamp, key = heapq.heappop(self._ready)
                waiting = self._waiting.get(key)
                if waiting is not None and waiting.stamp == stamp and waiting.ready:
                    return self._hand_out(key, waiting)
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # it was woken for a key and cannot take it: another one can
                elif getter in self._getters:  # a key that came in the same moment has taken it out already
                    self._getters.remove(getter)
                raise

    def done(self, key: K) -> None:
        """Say that the work on a key has ended; it is handed out again if it was added meanwhile."""
        loop = asyncio.get_running_loop()
        begun = self._working.pop(key, None)
        if begun is not None and self._metrics:
            self._metrics.finished(key, loop.time() - begun)
        if (waiting := self._waiting.get(key)) is not None:
            self._schedule(key, waiting, loop.time())

    def shut_down(self) -> None:
        """Hand out nothing any more; who waits for a key is told so."""
        self._shut_down = True
        if self._timer:
            self._timer.cancel()
        while self._getters:
            self._wake()

    def _schedule(self, key: K, waiting: _Waiting, now: float) -> None:
        """Put a key where it belongs: among the ready ones, the delayed ones, or behind its own work."""
        if waiting.ready:
            return
        waiting.stamp = next(self._stamps)
        if waiting.due > now:
            heapq.heappush(self._delayed, (waiting.due, waiting.stamp, key))
            self._set_timer()
        elif key not in self._working:
            waiting.ready, waiting.added = True, max(waiting.added, waiting.due)
            if self._metrics:
                self._metrics.depth(waiting.priority, 1)
            heapq.heappush(self._ready, (-waiting.priority, waiting.stamp, key))
            self._wake()

    def _unready(self, waiting: _Waiting) -> None:
        waiting.ready = False
        if self._metrics:
            self._metrics.depth(waiting.priority, -1)

    def _hand_out(self, key: K, waiting: _Waiting) -> tuple[K, int]:
        now = asyncio.get_running_loop().time()
        self._unready(waiting)
        del self._waiting[key]
        self._working[key] = now
        if self._metrics:
            self._metrics.started(key, now, now - waiting.added)
        return key, waiting.priority

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _set_timer(self) -> None:
        due = self._delayed[0][0]
        if self._timer and not self._timer.cancelled() and self._timer.when() <= due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._promote)

    def _promote(self) -> None:
        """Make ready what is due."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._delayed and self._delayed[0][0] <= now:
            due, stamp, key = heapq.heappop(self._delayed)
            waiting = self._waiting.get(key)
            if waiting is not None and waiting.stamp == stamp:
                self._schedule(key, waiting, max(now, due))
        if self._delayed:
            self._set_timer()
