"""What a reflector does next: pure transitions, after client-go's ``tools/cache/reflector.go`` and kube-rs' watcher.

```
STREAM ──all initial events──► WATCH ──410, too large version──► STREAM
  │ 422: WatchList is off                 (ended, refused, 429, 5xx: the same version again, after a pause)
  ▼
PAGES ───last page──────────► WATCH ──410──► PAGES
any ─────404: no such kind──► where it began, the cache emptied, after a long pause
```
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from dgdr_controller.runtime.errors import (
    ApiError,
    BadRequestError,
    ExpiredError,
    InvalidError,
    NotFoundError,
    RequestError,
)

_GATEWAY_TIMEOUT = 504
_SHORT_S = 1.0
"""A watch that ends sooner and brought nothing is a fault, not an ordinary end."""
_ABSENT_S = 30.0
_MOST_RETRIES = 10
"""How often as long as the server wants a pause may get."""
_FIRST_S, _LONGEST_S, _RESET_S = 0.8, 30.0, 120.0
"""client-go's numbers for watches."""


class Phase(Enum):
    """How the next request asks."""

    STREAM = auto()
    """A watch that begins with all objects that exist (WatchList)."""
    PAGES = auto()
    """A list, page by page."""
    WATCH = auto()
    """A watch that goes on where the last one ended."""


@dataclass(frozen=True, slots=True)
class ReflectorState:
    """Where a reflector is.

    Attributes:
        phase: How the next request asks.
        version: resourceVersion up to which everything is known; empty: nothing is.
        token: Of the next page.
        streams: Whether the server is believed to have WatchList.
    """

    phase: Phase = Phase.STREAM
    version: str = ""
    token: str = ""
    streams: bool = True

    def listed(self, version: str) -> "ReflectorState":
        """All that exists was received, as it was at a version."""
        return replace(self, phase=Phase.WATCH, version=version, token="")  # no token: all pages are read

    def paged(self, token: str) -> "ReflectorState":
        """A page was received that is not the last one."""
        return replace(self, token=token)

    def advanced(self, version: str) -> "ReflectorState":
        """Everything up to a version was received; while the initial events come, versions are in no order."""
        return replace(self, version=version) if self.phase is Phase.WATCH and version else self

    def relist(self) -> "ReflectorState":
        """List again."""
        return ReflectorState(Phase.STREAM if self.streams else Phase.PAGES, streams=self.streams)


class Pause(Enum):
    """How long to wait before the next request."""

    NONE = auto()
    BACKOFF = auto()
    ABSENT = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """What comes after a request has ended.

    Attributes:
        state: Where to go on.
        pause: How long to wait before.
        absent: The server does not know the kind: nothing of it exists.
        retry_after: Seconds after which the server wants to be asked again; None: it has not said so.
    """

    state: ReflectorState
    pause: Pause = Pause.NONE
    absent: bool = False
    retry_after: float | None = None


def ended(state: ReflectorState, lived: float, events: int) -> Step:
    """Return what follows when the server ended a stream in good order.

    Args:
        state: Where it ended.
        lived: Seconds that it lasted.
        events: How many events it brought.
    """
    if state.phase is not Phase.WATCH:
        return Step(state.relist(), Pause.BACKOFF)
    return Step(state, Pause.BACKOFF if lived < _SHORT_S and not events else Pause.NONE)


def failed(state: ReflectorState, error: RequestError) -> Step:
    """Return what follows a fault: nearly always the same again after a while."""
    match error:
        case NotFoundError():
            return Step(state.relist(), Pause.ABSENT, absent=True)
        case ExpiredError():
            return Step(state.relist(), Pause.BACKOFF)  # what expires again and again must not become a storm
        case ApiError() if error.status == _GATEWAY_TIMEOUT and error.has_cause("ResourceVersionTooLarge"):
            return Step(state.relist(), Pause.BACKOFF)  # etcd was restored from a backup, or this replica lags behind
        case InvalidError() | BadRequestError() if state.phase is Phase.STREAM:
            return Step(ReflectorState(Phase.PAGES, streams=False))
        case _:
            again = state if state.phase is Phase.WATCH else state.relist()
            return Step(again, Pause.BACKOFF, retry_after=error.retry_after)


class Backoff:
    """Growing random pauses; quiet for two minutes, they are short again.

    Args:
        clock: Seconds that never go back.
        rng: Numbers in [0, 1).
    """

    def __init__(self, clock: Callable[[], float], rng: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._rng = rng
        self._delay = _FIRST_S
        self._last = float("-inf")

    def seconds(self, pause: Pause, retry_after: float | None = None) -> float:
        """Return how many seconds a pause takes this time.

        Args:
            pause: Which pause.
            retry_after: How many seconds the server wants; None: it has not said so. Overload always says one, so the
                pause grows from there: not all are to come at once, and none for ever every second.
        """
        if pause is Pause.NONE:
            return 0.0
        if pause is Pause.ABSENT:
            return _ABSENT_S * (0.5 + self._rng())
        now = self._clock()
        if now - self._last > _RESET_S:
            self._delay = _FIRST_S
        delay, self._last = self._delay, now
        self._delay = min(self._delay * 2, _LONGEST_S)
        seconds = delay * (1.0 + self._rng())
        if not retry_after:
            return seconds
        return min(max(retry_after, min(seconds, _MOST_RETRIES * retry_after)), _LONGEST_S)
