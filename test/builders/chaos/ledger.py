"""What an independent watcher has seen: the API server's own events, behind no fault. Without any I/O."""

import copy
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOLD_BY_PROGRESS = ("profilingProgress", "profilingPhase")
_SAID_BY_THE_PROFILER = ("Profiling", "Succeeded")
"""Conditions whose message is the profiler's own while it works."""


@dataclass(slots=True)
class Ledger:
    """What has ever been in one namespace.

    Attributes:
        uids: By kind and name every UID that an object has had.
        phases: The phase of each request.
        status_writes: How often the status of each request has changed, apart from progress.
        progress_writes: How often it has told of progress alone.
        events: By request, how often events about it were written: a new one, or one more of the same.
    """

    uids: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    phases: dict[str, str] = field(default_factory=dict)
    status_writes: Counter[str] = field(default_factory=Counter)
    progress_writes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    _statuses: dict[str, dict[str, Any]] = field(default_factory=dict)

    def saw(self, kind: str, what: str, manifest: Mapping[str, Any]) -> None:
        """Note an event of a watch.

        Args:
            kind: Kind of the object.
            what: ADDED, MODIFIED, DELETED, or LISTED: it may have been seen before.
            manifest: The object.
        """
        name = manifest["metadata"]["name"]
        if kind == "Event":
            if what in ("ADDED", "MODIFIED"):
                self.events[manifest["involvedObject"]["name"]] += 1
            return
        self.uids[kind][name].add(manifest["metadata"]["uid"])
        if kind == "DynamoGraphDeploymentRequest" and what != "DELETED":
            self._saw_status(name, dict(manifest.get("status") or {}))

    def _saw_status(self, name: str, status: dict[str, Any]) -> None:
        before = self._statuses.get(name, {})
        if status != before:
            is_progress = _without_progress(status) == _without_progress(before)
            (self.progress_writes if is_progress else self.status_writes)[name] += 1
        self._statuses[name] = status
        self.phases[name] = str(status.get("phase", ""))

    def counted(self) -> str:
        """Return how many requests are in which phase."""
        return str(dict(Counter(self.phases.values())))

    def lost(self, expected: Mapping[str, str]) -> list[str]:
        """Return the requests that are not in the phase they should end in."""
        return sorted(
            f"{name}: {self.phases.get(name)!r}, not {phase}"
            for name, phase in expected.items()
            if self.phases.get(name) != phase
        )

    def duplicated(self, kind: str, expected: Iterable[str]) -> list[str]:
        """Return what there was of a kind that should not have been: a second object of a name, or another name."""
        names = set(expected)
        found = self.uids[kind]
        twice = [f"{kind} {name} had {len(uids)} UIDs" for name, uids in found.items() if len(uids) > 1]
        return sorted(twice + [f"{kind} {name} is nobody's" for name in found if name not in names])


def _without_progress(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status without what tells of progress alone."""
    kept = {name: copy.deepcopy(value) for name, value in status.items() if name not in _TOLD_BY_PROGRESS}
    for condition in kept.get("conditions", []):
        if kept.get("phase") == "Profiling" and condition["type"] in _SAID_BY_THE_PROFILER:
            condition.pop("message", None)
    return kept


def spread(counts: Mapping[str, int], names: Iterable[str]) -> str:
    """Return median and maximum of a count over requests."""
    values = [counts.get(name, 0) for name in names]
    return f"median {statistics.median(values):g}, max {max(values)}"
