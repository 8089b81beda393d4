"""What becomes of the lines of a watch: decided from a seed, without any I/O.

Lines of one watch stay in their order, as etcd guarantees it, but for repetitions; watches of several kinds are
delayed by different times, so that they are reordered against each other.
"""

import json
import random
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

EXPIRED = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
    b'"message":"too old resource version","reason":"Expired","code":410}}\n'
)
"""The line after which a client has to list again."""
_INITIAL_END = b"k8s.io/initial-events-end"
_BOOKMARK = b'{"type":"BOOKMARK"'
_FURTHEST = 3
_LEAST_OF_LONGEST = 0.8


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """How watches go wrong.

    Attributes:
        duplicates: Share of the lines that come twice.
        late_duplicates: Share of the lines that come again after one of the next three.
        delay_s: Longest delay of a line, in seconds; each kind has a longest one of its own between none and this, and
            its lines are at least four fifths of that late.
        closes: Share of the lines after which the stream ends in good order.
        losses: Share of the events that are lost; after `expires_s` the stream ends with 410, so that a list follows.
        expires_s: Seconds between the first loss and the 410.
        most_expiries: How often that happens to one kind.
    """

    duplicates: float = 0.0
    late_duplicates: float = 0.0
    delay_s: float = 0.0
    closes: float = 0.0
    losses: float = 0.0
    expires_s: float = 2.0
    most_expiries: int = 2


@dataclass(frozen=True, slots=True)
class Sent:
    """What follows a line that has come.

    Attributes:
        lines: What is passed on.
        delay_s: Seconds that it is kept before, at least.
        ends: Whether the stream ends then.
        expires_in_s: Seconds until the stream ends with 410; None: nothing new about that.
    """

    lines: tuple[bytes, ...]
    delay_s: float = 0.0
    ends: bool = False
    expires_in_s: float | None = None


@dataclass(slots=True)
class History:
    """What has happened to all streams of a proxy.

    Attributes:
        streams: How many there were, by kind.
        expiries: How many ended with 410, by kind.
        counts: How often each fault happened.
    """

    streams: Counter[str] = field(default_factory=Counter)
    expiries: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


class StreamPlan:
    """What becomes of one stream.

    Args:
        faults: How streams go wrong.
        seed: Other seeds choose other lines.
        kind: Path of what is watched.
        history: What has happened to the streams before; is continued.
        lists: Whether the stream begins with all objects that exist: none of these is lost, as nothing would follow.
        namespaces: Objects of other namespaces are left out; None: none is.
    """

    def __init__(
        self,
        faults: StreamFaults,
        seed: int,
        kind: str,
        history: History,
        *,
        lists: bool,
        namespaces: Container[str] | None = None,
    ) -> None:
        self._faults, self._kind, self._history, self._lists = faults, kind, history, lists
        self._namespaces = namespaces
        history.streams[kind] += 1
        self._rng = random.Random(f"{seed} {kind} {history.streams[kind]}")  # noqa: S311 - no secret
        self._longest_s = faults.delay_s * random.Random(f"{seed} {kind}").random()  # noqa: S311 - no secret
        self._loses = False
        self._again: list[tuple[int, bytes]] = []

    def take(self, line: bytes) -> Sent:
        """Return what follows a line."""
        faults, counts = self._faults, self._history.counts
        if self._namespaces is not None and (namespace := _namespace(line)) and namespace not in self._namespaces:
            return Sent(())
        if self._lost(line):
            counts["lost"] += 1
            if self._loses:
                return Sent(())
            self._loses = True
            self._history.expiries[self._kind] += 1
            counts["expired"] += 1
            return Sent((), expires_in_s=faults.expires_s)
        lines = [line, *self._repeated()]
        if self._happens(faults.duplicates):
            counts["duplicated"] += 1
            lines.insert(1, line)
        if self._happens(faults.late_duplicates):
            counts["duplicated late"] += 1
            self._again.append((self._rng.randint(1, _FURTHEST), line))
        ends = self._happens(faults.closes)
        counts["closed"] += ends
        delay_s = self._rng.uniform(_LEAST_OF_LONGEST, 1.0) * self._longest_s
        counts["delayed"] += delay_s > 0
        if _INITIAL_END in line:
            self._lists = False
        return Sent(tuple(lines), delay_s, ends)

    def _lost(self, line: bytes) -> bool:
        if self._lists or line.startswith(_BOOKMARK) or not self._happens(self._faults.losses):
            return False
        return self._loses or self._history.expiries[self._kind] < self._faults.most_expiries

    def _repeated(self) -> list[bytes]:
        """Return earlier lines whose time has come again."""
        self._again = [(left - 1, line) for left, line in self._again]
        due = [line for left, line in self._again if left <= 0]
        self._again = [(left, line) for left, line in self._again if left > 0]
        return due

    def _happens(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share


def _namespace(line: bytes) -> str:
    """Return the namespace of the object that a line tells of; empty: it has none."""
    return str(json.loads(line)["object"].get("metadata", {}).get("namespace", ""))
