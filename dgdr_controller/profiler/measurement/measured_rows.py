"""From measured points to candidates with a verdict: measured ones, those whose trial failed, those left out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from dgdr_api.candidate import Candidate, Outcome, Performance, Samples, Source, Verdict
from dgdr_api.results import Goal
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.options import Option, performance_of
from dgdr_controller.profiler.selection.judge import Judgement, Rejection, judge
from dgdr_controller.profiler.selection.scaling import scale

_NOT_REACHED = "the search ended before"


def measured_candidates(
    options: Sequence[Option], points: Sequence[MeasuredPoint], goal: Goal, budget: int
) -> list[Candidate]:
    """Return a candidate for each load that was measured, started for that load and with the replicas that are wanted.

    Args:
        options: What can be deployed.
        points: What was measured; several of one load count as runs of it.
        goal: The goal.
        budget: The GPUs that may be used.
    """
    return list(rows_by_load(options, points, goal, budget).values())


def rows_by_load(
    options: Sequence[Option], points: Sequence[MeasuredPoint], goal: Goal, budget: int
) -> dict[tuple[str, int], Candidate]:
    """Return the same candidates by the id of the trial and the requests that it had in flight."""
    by_load: dict[tuple[str, int], list[MeasuredPoint]] = {}
    for point in points:
        by_load.setdefault((point.trial, point.concurrency), []).append(point)
    by_id = {option.trial.id: option for option in options}
    return {
        (trial, load): scale(_row(by_id[trial], load, runs, goal.osl), goal, budget)
        for (trial, load), runs in by_load.items()
        if trial in by_id
    }


def judged(  # noqa: PLR0913 - what a verdict rests on, by name
    estimates: Sequence[Candidate],
    options: Sequence[Option],
    points: Sequence[MeasuredPoint],
    *,
    failed: Mapping[str, str],
    skipped: Mapping[str, str],
    goal: Goal,
    budget: int,
    rejection: Rejection,
) -> Judgement:
    """Choose among what was measured, and write a verdict on everything else.

    Where nothing was measured, the choice is made among the estimates whose trials have not failed. A candidate
    without an estimate is chosen only if it was measured; its verdict is None where nothing was.

    Args:
        estimates: The candidates of the search by estimates.
        options: What they are grouped to.
        points: What was measured.
        failed: Why trials failed, by their id.
        skipped: Why trials were left out, by their id.
        goal: The goal.
        budget: The GPUs that may be used.
        rejection: Says why a candidate cannot be deployed at all.
    """
    measured = {candidate.id: candidate for candidate in measured_candidates(options, points, goal, budget)}
    trials = {point.id: option.trial.id for option in options for point in (option.trial, *option.points)}
    loads: dict[str, list[int]] = {}
    for point in points:
        loads.setdefault(point.trial, []).append(point.concurrency)

    def left_out(candidate: Candidate) -> Verdict | None:
        trial = trials.get(candidate.scaled(1).id)
        if candidate.id in measured or trial is None:
            return rejection(candidate)
        if trial in failed and trial not in loads:
            return Verdict(outcome=Outcome.FAILED_TRIAL, reason=failed[trial])
        if not measured:
            return rejection(candidate)
        reason = _other_loads(loads[trial]) if trial in loads else skipped.get(trial, _NOT_REACHED)
        return Verdict(outcome=Outcome.NOT_MEASURED, reason=reason)

    others = [candidate for candidate in estimates if candidate.id not in measured]
    known = [candidate for candidate in others if candidate.performance is not None]
    judgement = judge([*measured.values(), *known], goal, budget, left_out)
    unknown = [c.model_copy(update={"verdict": left_out(c)}) for c in others if c.performance is None]
    return replace(judgement, candidates=[*judgement.candidates, *unknown])


def _other_loads(loads: Sequence[int]) -> str:
    return f"its deployment was measured with {', '.join(map(str, sorted(set(loads))))} requests in flight instead"


def _row(option: Option, load: int, runs: Sequence[MeasuredPoint], osl: int) -> Candidate:
    performance = _median(runs, osl, option.trial.gpus)
    base = option.at(load, performance)
    estimated = option.estimate(load) if option.points else None
    factor = performance.request_rate / estimated.request_rate if estimated else 1.0
    workers = tuple(
        worker.model_copy(update={"request_rate": worker.request_rate * factor}) if worker.request_rate else worker
        for worker in base.workers
    )
    return Candidate.model_validate(
        dict(base)
        | {
            "workers": workers,
            "simulated": option.simulated(load) if option.points else None,
            "samples": _samples(runs),
            "source": Source.MEASURED,
            "verdict": None,
        }
    )


def _median(runs: Sequence[MeasuredPoint], osl: int, gpus: int) -> Performance:
    ttft, itl, tokens, rate = (
        median([getattr(run, name) for run in runs]) for name in ("ttft", "itl", "tokens_per_s", "request_rate")
    )
    measured = {"tokens_per_s": tokens, "tokens_per_s_per_gpu": tokens / gpus, "request_rate": rate}
    return performance_of(runs[0].concurrency, ttft, itl, osl, gpus).model_copy(update=measured)


def _samples(runs: Sequence[MeasuredPoint]) -> Samples:
    tokens = [run.tokens_per_s for run in runs]
    return Samples(
        requests=sum(run.requests for run in runs),
        runs=sum(run.runs for run in runs),
        spread=max((max(tokens) - min(tokens)) / median(tokens), *(run.spread for run in runs)),
    )
