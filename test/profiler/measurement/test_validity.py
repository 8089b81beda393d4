"""When a run counts: how many requests, which lengths, which throughput."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_controller.profiler.measurement.validity import (
    fewest_requests,
    is_mostly_read,
    is_prompt_of,
    is_steady,
    sustained_tokens_per_s,
)


@pytest.mark.parametrize(("concurrency", "requests"), [(1, 20), (4, 20), (4.1, 21), (64, 320)])
def test_mean_takes_five_requests_for_each_in_flight_and_at_least_twenty(concurrency: float, requests: int) -> None:
    assert fewest_requests(concurrency) == requests


@pytest.mark.parametrize(
    ("measured", "isl", "expected"),
    [(129.9, 100, True), (130.1, 100, False), (4400, 4000, True), (4401, 4000, False), (3600, 4000, True), (69, 100, False)],
)  # fmt: skip
def test_prompt_may_differ_by_a_chat_template_or_a_tenth(measured: float, isl: int, *, expected: bool) -> None:
    assert is_prompt_of(measured, isl) is expected


@pytest.mark.parametrize(("cached", "expected"), [(0, True), (100, True), (101, False)])
def test_prompt_is_read_unless_more_than_a_tenth_is_cached(cached: float, *, expected: bool) -> None:
    assert is_mostly_read(cached, 1000) is expected


@given(st.integers(1, 1000), st.floats(1, 1e4), st.floats(0.1, 100), st.integers(2, 5000))
def test_sustained_throughput_is_littles_law(concurrency: int, ttft: float, itl: float, osl: int) -> None:
    latency_s = (ttft + itl * (osl - 1)) / 1000
    sustained = sustained_tokens_per_s(concurrency, ttft, itl, osl)
    assert sustained / osl * latency_s == pytest.approx(concurrency)
    assert is_steady(sustained * 0.76, sustained)
    assert not is_steady(sustained * 0.74, sustained)
    assert not is_steady(sustained * 1.26, sustained)
