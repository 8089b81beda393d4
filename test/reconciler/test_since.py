"""Since when a request waits: told with the reason, and kept as long as that stays."""

import datetime as dt

import pytest

from dgdr_api.conditions import ConditionUpdate, Profiling
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Decision, enter, since
from dgdr_controller.reconciler.observed_state import ObservedState
from test.builders.observed_state import NOW, after, observed_of


def waited(observed: ObservedState, *updates: ConditionUpdate) -> ObservedState:
    """Return the state ten minutes after these conditions were set."""
    return after(observed, Decision(enter(observed, Phase.PENDING, *updates)), s=600)


@pytest.mark.parametrize(
    ("before", "start"),
    [
        (None, "03:14"),
        (Profiling.waiting("WaitingForClaim", "a (since 2026-01-02 03:04 UTC)"), "03:04"),
        (Profiling.waiting("WaitingForSecret", "a (since 2026-01-02 03:04 UTC)"), "03:14"),
        (Profiling.waiting("WaitingForClaim", "of a version that did not say since when"), "03:14"),
    ],
)
def test_start_is_that_of_the_reason(before: ConditionUpdate | None, start: str) -> None:
    observed = waited(observed_of(), *([before] if before else []))
    assert observed.now == NOW + dt.timedelta(minutes=10)
    shown = since(observed, Profiling.waiting("WaitingForClaim", "other words"))
    assert shown.message == f"other words (since 2026-01-02 {start} UTC)"


def test_condition_that_stays_is_not_written_again() -> None:
    observed = observed_of()
    first = enter(observed, Phase.PENDING, since(observed, Profiling.waiting("WaitingForClaim", "a")))
    later = after(observed, Decision(first), s=3600)
    again = enter(later, Phase.PENDING, since(later, Profiling.waiting("WaitingForClaim", "a")))
    assert again == later.status
