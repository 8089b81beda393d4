"""Whether this process leads, and may write: what an elector publishes and every write asks."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dgdr_controller.runtime.errors import NotLeaderError


def boottime() -> float:
    """Return seconds that never go back and, on Linux, count on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Leadership:
    """This process leads, for now.

    Attributes:
        epoch: How often the Lease had changed hands; later leaders have higher ones.
        valid_until_monotonic: Until when, on the elector's clock, it may write unless it renews.
    """

    epoch: int
    valid_until_monotonic: float


class LeaderFence:
    """Lets writes through as long as this process leads. One thread sets it, all may ask.

    Args:
        grace: Seconds between the end of a leadership's validity and the earliest time that another process can lead.
        clock: The elector's.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = boottime) -> None:
        self._grace = grace
        self._clock = clock
        self.leadership: Leadership | None = None
        self.last_valid = float("-inf")

    def publish(self, leadership: Leadership | None) -> None:
        """Note what the elector says: one assignment, which threads see wholly or not at all."""
        if leadership is not None:
            self.last_valid = leadership.valid_until_monotonic
        self.leadership = leadership

    def expires(self) -> float:
        """Return when, on the elector's clock, another process can lead."""
        return self.last_valid + self._grace

    def __call__(self) -> float:
        """Return the seconds that a write may take.

        Raises:
            NotLeaderError: This process does not lead.
        """
        leadership = self.leadership
        left = leadership.valid_until_monotonic - self._clock() if leadership else 0.0
        if left <= 0:
            raise NotLeaderError("no write: this process does not hold the lease")
        return left + self._grace
