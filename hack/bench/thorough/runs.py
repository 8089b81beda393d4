"""The search, and the sweep that it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.results import Goal
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.measured_rows import rows_by_load
from dgdr_controller.profiler.measurement.options import Option
from dgdr_controller.profiler.measurement.trial_search import Limits, next_step
from dgdr_controller.profiler.selection.choose import choose
from hack.bench.thorough.trials import Trials

_LOADS = 8
"""Loads at which a sweep measures a deployment, from its lowest to its largest."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, and what follows.

    Attributes:
        points: Measurements, in their order.
        deployed: Trials that were deployed, by their id.
        seconds: How long it took.
        chosen: Id of the trial that is chosen, and its requests in flight.
    """

    points: tuple[MeasuredPoint, ...]
    deployed: frozenset[str]
    seconds: float
    chosen: tuple[str, int]


def search(options: Sequence[Option], goal: Goal, budget: int, limits: Limits, trials: Trials) -> Run:
    """Measure what the search wants."""
    by_id = {option.trial.id: option for option in options}
    points: list[MeasuredPoint] = []
    while (step := next_step(options, points, {}, goal, budget, limits)).measure is not None:
        trials.keep(step.wanted)
        points.append(trials.measure(by_id[step.measure.trial.id], step.measure.concurrency))
    return _run(options, goal, budget, points, trials)


def sweep(options: Sequence[Option], goal: Goal, budget: int, trials: Trials, loads: int = _LOADS) -> Run:
    """Measure every deployment at a grid of loads."""
    points = []
    for option in options:
        trials.keep([option.trial])
        points += [trials.measure(option, load) for load in grid(option.loads(goal, budget), loads)]
    return _run(options, goal, budget, points, trials)


def grid(loads: Sequence[int], count: int) -> list[int]:
    """Return so many of some loads, the lowest and the largest among them."""
    picked = {round(index * (len(loads) - 1) / max(1, count - 1)) for index in range(count)}
    return [loads[index] for index in sorted(picked)]


def _run(options: Sequence[Option], goal: Goal, budget: int, points: Sequence[MeasuredPoint], trials: Trials) -> Run:
    rows = rows_by_load(options, points, goal, budget)
    choice = choose(rows.values(), goal, budget)
    chosen = next(key for key, row in rows.items() if row is choice)
    return Run(tuple(points), trials.deployed, trials.seconds, chosen)
