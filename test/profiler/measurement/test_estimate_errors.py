"""How measurements correct estimates: those of the deployment itself most, those of others by what they share."""

import pytest

from dgdr_controller.profiler.measurement.estimate_errors import EstimateErrors
from dgdr_controller.profiler.measurement.options import Option, options
from test.builders.surfaces import OSL, aggregated, estimated_options, measured

OPTIONS = estimated_options()
TP2, TP4 = (next(o for o in OPTIONS if o.trial.shape == f"1 × tp{tp}") for tp in (2, 4))
PAIR = next(option for option in OPTIONS if len(option.trial.workers) == 2)


def slower(option: Option, load: int, factor: float) -> EstimateErrors:
    estimate = option.estimate(load)
    return EstimateErrors.of(
        OPTIONS, [measured(option.trial.id, load, ttft=estimate.ttft * factor, itl=estimate.itl * factor)]
    )


def itl_factor(errors: EstimateErrors, option: Option, load: int, optimism: float = 0.0) -> float:
    (found,) = errors.corrected(option, [load], OSL, optimism)
    return found.itl / option.estimate(load).itl


def test_estimates_stay_as_they_are_while_nothing_is_measured() -> None:
    assert itl_factor(EstimateErrors.of(OPTIONS, []), TP2, 16) == pytest.approx(1)


def test_estimate_at_a_measured_load_becomes_what_was_measured() -> None:
    assert itl_factor(slower(TP4, 16, 1.4), TP4, 16) == pytest.approx(1.4, rel=0.01)


def test_correction_is_weaker_the_less_is_shared() -> None:
    errors = slower(TP4, 16, 1.4)
    own, far, other, pair = (
        itl_factor(errors, option, load) for option, load in ((TP4, 16), (TP4, 128), (TP2, 16), (PAIR, 16))
    )
    assert own > far > 1.15
    assert own > other > pair > 1.05


def test_optimism_costs_nothing_where_the_load_was_measured_and_most_where_nothing_was() -> None:
    errors = slower(TP4, 16, 1.0)
    gains = [1 - itl_factor(errors, o, load, 1.0) for o, load in ((TP4, 16), (TP4, 32), (TP2, 16), (PAIR, 16))]
    assert gains == sorted(gains)
    assert gains[0] < 0.03
    assert gains[-1] > 0.08


def test_what_must_be_better_by_a_share_is_taken_for_slower_by_it() -> None:
    errors = EstimateErrors.of(OPTIONS, [])
    (plain,), (handicapped,) = (errors.corrected(TP4, [16], OSL, 0.0, gain) for gain in (0.0, 0.1))
    assert handicapped.ttft == pytest.approx(plain.ttft * 1.1)
    assert handicapped.e2e == pytest.approx(plain.e2e * 1.1)


def test_points_of_unknown_trials_are_ignored() -> None:
    assert itl_factor(EstimateErrors.of(OPTIONS, [measured("other", 4, itl=90.0)]), TP2, 4) == pytest.approx(1)


def test_answers_of_one_token_have_no_itl_to_correct() -> None:
    candidate = aggregated(4, 16)
    short = candidate.model_copy(
        update={"performance": candidate.numbers.model_copy(update={"itl": 0.0, "e2e": candidate.numbers.ttft})}
    )
    (option,) = options([short])
    errors = EstimateErrors.of([option], [measured(option.trial.id, 16, ttft=150.0, itl=0.0)])
    (found,) = errors.corrected(option, [16], 1)
    assert found.itl == 0
    assert found.ttft == pytest.approx(150, rel=0.01)


def test_option_without_loads_has_no_estimates() -> None:
    """All of its loads may have been measured."""
    points = [measured(OPTIONS[0].trial.id, 8), measured(OPTIONS[1].trial.id, 16)]
    assert EstimateErrors.of(OPTIONS, points).corrected(OPTIONS[0], [], 1000) == []
