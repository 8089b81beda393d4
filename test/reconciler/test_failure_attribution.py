"""In which sub-phase profiling failed: in the status, and as the reason of both conditions that people look at."""

from dataclasses import replace

import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.profiling import profiling
from test.builders.observed_state import after, job_of, map_of, published_of, said

FAILED = ("BackoffLimitExceeded", "too many")


@pytest.fixture
def sweeping(profiling_state: ObservedState) -> ObservedState:
    """A Job whose sub-phase is in the status."""
    observed = replace(profiling_state, job=job_of(profiling_state))
    observed = replace(observed, **published_of(observed))
    observed = after(observed, profiling(observed))
    assert observed.status.profiling_phase == "SweepingDecode"
    return observed


def test_sub_phase_stays_and_names_the_reason_when_the_job_fails(sweeping: ObservedState) -> None:
    decision = profiling(replace(sweeping, job=job_of(sweeping, Failed=FAILED)))
    assert decision.status.phase is Phase.FAILED
    assert decision.status.profiling_phase == "SweepingDecode"
    for kind in ("Profiling", "Succeeded"):
        assert said(decision, kind)[:2] == ("False", "SweepingDecodeFailed")
    assert said(decision, "Succeeded")[2] == f"Profiling failed: {said(decision, 'Profiling')[2]}"


def test_sub_phase_stays_and_names_the_reason_when_the_profiler_refuses(sweeping: ObservedState) -> None:
    refusal = published_of(sweeping, status=RunState.FAILED, exit_code=65, error="unknown model")
    decision = profiling(replace(sweeping, **refusal))
    assert decision.status.profiling_phase == "SweepingDecode"
    assert [said(decision, kind)[1] for kind in ("Profiling", "Succeeded")] == ["SweepingDecodeFailed"] * 2


def test_job_that_never_published_has_failed_in_no_sub_phase(profiling_state: ObservedState) -> None:
    observed = replace(profiling_state, output_map=map_of(profiling_state, seen="job-1"))
    decision = profiling(replace(observed, job=job_of(observed, Failed=FAILED)))
    assert [said(decision, kind)[1] for kind in ("Profiling", "Succeeded")] == ["ProfilingFailed"] * 2


def test_sub_phase_that_is_published_again_changes_nothing(sweeping: ObservedState) -> None:
    again = profiling(sweeping)
    assert again.status == sweeping.status
    assert not again.ensure
    assert not again.events
