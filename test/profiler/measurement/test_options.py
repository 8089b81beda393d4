"""What can be deployed as a trial, and what is estimated of it at a load."""

import math
from itertools import pairwise

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype
from dgdr_controller.profiler.measurement.options import options, performance_of
from test.builders.surfaces import OSL, aggregated, disaggregated, estimated_options, goal_of, naive_options


def test_options_group_candidates_that_differ_in_the_load_that_they_are_started_for() -> None:
    found = options([aggregated(2, 8).scaled(4), aggregated(4, 16), aggregated(2, 64).scaled(2), aggregated(2, 32)])
    assert [[point.numbers.concurrency for point in option.points] for option in found] == [[8, 32, 64], [16]]
    assert [option.trial.replicas for option in found] == [1, 1]


def test_trial_is_started_for_the_largest_load() -> None:
    (option,) = options(aggregated(2, load) for load in (64, 8, 32))
    assert option.trial == aggregated(2, 64)
    assert option.most == 64


def cached_in_fp8(candidate: Candidate) -> Candidate:
    (worker,) = candidate.workers
    return aggregated(2, 16).model_copy(
        update={"workers": (worker.model_copy(update={"kv_cache_dtype": KvCacheDtype.FP8}),)}
    )


def longer_steps(candidate: Candidate) -> Candidate:
    (worker,) = candidate.workers
    return candidate.model_copy(update={"workers": (worker.model_copy(update={"max_num_tokens": 9536}),)})


def with_drafts(candidate: Candidate) -> Candidate:
    return candidate.model_copy(update={"draft_tokens": 2})


@pytest.mark.parametrize("change", [cached_in_fp8, longer_steps, with_drafts])
def test_options_keep_apart_what_is_deployed_differently(change: object) -> None:
    assert callable(change)
    assert len(options([aggregated(2, 8), change(aggregated(2, 16))])) == 2


def test_options_keep_pairs_apart_by_their_prefill_workers() -> None:
    pairs = [disaggregated(n, 4, load) for n in (2, 4) for load in (8, 16)]
    assert [len(option.points) for option in options(pairs)] == [2, 2]


def test_estimate_is_that_of_the_operating_points_and_between_them_in_between() -> None:
    option = options(aggregated(4, load) for load in (8, 32))[0]
    at, between = option.estimate(32), option.estimate(16)
    assert (at.ttft, at.itl) == pytest.approx((aggregated(4, 32).numbers.ttft, aggregated(4, 32).numbers.itl))
    assert between.itl == pytest.approx(math.sqrt(aggregated(4, 8).numbers.itl * aggregated(4, 32).numbers.itl))
    assert between.concurrency == 16


def test_estimate_below_the_lowest_operating_point_has_its_latencies() -> None:
    option = options(aggregated(4, load) for load in (8, 32))[0]
    assert option.estimate(4).itl == pytest.approx(option.estimate(8).itl)
    assert option.estimate(4).tokens_per_s == pytest.approx(option.estimate(8).tokens_per_s / 2)


def test_loads_reach_from_half_the_lowest_operating_point_to_the_largest() -> None:
    (option,) = options(aggregated(4, load) for load in (8, 128))
    loads = option.loads(goal_of(), 8)
    assert (loads[0], loads[-1]) == (4, 128)
    assert all(high / low < 1.3 for low, high in pairwise(loads[1:]))


def test_loads_have_the_shares_of_a_load_that_the_goal_names() -> None:
    (option,) = options(aggregated(1, load) for load in (1, 48))
    loads = option.loads(goal_of(concurrency=77.0), 8)
    assert {math.ceil(77 / count) for count in range(2, 9)} <= set(loads)


def test_option_at_a_load_is_started_for_that_load() -> None:
    (option,) = options(disaggregated(2, 2, load) for load in (8, 64))
    started = option.at(20, option.estimate(20))
    assert [worker.batch for worker in started.workers] == [1, 20]


def test_options_without_estimates_have_no_operating_points() -> None:
    (option,) = naive_options(4)
    assert option.points == ()
    assert option.loads(goal_of(), 8)[0] == 1


def test_performance_agrees_with_littles_law() -> None:
    found = performance_of(10, 100.0, 10.0, 91, 4)
    assert found.e2e == 1000
    assert (found.request_rate, found.tokens_per_s, found.tokens_per_s_per_gpu) == (10, 910, 227.5)


def test_points_of_options_are_the_candidates_themselves() -> None:
    for option in estimated_options():
        for point in option.points:
            estimate = option.estimate(round(point.numbers.concurrency))
            assert estimate.tokens_per_s == pytest.approx(point.numbers.tokens_per_s)
            assert estimate.tokens_per_s / estimate.request_rate == pytest.approx(OSL)
