"""Sub-phases of profiling as reasons of its condition, which allows letters, digits and underscores alone."""

import pytest

from dgdr_api.conditions import Profiling

SUB_PHASES = (
    "Initializing",
    "SweepingPrefill",
    "SweepingDecode",
    "SelectingConfig",
    "BuildingCurves",
    "GeneratingDGD",
)


@pytest.mark.parametrize("phase", [*SUB_PHASES, "Polishing", "sweeping_2"])
def test_sub_phase_is_the_reason_as_it_is(phase: str) -> None:
    assert Profiling.running(phase, "").reason == phase


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ("Sweeping 2/5", "Sweeping25"),
        ("9 to 5", "to5"),
        ("a\nb", "ab"),
        ("", "ProfilingRunning"),
        ("_", "ProfilingRunning"),
    ],
)
def test_sub_phase_that_is_no_word_becomes_one(phase: str, reason: str) -> None:
    assert Profiling.running(phase, "").reason == reason


@pytest.mark.parametrize("phase", [*SUB_PHASES, "Done", "Polishing"])
def test_failure_is_of_its_sub_phase(phase: str) -> None:
    failed = Profiling.failed(phase, "no")
    assert (failed.status, failed.reason, failed.message) == ("False", f"{phase}Failed", "no")


@pytest.mark.parametrize("phase", ["", None, "2/5"])
def test_failure_without_a_sub_phase_is_of_profiling(phase: str | None) -> None:
    assert Profiling.failed(phase, "no").reason == "ProfilingFailed"
