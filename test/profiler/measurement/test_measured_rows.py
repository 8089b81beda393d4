"""Candidates that are made of measured points, and the verdict on all others."""

from collections.abc import Mapping

import pytest

from dgdr_api.candidate import Candidate, Outcome, Source, Verdict
from dgdr_controller.profiler.measurement.measured_rows import judged, measured_candidates
from dgdr_controller.profiler.measurement.options import Option, options
from dgdr_controller.profiler.selection.judge import Judgement
from test.builders.surfaces import aggregated, disaggregated, goal_of, measured, naive_options

GOAL = goal_of(itl=50.0)
ESTIMATES = [aggregated(tp, load).scaled(8 // tp) for tp in (2, 4, 8) for load in (8, 64)]
OPTIONS = options(ESTIMATES)
TP2, TP4, TP8 = (option.trial.id for option in OPTIONS)


def row(option: Option, *points: tuple[int, dict[str, float]]) -> Candidate:
    (found,) = measured_candidates([option], [measured(option.trial.id, n, **f) for n, f in points], GOAL, 8)
    return found


def verdicts(judgement: Judgement) -> Mapping[str, Verdict]:
    return {candidate.id: candidate.verdict for candidate in judgement.candidates if candidate.verdict}


def judge_all(
    points: list[tuple[str, int]], failed: Mapping[str, str] | None = None, skipped: Mapping[str, str] | None = None
) -> Judgement:
    found = [measured(trial, load) for trial, load in points]
    return judged(
        ESTIMATES,
        OPTIONS,
        found,
        failed=failed or {},
        skipped=skipped or {},
        goal=GOAL,
        budget=8,
        rejection=lambda _: None,
    )


def test_row_is_started_for_the_load_that_was_measured_and_scaled_to_the_budget() -> None:
    found = row(OPTIONS[0], (20, {"ttft": 200.0, "itl": 20.0}))
    assert (found.source, found.replicas, found.workers[-1].batch) == (Source.MEASURED, 4, 20)
    assert (found.numbers.ttft, found.numbers.itl, found.numbers.concurrency) == (200, 20, 80)
    assert found.simulated is not None
    assert found.simulated.concurrency == 80


def test_rows_of_one_trial_differ_in_their_ids() -> None:
    rows = measured_candidates(OPTIONS, [measured(TP2, 8), measured(TP2, 9)], GOAL, 8)
    assert len({candidate.id for candidate in rows}) == 2


def test_batch_of_a_pair_is_that_of_its_decode_worker() -> None:
    (option,) = options([disaggregated(2, 2, 8), disaggregated(2, 2, 64)])
    found = row(option, (30, {}))
    assert [worker.batch for worker in found.workers] == [1, 30]


def test_request_rates_of_workers_are_corrected_as_the_whole_is() -> None:
    (option,) = options([disaggregated(2, 2, 8)])
    found, factor = row(option, (8, {"ttft": 50.0, "itl": 4.0})), option.estimate(8)
    assert found.workers[0].request_rate == pytest.approx(2 * found.numbers.request_rate / 2 / factor.request_rate)


def test_runs_of_one_load_become_their_median_with_a_spread() -> None:
    found = row(
        OPTIONS[0],
        (20, {"itl": 20.0, "tokens_per_s": 900.0}),
        (20, {"itl": 22.0, "tokens_per_s": 1100.0}),
        (20, {"itl": 30.0, "tokens_per_s": 1000.0}),
    )
    assert found.samples is not None
    assert (found.samples.runs, found.samples.requests) == (3, 600)
    assert found.samples.spread == pytest.approx(0.2)
    assert (found.numbers.itl, found.numbers.tokens_per_s) == (22, 4000)


def test_spread_of_a_single_point_is_its_own() -> None:
    (point,) = [measured(TP2, 20, runs=3, spread=0.07)]
    (found,) = measured_candidates(OPTIONS, [point], GOAL, 8)
    assert found.samples is not None
    assert (found.samples.runs, found.samples.spread) == (3, 0.07)


def test_choice_is_among_what_was_measured_whatever_estimates_promise() -> None:
    found = judge_all([(TP8, 8), (TP8, 16)])
    assert found.choice is not None
    assert (found.choice.source, found.choice.workers[0].batch) == (Source.MEASURED, 16)
    assert all(candidate.source is Source.MEASURED for candidate in found.deployable)


def test_estimates_that_were_not_measured_say_why() -> None:
    found = verdicts(judge_all([(TP8, 16)], failed={TP2: "out of memory"}, skipped={TP4: "no time was left"}))
    outcomes = {(v.outcome, v.reason) for v in found.values() if v.outcome is not Outcome.SELECTED}
    assert outcomes == {
        (Outcome.FAILED_TRIAL, "out of memory"),
        (Outcome.NOT_MEASURED, "no time was left"),
        (Outcome.NOT_MEASURED, "its deployment was measured with 16 requests in flight instead"),
    }
    assert len(found) == len(ESTIMATES) + 1


def test_measured_row_takes_the_estimate_of_the_same_configuration_out() -> None:
    found = judge_all([(TP4, 64)])
    assert [c.id for c in found.candidates].count(aggregated(4, 64).scaled(2).id) == 1
    assert len(found.candidates) == len(ESTIMATES)


def test_points_of_a_trial_that_failed_later_count() -> None:
    found = judge_all([(TP2, 64), (TP8, 16)], failed={TP2: "its pods crashed"})
    assert found.choice is not None
    assert found.choice.shape == "4 × tp2"
    assert not [c for c in found.candidates if c.verdict and c.verdict.outcome is Outcome.FAILED_TRIAL]


def test_choice_is_among_estimates_where_nothing_was_measured() -> None:
    found = judge_all([], failed={TP2: "out of memory"})
    assert found.choice is not None
    assert found.choice.source is Source.MIXED
    assert found.choice.shape != "4 × tp2"


def test_candidates_without_estimates_are_judged_beside_measured_ones() -> None:
    small, large = naive_options(2, 4)
    found = judged(
        [small.trial, large.trial],
        [small, large],
        [measured(small.trial.id, 16)],
        failed={large.trial.id: "out of memory"},
        skipped={},
        goal=GOAL,
        budget=8,
        rejection=lambda _: None,
    )
    assert [(c.source, c.verdict and c.verdict.outcome) for c in found.candidates] == [
        (Source.MEASURED, Outcome.SELECTED),
        (Source.NAIVE, Outcome.NOT_MEASURED),
        (Source.NAIVE, Outcome.FAILED_TRIAL),
    ]
