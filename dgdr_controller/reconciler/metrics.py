"""Metrics of requests: which phase they are in and since when, how long each takes, and what profiling comes to."""

import datetime as dt
import itertools
from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from dgdr_api.conditions import DeploymentReady, Profiling, SpecGenerated, Succeeded, Validation
from dgdr_api.job_spec import PROFILER
from dgdr_api.request_warnings import ConfigurationWarning, PrerequisiteWarning, SLAWarning
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kinds import Pod
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.runtime import Key
from dgdr_controller.runtime.metrics import registry

_ENDS = {Phase.READY: "succeeded", Phase.DEPLOYING: "succeeded", Phase.FAILED: "failed"}
_WARNINGS = (PrerequisiteWarning.TYPE, SLAWarning.TYPE, ConfigurationWarning.TYPE)
_MOVING = (Phase.PENDING, Phase.PROFILING, Phase.DEPLOYING)
"""Phases that a request is to leave by itself."""

REQUESTS = Gauge("dgdr_requests", "Number of requests, by phase.", ("namespace", "phase"), registry=registry)
PHASE_START = Gauge(
    "dgdr_request_phase_start_timestamp_seconds",
    "Unix time at which a request has entered its phase; only of phases that end by themselves.",
    ("namespace", "name", "phase"),
    registry=registry,
)
PHASE_DURATION = Histogram(
    "dgdr_phase_duration_seconds",
    "How long requests stay in a phase that ends by itself.",
    ("phase",),
    buckets=(1, 5, 15, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800),
    registry=registry,
)
FAILURES = Counter(
    "dgdr_failures",
    "Number of requests that have failed, by the condition that names the cause.",
    ("condition",),
    registry=registry,
)
WARNINGS = Counter(
    "dgdr_warnings", "Number of warnings that were set on requests, by condition.", ("condition",), registry=registry
)
PROFILINGS = Counter(
    "dgdr_profilings",
    "Number of profilings that have ended, by search strategy and outcome.",
    ("strategy", "outcome"),
    registry=registry,
)
DURATION = Histogram(
    "dgdr_profiling_duration_seconds",
    "How long a profiling takes, from its Job to its result or failure.",
    ("strategy", "outcome"),
    buckets=(15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800),
    registry=registry,
)
CANDIDATES = Histogram(
    "dgdr_profiling_candidates",
    "Number of candidates that a profiling has found.",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10000),
    registry=registry,
)
RESULT_LATENCY = Histogram(
    "dgdr_result_latency_seconds",
    "How long after the profiler's end its result is taken.",
    buckets=(1, 2, 3, 5, 10, 30, 60, 300, 1800),
    registry=registry,
)

# A counter that begins at one has not increased, for Prometheus: all begin at zero.
for _strategy, _outcome in itertools.product(("rapid", "thorough"), ("succeeded", "failed")):
    PROFILINGS.labels(_strategy, _outcome)
    DURATION.labels(_strategy, _outcome)
for _phase in _MOVING:
    PHASE_DURATION.labels(_phase)
for _condition in (Validation.TYPE, Profiling.TYPE, SpecGenerated.TYPE, DeploymentReady.TYPE):
    FAILURES.labels(_condition)
for _condition in _WARNINGS:
    WARNINGS.labels(_condition)


class Phases:
    """Which phase each request is in, kept for `REQUESTS` and `PHASE_START`."""

    def __init__(self) -> None:
        self._known: dict[Key, Phase] = {}
        self._numbers: Tally[tuple[str, Phase]] = Tally()

    def update(self, key: Key, phase: Phase, start: dt.datetime | None = None) -> None:
        """Note the phase that a request is in, and since when."""
        before = self._known.get(key)
        if before is not phase:
            self.forget(key)
            self._known[key] = phase
            self._count(key.namespace, phase, 1)
        if start is not None and phase in _MOVING:
            PHASE_START.labels(*key, phase).set(start.timestamp())

    def forget(self, key: Key) -> None:
        """Drop a request that is gone."""
        if phase := self._known.pop(key, None):
            self._count(key.namespace, phase, -1)
            if phase in _MOVING:
                PHASE_START.remove(*key, phase)

    def _count(self, namespace: str, phase: Phase, by: int) -> None:
        self._numbers[namespace, phase] += by
        if number := self._numbers[namespace, phase]:
            REQUESTS.labels(namespace, phase).set(number)
        else:  # a namespace that is gone leaves nothing
            del self._numbers[namespace, phase]
            REQUESTS.remove(namespace, phase)


def record(observed: ObservedState, decision: Decision) -> None:
    """Count what a pass has changed, once its status is written.

    Args:
        observed: What was observed before.
        decision: What was done.
    """
    before, status = observed.phase, decision.status
    for condition in _new_warnings(observed, status):
        WARNINGS.labels(condition).inc()
    if status.phase is before:
        return
    begun = observed.phase_start
    if begun is not None and before in _MOVING:
        PHASE_DURATION.labels(before).observe(_seconds(begun, observed.now))
    if status.phase is Phase.FAILED:
        cause = Succeeded.cause(status.conditions or ())
        FAILURES.labels(cause.type if cause else Succeeded.TYPE).inc()
    if before is Phase.PROFILING:
        _record_profiling(observed, decision)


def _new_warnings(observed: ObservedState, status: DgdrStatus) -> list[str]:
    """Return the types of the warnings that a status has and the request had not; their words may change often."""
    return [
        condition.type
        for condition in status.conditions or ()
        if condition.type in _WARNINGS and observed.condition(condition.type) is None
    ]


def _record_profiling(observed: ObservedState, decision: Decision) -> None:
    outcome = _ENDS.get(decision.status.phase or Phase.PENDING)
    if outcome is None:
        return
    strategy = str(observed.request.spec.search_strategy or "rapid")
    PROFILINGS.labels(strategy, outcome).inc()
    if begun := observed.phase_start:
        DURATION.labels(strategy, outcome).observe(_seconds(begun, observed.now))
    if decision.candidates is not None:
        CANDIDATES.observe(decision.candidates)
    if outcome == "succeeded" and (ended := _ended(observed.pods)):
        RESULT_LATENCY.observe(_seconds(ended, observed.now))


def _seconds(begun: dt.datetime, ended: dt.datetime) -> float:
    """Return how long something took; clocks differ, and a sum that falls is none."""
    return max(0.0, (ended - begun).total_seconds())


def _ended(pods: Sequence[Pod]) -> dt.datetime | None:
    """Return when the profiler has ended: with its result, the last of its pods that did."""
    times = [
        status.state.terminated.finished_at
        for pod in pods
        for status in pod.status.container_statuses
        if status.name == PROFILER and status.state.terminated
    ]
    return max(filter(None, times), default=None)
