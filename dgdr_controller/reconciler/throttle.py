"""Progress in the status, no more often than people can read it."""

from collections.abc import Callable

from dgdr_controller.runtime import Key

PERIOD_S = 2.0
"""Between two writes that tell no more than progress, of one request."""


class Throttle:
    """Limits how often the progress of a request is written. A restart forgets it, and writes once too early.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recorded: dict[Key, float] = {}

    def remaining_s(self, key: Key) -> float:
        """Return in how many seconds the progress of a request may be written again; 0: now."""
        last = self._recorded.get(key)
        return 0.0 if last is None else max(0.0, last + PERIOD_S - self._clock())

    def record(self, key: Key) -> None:
        """Note that it is written now."""
        self._recorded[key] = self._clock()

    def forget(self, key: Key) -> None:
        """Drop what is known of a request that is gone."""
        self._recorded.pop(key, None)
