"""News of how something goes on, no more often than people can read it."""

from collections.abc import Callable

from dgdr_controller.runtime import Key

PERIOD_S = 2.0
"""Between two writes that tell no more than progress, of one request (lifecycle.md, Profiling)."""


class Pace:
    """Knows when progress of a request was told last. A restart forgets it, and tells once too early.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[Key, float] = {}

    def left(self, key: Key) -> float:
        """Return in how many seconds progress of a request may be told again; 0: now."""
        told = self._told.get(key)
        return 0.0 if told is None else max(0.0, told + PERIOD_S - self._clock())

    def tell(self, key: Key) -> None:
        """Note that it is told now."""
        self._told[key] = self._clock()

    def forget(self, key: Key) -> None:
        """Drop what is known of a request that is gone."""
        self._told.pop(key, None)
