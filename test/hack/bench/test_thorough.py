"""The benchmark of thorough: what a surface says, what trials cost, and how a choice is scored."""

import pytest

from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.measurement.options import Option
from hack.bench.thorough.runs import grid, sweep
from hack.bench.thorough.score import best, optimality
from hack.bench.thorough.surfaces import Surface
from hack.bench.thorough.trials import DEPLOY_S, START_S, SimulatedTrials
from test.builders.surfaces import estimated_options, goal_of

OPTIONS = estimated_options()
SURFACE = Surface(OPTIONS, goal_of(ttft=800.0, itl=22.0), 8, 3)


def option_of(shape: str) -> Option:
    return next(option for option in OPTIONS if option.trial.shape == shape)


def test_surface_is_the_same_whatever_was_asked_before() -> None:
    again = Surface(OPTIONS, SURFACE.goal, 8, 3)
    tp4 = option_of("1 × tp4")
    again.measure(tp4, 8, 1)
    assert again.true(tp4, 16) == SURFACE.true(tp4, 16)
    assert again.measure(tp4, 16, 1) == SURFACE.measure(tp4, 16, 1)


def test_surfaces_of_other_seeds_and_runs_differ() -> None:
    tp4 = option_of("1 × tp4")
    assert Surface(OPTIONS, SURFACE.goal, 8, 4).true(tp4, 16) != SURFACE.true(tp4, 16)
    first, second = (SURFACE.measure(tp4, 16, run).itl for run in (1, 2))
    assert first != second
    assert first == pytest.approx(second, rel=0.15)


def test_surface_differs_from_the_estimates_as_measurements_do() -> None:
    ratios = [
        Surface(OPTIONS, SURFACE.goal, 8, seed).true(option, load).itl / option.estimate(load).itl
        for seed in range(20)
        for option in OPTIONS
        for load in (4, 32)
    ]
    assert 0.55 < min(ratios) < 0.75
    assert 1.3 < max(ratios) < 1.8


def test_trials_that_are_kept_start_once_and_together() -> None:
    trials, (tp4, tp2) = SimulatedTrials(SURFACE), (option_of("1 × tp4"), option_of("1 × tp2"))
    trials.keep([tp4.trial, tp2.trial])
    first = trials.measure(tp4, 8)
    assert trials.seconds == pytest.approx(DEPLOY_S + START_S + first.seconds)
    before = trials.seconds
    second = trials.measure(tp2, 8)
    assert trials.seconds == pytest.approx(max(before, DEPLOY_S) + START_S + second.seconds)
    trials.keep([tp2.trial])
    trials.keep([tp4.trial])
    before = trials.seconds
    third = trials.measure(tp4, 8)
    assert trials.seconds == pytest.approx(before + DEPLOY_S + START_S + third.seconds)
    assert trials.deployed == {tp4.trial.id, tp2.trial.id}


def test_trials_beyond_the_budget_are_an_error() -> None:
    with pytest.raises(ValueError, match="12 GPUs are wanted at once; the budget is 8"):
        SimulatedTrials(SURFACE).keep([option_of("1 × tp8").trial, option_of("1 × tp4").trial])


def test_sweep_measures_every_deployment_at_a_grid_of_loads() -> None:
    found = sweep(OPTIONS, SURFACE.goal, 8, SimulatedTrials(SURFACE), loads=3)
    assert len(found.points) == 3 * len(OPTIONS)
    assert found.deployed == {option.trial.id for option in OPTIONS}
    assert grid([1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert grid([1, 2], 8) == [1, 2]


def test_best_choice_scores_one_and_a_choice_that_misses_targets_nothing() -> None:
    optimum = best(SURFACE)
    assert optimality(optimum, optimum, SURFACE.goal, 8) == 1
    missing = max(
        (SURFACE.row(option, option.most) for option in OPTIONS), key=lambda row: row.numbers.tokens_per_s_per_gpu
    )
    assert missing.numbers.tokens_per_s_per_gpu > optimum.numbers.tokens_per_s_per_gpu
    assert optimality(missing, optimum, SURFACE.goal, 8) == 0


def test_choice_for_a_load_is_scored_by_its_gpus() -> None:
    loaded = Surface(OPTIONS, goal_of(OptimizationType.HYBRID, itl=40.0, request_rate=1.0), 8, 3)
    optimum = best(loaded)
    wide = loaded.row(option_of("1 × tp8"), 16)
    assert optimality(wide, optimum, loaded.goal, 8) == optimum.gpus / wide.gpus < 1
