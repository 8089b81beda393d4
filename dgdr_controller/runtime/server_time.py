"""The API server's time of day.

Its timestamps are compared with this, not with this machine's time of day, which may be wrong or jump.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LATE = timedelta(seconds=5)
"""How much later one answer may come than another."""


class ServerTime:
    """Goes on from the date of the last answer.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._date = ""
        self._noted_at = 0.0
        self._latest = datetime.min.replace(tzinfo=UTC)

    def note(self, date: str | None) -> None:
        """Take over the ``Date`` header of an answer; None: it has none."""
        if date:
            self._date, self._noted_at = date, self._clock()

    def now(self) -> datetime:
        """Return the time in UTC, exact to a second; before the first answer it is this machine's own.

        Answers come late, and their dates are whole seconds: by so little it does not go back.
        """
        try:
            noted = parsedate_to_datetime(self._date)
        except ValueError:
            return datetime.now(UTC)
        now = noted.astimezone(UTC) + timedelta(seconds=self._clock() - self._noted_at)
        if not now < self._latest <= now + _LATE:
            self._latest = now
        return self._latest
