"""The search of thorough, on surfaces that are known: what it deploys and measures, and when it ends."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from dgdr_api.results import Goal, Target
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.measurement.measured_rows import measured_candidates
from dgdr_controller.profiler.measurement.options import Option
from dgdr_controller.profiler.measurement.trial_search import Limits, Step, next_step
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.scaling import scale
from hack.bench.thorough.report import compare
from hack.bench.thorough.runs import search
from hack.bench.thorough.score import best, optimality
from hack.bench.thorough.surfaces import Surface
from hack.bench.thorough.trials import SimulatedTrials
from test.builders.surfaces import estimated_options, goal_of, naive_options

BUDGET = 8
OPTIONS = estimated_options()
SHAPES = {option.trial.id: option.trial.shape for option in OPTIONS}
DEFAULTS: dict[str, Any] = {"ttft": Target(value=800, explicit=False), "itl": Target(value=20, explicit=False)}
GOALS = {
    "throughput": goal_of(),
    "throughput within targets": goal_of(ttft=800.0, itl=22.0),
    "latency": goal_of(OptimizationType.LATENCY),
    "hybrid": goal_of(OptimizationType.HYBRID),
    "hybrid with default targets": goal_of(OptimizationType.HYBRID).model_copy(update=DEFAULTS),
    "hybrid within targets": goal_of(OptimizationType.HYBRID, ttft=800.0, itl=18.0),
    "requests in flight": goal_of(OptimizationType.HYBRID, itl=25.0, concurrency=60.0),
    "requests per second": goal_of(OptimizationType.HYBRID, itl=40.0, request_rate=2.0),
    "targets out of reach": goal_of(OptimizationType.HYBRID, itl=2.0),
}
EVERY_GOAL = pytest.mark.parametrize("goal", GOALS.values(), ids=GOALS)


def surface(goal: Goal, seed: int = 1) -> Surface:
    return Surface(OPTIONS, goal, BUDGET, seed)


def steps(
    truth: Surface, limits: Limits | None = None, failing: Sequence[str] = ()
) -> tuple[list[Step], list[MeasuredPoint], dict[str, str]]:
    """Do what the search says until it has ended; trials of some shapes fail."""
    by_id = {option.trial.id: option for option in truth.options}
    taken: list[Step] = []
    points: list[MeasuredPoint] = []
    failed: dict[str, str] = {}
    while True:
        step = next_step(truth.options, points, failed, truth.goal, truth.budget, limits or Limits())
        taken.append(step)
        assert len(taken) <= 30, "the search does not end"
        if step.measure is None:
            return taken, points, failed
        trial, load = step.measure.trial.id, step.measure.concurrency
        if by_id[trial].trial.shape in failing:
            failed[trial] = "out of memory"
        else:
            run = sum((point.trial, point.concurrency) == (trial, load) for point in points)
            points.append(truth.measure(by_id[trial], load, run))


def asked(step: Step) -> tuple[str, int] | None:
    return (step.measure.trial.id, step.measure.concurrency) if step.measure else None


@EVERY_GOAL
def test_search_goes_on_where_it_was_cut(goal: Goal) -> None:
    whole, points, _ = steps(surface(goal))
    again = [next_step(estimated_options(), points[:n], {}, goal, BUDGET, Limits()) for n in range(len(points) + 1)]
    assert [asked(step) for step in again] == [asked(step) for step in whole]
    assert [step.wanted for step in again] == [step.wanted for step in whole]


@EVERY_GOAL
def test_search_repeats_no_load_but_that_of_the_best(goal: Goal) -> None:
    for seed in range(2):
        _, points, _ = steps(surface(goal, seed))
        runs = Counter((point.trial, point.concurrency) for point in points)
        assert set(runs.values()) <= {1, 2}
        for (trial, load), count in runs.items():
            if count == 2:
                second = [i for i, p in enumerate(points) if (p.trial, p.concurrency) == (trial, load)][1]
                chosen = choose(measured_candidates(OPTIONS, points[:second], goal, BUDGET), goal, BUDGET)
                assert chosen is not None
                assert chosen.id == measured_candidates(OPTIONS, [points[second]], goal, BUDGET)[0].id


@EVERY_GOAL
def test_search_ends_with_a_choice_that_was_measured_twice(goal: Goal) -> None:
    _, points, _ = steps(surface(goal))
    chosen = choose(measured_candidates(OPTIONS, points, goal, BUDGET), goal, BUDGET)
    assert chosen is not None
    assert chosen.samples is not None
    assert chosen.samples.runs == 2


@EVERY_GOAL
@pytest.mark.parametrize("limits", [Limits(), Limits(most_points=4, most_trials=2), Limits(most_points=2)])
def test_search_keeps_within_its_limits(goal: Goal, limits: Limits) -> None:
    for seed in range(2):
        taken, points, _ = steps(surface(goal, seed), limits)
        deployed = {trial.id for step in taken for trial in step.wanted}
        assert 1 <= len(points) <= limits.most_points
        assert len(deployed) <= limits.most_trials
        for step in taken:
            assert sum(trial.gpus for trial in step.wanted) <= BUDGET
            assert step.measure is None or step.wanted[0] == step.measure.trial


@pytest.mark.parametrize("goal", list(GOALS.values())[:-1], ids=list(GOALS)[:-1])
def test_choice_is_near_the_best_that_can_be_had(goal: Goal) -> None:
    found = []
    for seed in range(10):
        truth = surface(goal, seed)
        trial, load = search(OPTIONS, goal, BUDGET, Limits(), SimulatedTrials(truth)).chosen
        option = next(option for option in OPTIONS if option.trial.id == trial)
        found.append(optimality(truth.row(option, load), best(truth), goal, BUDGET))
    assert sum(value >= 0.95 for value in found) >= 9, found


def test_choice_comes_near_to_targets_that_are_out_of_reach() -> None:
    goal = GOALS["targets out of reach"]
    for seed in range(4):
        truth = surface(goal, seed)
        trial, load = search(OPTIONS, goal, BUDGET, Limits(), SimulatedTrials(truth)).chosen
        option = next(option for option in OPTIONS if option.trial.id == trial)
        closest = min(truth.true(o, load).itl for o in OPTIONS for load in o.loads(goal, BUDGET))
        assert truth.true(option, load).itl <= closest * 1.5


def test_search_takes_a_share_of_the_time_of_a_sweep() -> None:
    for goal in (GOALS["throughput within targets"], GOALS["hybrid"]):
        assert max(compare(surface(goal, seed), Limits()).time for seed in range(6)) <= 0.4


def test_first_measurement_is_what_the_estimates_make_the_choice() -> None:
    goal = GOALS["throughput within targets"]
    rows = {
        (option.trial.id, load): scale(option.at(load, option.estimate(load)), goal, BUDGET)
        for option in OPTIONS
        for load in option.loads(goal, BUDGET)
    }
    chosen = choose(rows.values(), goal, BUDGET)
    first = next(key for key, row in rows.items() if row is chosen)
    assert asked(next_step(OPTIONS, (), {}, goal, BUDGET, Limits())) == first


def test_search_begins_with_two_shapes_where_gpus_hold_both() -> None:
    small = tuple(option for option in OPTIONS if option.trial.gpus <= 4)
    step = next_step(small, (), {}, goal_of(), BUDGET, Limits())
    assert len({trial.shape for trial in step.wanted}) == 2
    (alone,) = next_step(small, (), {}, goal_of(), 4, Limits()).wanted
    assert alone == step.wanted[0]


def test_trial_that_fails_is_left_for_the_next_one() -> None:
    goal = GOALS["throughput within targets"]
    first = next_step(OPTIONS, (), {}, goal, BUDGET, Limits()).measure
    assert first is not None
    shape = SHAPES[first.trial.id]
    taken, points, failed = steps(surface(goal), failing=[shape])
    assert list(failed) == [first.trial.id]
    assert points
    assert all(SHAPES[point.trial] != shape for point in points)
    assert all(step.wanted[0].shape != shape for step in taken[1:] if step.wanted)


def test_search_ends_without_a_measurement_where_every_trial_fails() -> None:
    taken, points, failed = steps(surface(goal_of()), failing=list(SHAPES.values()))
    assert points == []
    assert set(failed) == set(SHAPES)
    assert (taken[-1].wanted, taken[-1].measure) == ((), None)


def test_trials_that_fail_are_limited_too() -> None:
    _, _, failed = steps(surface(goal_of()), Limits(most_trials=2), list(SHAPES.values()))
    assert len(failed) == 4


def test_trial_that_fails_after_a_measurement_is_not_measured_any_more() -> None:
    goal = goal_of()
    _, points, _ = steps(surface(goal))
    crashed = points[0].trial
    step = next_step(OPTIONS, points[:1], {crashed: "its node was lost"}, goal, BUDGET, Limits())
    assert step.measure is not None
    assert step.measure.trial.id != crashed
    assert next_step(OPTIONS, points, {crashed: "its node was lost"}, goal, BUDGET, Limits()).measure is None


def test_load_that_cannot_be_measured_is_left_out_with_what_is_above() -> None:
    goal = goal_of()
    first = next_step(OPTIONS, [], {}, goal, BUDGET, Limits()).measure
    assert first is not None
    barred = Limits(barred={first.trial.id: first.concurrency})
    again = next_step(OPTIONS, [], {}, goal, BUDGET, barred).measure
    assert again is not None
    assert again.trial.id != first.trial.id or again.concurrency < first.concurrency


def test_exhausted_budget_ends_the_search_and_says_so() -> None:
    goal = goal_of(itl=22.0, ttft=800.0)
    _, points, _ = steps(surface(goal))
    reason = "the 2 hours for measurements are over"
    step = next_step(OPTIONS, points[:1], {}, goal, BUDGET, Limits(exhausted=reason))
    assert (step.wanted, step.measure) == ((), None)
    assert points[0].trial not in step.skipped
    assert reason in step.skipped.values()


def test_options_that_are_not_tried_say_why() -> None:
    truth = surface(goal_of())
    taken, points, _ = steps(truth)
    tried = {point.trial for point in points}
    assert set(taken[-1].skipped) == set(SHAPES) - tried
    assert all("is not better than vllm-" in reason or "limit of" in reason for reason in taken[-1].skipped.values())
    few, points, _ = steps(truth, Limits(most_trials=1))
    assert "the limit of 1 trials was reached" in few[-1].skipped.values()


def test_best_trial_so_far_is_kept_where_gpus_hold_it_too() -> None:
    goal = goal_of(itl=22.0, ttft=800.0)
    small = tuple(option for option in OPTIONS if option.trial.gpus <= 4)
    taken, points, _ = steps(Surface(small, goal, 16, 1))
    for count, step in enumerate(taken[:-1]):
        chosen = choose(measured_candidates(small, points[:count], goal, 16), goal, 16)
        if chosen is not None:
            assert chosen.scaled(1).shape in {trial.shape for trial in step.wanted}


def test_loads_stay_near_to_what_was_measured_of_the_deployment() -> None:
    for goal in GOALS.values():
        _, points, _ = steps(surface(goal))
        for index, point in enumerate(points):
            earlier = [p.concurrency for p in points[:index] if p.trial == point.trial]
            if earlier:
                assert min(earlier) / 2 <= point.concurrency <= max(earlier) * 2


def true(option: Option, load: int, run: int) -> MeasuredPoint:
    """Measure a deployment without estimates: throughput rises until 24 requests, latency with every one."""
    width = option.trial.gpus
    known = next(o for o in OPTIONS if o.trial.shape == f"1 × tp{width}")
    found = Surface(OPTIONS, goal_of(), BUDGET, 1, noise=0.01).measure(known, load, run)
    return found.model_copy(update={"trial": option.trial.id})


def test_search_without_estimates_tries_the_smallest_engines_first_and_loads_that_rise() -> None:
    options, goal = naive_options(4, 2), goal_of(itl=22.0)
    by_id = {option.trial.id: option for option in options}
    points: list[MeasuredPoint] = []
    while (step := next_step(options, points, {}, goal, BUDGET, Limits())).measure is not None:
        points.append(true(by_id[step.measure.trial.id], step.measure.concurrency, len(points)))
        assert len(points) <= 10
    widths = [by_id[point.trial].trial.gpus for point in points]
    assert widths[0] == 2
    assert [point.concurrency for point in points[:3]] == [1, 4, 16]
    runs = Counter((point.trial, point.concurrency) for point in points)
    assert sorted(runs.values())[-1] == 2


def test_search_of_nothing_ends_at_once() -> None:
    assert next_step((), (), {}, goal_of(), BUDGET, Limits()) == Step()


def test_limits_are_ten_measurements_of_five_deployments_by_default() -> None:
    assert dataclasses.asdict(Limits()) == {"most_points": 10, "most_trials": 5, "exhausted": "", "barred": {}}


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_small_load_is_searched_to_its_end(concurrency: int) -> None:
    """Of an option that serves one or two requests, all loads are soon measured."""
    goal = goal_of(concurrency=concurrency)
    taken, points, _ = steps(surface(goal))
    assert points
    assert taken[-1].measure is None
