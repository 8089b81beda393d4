import datetime as dt
from dataclasses import replace

import pytest

from dgdr_api.job_spec import PROFILER
from dgdr_api.v1beta1 import Phase, ProfilingResults
from dgdr_controller.reconciler.metrics import DURATION, PROFILINGS, RESULT_LATENCY, record
from dgdr_controller.reconciler.observed_state import ObservedState
from test.builders.observed_state import container, pod_of, rfc3339


def counted() -> dict[str, float]:
    samples = [
        sample for metric in (PROFILINGS, DURATION, RESULT_LATENCY) for sample in next(iter(metric.collect())).samples
    ]
    return {f"{s.name}{sorted(s.labels.values())}": s.value for s in samples if not s.name.endswith("_created")}


def profiled(state: ObservedState) -> ObservedState:
    """A request that is profiled since a minute, by a profiler that has ended two seconds ago."""
    ended = rfc3339(state.now - dt.timedelta(seconds=2))
    terminated = container(PROFILER, terminated={"exitCode": 0, "finishedAt": ended})
    pod = pod_of(containerStatuses=[terminated])
    results = ProfilingResults(start_time=state.now - dt.timedelta(seconds=60))
    status = state.status.model_copy(update={"profiling_results": results})
    return replace(state, request=state.request.model_copy(update={"status": status}), pods=(pod,))


@pytest.mark.parametrize(
    ("phase", "outcome", "seen"),
    [(Phase.DEPLOYING, "succeeded", 1), (Phase.READY, "succeeded", 1), (Phase.FAILED, "failed", 0)],
)
def test_end_of_a_profiling_is_counted(profiling_state: ObservedState, phase: Phase, outcome: str, seen: int) -> None:
    before, state = counted(), profiled(profiling_state)
    record(state, state.status.model_copy(update={"phase": phase}))
    now = counted()
    changed = {name: value - before.get(name, 0) for name, value in now.items() if value != before.get(name, 0)}
    assert changed[f"dgdr_profilings_total{sorted((outcome, 'rapid'))}"] == 1
    assert changed[f"dgdr_profiling_duration_seconds_sum{sorted((outcome, 'rapid'))}"] == 60
    assert changed.get("dgdr_result_latency_seconds_count[]", 0) == seen
    assert changed.get("dgdr_result_latency_seconds_sum[]", 0) == 2 * seen


@pytest.mark.parametrize("phase", [Phase.PROFILING, Phase.PENDING])
def test_profiling_that_goes_on_or_begins_again_is_no_end(profiling_state: ObservedState, phase: Phase) -> None:
    before = counted()
    record(profiling_state, profiling_state.status.model_copy(update={"phase": phase}))
    assert counted() == before
