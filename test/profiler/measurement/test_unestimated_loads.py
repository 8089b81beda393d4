"""The loads of a trial of which nothing is estimated."""

import pytest

from dgdr_controller.profiler.measurement.unestimated_loads import next_load


@pytest.mark.parametrize(
    ("measured", "best", "following"),
    [
        ([], 0, 1),
        ([1], 1, 4),
        ([1, 4, 16], 16, 50),
        ([1, 4, 16], 4, 8),
        ([1, 4, 8, 16], 4, 6),
        ([1, 4, 6, 8, 16], 4, 2),
        ([1, 4], 1, 2),
        ([1, 2, 4], 1, None),
        ([1, 4, 16, 50], 50, 28),
    ],
)
def test_next_load_rises_until_it_is_not_better_and_then_closes_in(
    measured: list[int], best: int, following: int | None
) -> None:
    assert next_load(measured, best, 50) == following


def test_loads_end_wherever_the_best_is() -> None:
    for peak in range(1, 65):
        measured: list[int] = []
        while (load := next_load(measured, min(measured, key=lambda m: abs(m - peak), default=0), 64)) is not None:
            assert load not in measured
            measured.append(load)
        assert len(measured) <= 9
        assert min(max(load, peak) / min(load, peak) for load in measured) < 1.5
