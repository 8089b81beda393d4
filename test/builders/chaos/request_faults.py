"""Which request of a controller goes wrong, and how: decided from a seed, without any I/O."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RequestFault(StrEnum):
    """What happens to one request.

    The dangerous ones are `RESET` and `SILENT`: the API server has carried the request out, and its sender cannot know.
    """

    TOO_MANY = "429"
    FAILED = "500"
    UNAVAILABLE = "503"
    TIMED_OUT = "504"
    HELD = "held"
    """It does not reach the API server, and no answer comes."""
    RESET = "reset"
    """It is carried out, and the connection is reset instead of an answer."""
    SILENT = "silent"
    """It is carried out, and no answer comes."""
    CONFLICT = "conflict"
    """Somebody else changes the object first. Of writes of a status only."""


WEIGHTS: Mapping[RequestFault, int] = {
    RequestFault.TOO_MANY: 4,
    RequestFault.FAILED: 4,
    RequestFault.UNAVAILABLE: 3,
    RequestFault.TIMED_OUT: 3,
    RequestFault.RESET: 4,
    RequestFault.CONFLICT: 6,
    # These occupy a worker until the request's own time-out.
    RequestFault.HELD: 1,
    RequestFault.SILENT: 1,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as far as its fault depends on it.

    Attributes:
        method: HTTP method.
        path: Path of the URL, without query.
        dry_run: Whether the API server is only asked.
    """

    method: str
    path: str
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in ("GET", "HEAD")

    @property
    def is_lease(self) -> bool:
        """Whether it belongs to a leader election."""
        return self.path.startswith("/apis/coordination.k8s.io/")

    @property
    def writes_status(self) -> bool:
        """Whether it writes the status of an object."""
        return self.writes and self.path.endswith("/status")


class RequestFaults:
    """Decides by method, path and how often both have come: whatever order requests come in, the n-th of a kind fails.

    Args:
        seed: Other seeds fail other requests.
        share: Share of the requests that fail, 0 to 1.
        weights: How often one fault comes in comparison with the others.
        leases: Whether requests of the leader election fail, too.
    """

    def __init__(
        self, seed: int, share: float, weights: Mapping[RequestFault, int] = WEIGHTS, *, leases: bool = False
    ) -> None:
        self._seed, self._share, self._weights, self._leases = seed, share, weights, leases
        self._seen: Counter[Call] = Counter()

    def next(self, call: Call) -> RequestFault | None:
        """Return what happens to a request; None: nothing unusual."""
        self._seen[call] += 1
        if call.is_lease and not self._leases:
            return None
        rng = random.Random(f"{self._seed} {call.method} {call.path} {self._seen[call]}")  # noqa: S311 - no secret
        if rng.random() >= self._share:
            return None
        possible = [fault for fault in self._weights if fault is not RequestFault.CONFLICT or call.writes_status]
        return rng.choices(possible, [self._weights[fault] for fault in possible])[0] if possible else None
