"""Metrics of requests: how profiling ends, how long it takes, and how late its result is seen."""

import datetime as dt
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from dgdr_api.job_spec import PROFILER
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kinds import Pod
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.runtime.metrics import registry

_ENDS = {Phase.READY: "succeeded", Phase.DEPLOYING: "succeeded", Phase.FAILED: "failed"}

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
RESULT_LATENCY = Histogram(
    "dgdr_result_latency_seconds",
    "How long after the profiler's end its result is taken.",
    buckets=(1, 2, 3, 5, 10, 30, 60, 300, 1800),
    registry=registry,
)


def record(observed: ObservedState, status: DgdrStatus) -> None:
    """Count the end of a profiling, once its status is written.

    Args:
        observed: What was observed before.
        status: The status after.
    """
    outcome = _ENDS.get(status.phase or Phase.PENDING)
    if observed.status.phase is not Phase.PROFILING or outcome is None:
        return
    strategy = str(observed.request.spec.search_strategy or "rapid")
    PROFILINGS.labels(strategy, outcome).inc()
    results = observed.status.profiling_results
    if results and results.start_time:
        DURATION.labels(strategy, outcome).observe((observed.now - results.start_time).total_seconds())
    if outcome == "succeeded" and (ended := _ended(observed.pods)):
        RESULT_LATENCY.observe(max(0.0, (observed.now - ended).total_seconds()))


def _ended(pods: Sequence[Pod]) -> dt.datetime | None:
    """Return when the profiler has ended: with its result, the last of its pods that did."""
    times = [
        status.state.terminated.finished_at
        for pod in pods
        for status in pod.status.container_statuses
        if status.name == PROFILER and status.state.terminated
    ]
    return max(filter(None, times), default=None)
