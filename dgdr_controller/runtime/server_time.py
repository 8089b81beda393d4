"""The API server's time of day.

Its timestamps are compared with this, not with this machine's time of day, which may be wrong or jump.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


class ServerTime:
    """Goes on from the date of the last answer.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._date = ""
        self._noted_at = 0.0

    def note(self, date: str | None) -> None:
        """Take over the ``Date`` header of an answer; None: it has none."""
        if date:
            self._date, self._noted_at = date, self._clock()

    def now(self) -> datetime:
        """Return the time in UTC, exact to a second; before the first answer it is this machine's own."""
        try:
            noted = parsedate_to_datetime(self._date)
        except ValueError:
            return datetime.now(UTC)
        return noted.astimezone(UTC) + timedelta(seconds=self._clock() - self._noted_at)
