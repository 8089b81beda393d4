import pytest

from dgdr_controller.profiler.context import longest_request


@pytest.mark.parametrize(
    ("batch", "free", "limit", "longest"),
    [
        (8, 100_000, 40_960, 40_960),  # the model's own
        (8, 100_000, 1_000_000, 81_000),  # beside the load; 80 % of what is free are counted on
        (8, 1000, 40_960, 4000),  # four mean requests, instead of others of the load
        (2, 1000, 40_960, 2800),  # there are no four
        (1, 0, 40_960, 1000),  # what the estimate is for
        (1, 0, 500, 1000),
    ],
)
def test_longest_request_is_what_the_cache_allows(batch: int, free: int, limit: int, longest: int) -> None:
    assert longest_request(1000, batch, free, limit) == longest


def test_longest_request_may_take_the_whole_cache_where_it_is_asked_for() -> None:
    assert longest_request(1000, 16, 0, 12_000, wanted=True) == 12_000
    assert longest_request(1000, 16, 0, 20_000, wanted=True) == 16_000
    assert longest_request(1000, 16, 0, 12_000) == 4000
