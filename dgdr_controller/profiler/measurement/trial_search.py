"""Which configuration is deployed and measured next. Pure, and nothing is remembered between two calls.

`next_step` looks at the estimates and at everything that was measured so far. Estimates are corrected by what was
measured (`estimate_errors`). What is measured next is what `choose` picks if everything that is not measured is as
good as it may well be, and better than what is measured by enough to be worth the time. If that is something that is
measured, the search has ended: the choice is measured once more, and that is all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.estimate_errors import EstimateErrors
from dgdr_controller.profiler.measurement.measured_rows import rows_by_load
from dgdr_controller.profiler.measurement.options import Option
from dgdr_controller.profiler.measurement.unestimated_loads import next_load
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.scaling import scale

_OPTIMISM = 1.3
"""Standard deviations by which an estimate may well be too bad."""
_LIKELY = 0.3
"""The same for what is deployed already: it is left when it is not likely the best, and may be returned to."""
_LEAST_GAIN = 0.005
"""Share of its latencies by which something must be better than what is measured, to be measured too."""
_CLOSE = 1.06
"""Loads of one deployment whose ratio is smaller are as good as the same."""
_RANGE = 2.0
"""By how much the next load of a deployment may be above the largest that was measured, or below the smallest:
corrections hold near to where they were measured."""
_RUNS = 2
"""Runs of the choice, so that its spread is known."""
_BEGIN_WITH = 2
"""Trials that are deployed at the beginning, where GPUs hold both: one starts while the other is measured."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends, wherever it is.

    Attributes:
        most_points: Measurements, with the one that confirms the choice.
        most_trials: Configurations that are deployed; twice as many while none of them serves.
        exhausted: Which budget is used up, as a sentence; empty while none is.
        barred: The lowest load at which a trial could not be measured, by its id.
    """

    most_points: int = 10
    most_trials: int = 5
    exhausted: str = ""
    barred: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement to make.

    Attributes:
        trial: What is deployed for it.
        concurrency: Requests in flight.
    """

    trial: Candidate
    concurrency: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a search wants.

    Attributes:
        wanted: Trials to keep deployed, the one to measure first; others fit on the GPUs beside it.
        measure: What to measure next; None: the search has ended.
        skipped: Why trials are not measured, by their id.
    """

    wanted: tuple[Candidate, ...] = ()
    measure: Measure | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def next_step(
    options: Sequence[Option],
    points: Sequence[MeasuredPoint],
    failed: Mapping[str, str],
    goal: Goal,
    budget: int,
    limits: Limits,
) -> Step:
    """Say what to deploy and to measure next.

    Args:
        options: What can be deployed.
        points: What was measured so far, in its order.
        failed: Why trials could not be measured, by their id.
        goal: What is wanted.
        budget: The GPUs that may be used.
        limits: When the search ends.
    """
    search = _Search(options, points, failed, goal, budget, limits)
    measure, contenders = search.next()
    skipped = search.skipped(contenders)
    return Step(skipped=skipped) if measure is None else Step(search.wanted(measure, contenders), measure, skipped)


@dataclass(frozen=True, slots=True)
class _Pick:
    """An option at a load, with the replicas that are wanted."""

    option: Option
    load: int
    row: Candidate

    @property
    def measure(self) -> Measure:
        return Measure(self.option.trial, self.load)


class _Search:
    """What is known at one step. A trial that has failed is not measured any more; what was measured of it counts."""

    def __init__(
        self,
        options: Sequence[Option],
        points: Sequence[MeasuredPoint],
        failed: Mapping[str, str],
        goal: Goal,
        budget: int,
        limits: Limits,
    ) -> None:
        self._goal, self._budget, self._limits, self._failed = goal, budget, limits, failed
        self._options = {option.trial.id: option for option in options if option.trial.id not in failed}
        known = {option.trial.id for option in options}
        self._points = [point for point in points if point.trial in known]
        self._used = len(points)
        self._rows = rows_by_load(tuple(options), self._points, goal, budget)
        self._errors = EstimateErrors.of([option for option in options if option.points], self._points)
        self._best = self._best_measured()
        self._ahead = _first_by_estimates(tuple(options), goal, budget) if limits.most_trials >= _BEGIN_WITH else ()

    def next(self) -> tuple[Measure | None, Mapping[str, _Pick]]:
        """Return the measurement to make, and what else may be better than what is measured, by the id of its trial."""
        contenders = self.contenders()
        confirmation = self._confirmation()
        if self._end():
            may_confirm = not self._limits.exhausted and self._used < self._limits.most_points
            return (confirmation if may_confirm else None), contenders
        return self._explore(contenders) or confirmation, contenders

    def wanted(self, measure: Measure, contenders: Mapping[str, _Pick]) -> tuple[Candidate, ...]:
        """Return the trial to measure, and what is kept beside it: what may be next, and the best one so far."""
        beside = [trial for trial in self._ahead if trial in contenders and not self._loads(trial)]
        wanted = [measure.trial]
        best = [self._best[0]] if self._best and self._best[0] in self._options else []
        for trial in (*beside, *best):
            candidate = self._options[trial].trial
            if candidate not in wanted and sum(other.gpus for other in (*wanted, candidate)) <= self._budget:
                wanted.append(candidate)
        return tuple(wanted)

    def skipped(self, contenders: Mapping[str, _Pick]) -> dict[str, str]:
        """Return why trials are not measured, by their id; those that may still be are left out."""
        found: dict[str, str] = {}
        end = self._end() or self._no_more_trials()
        for trial in self._options:
            if self._loads(trial):
                continue
            if trial not in contenders:
                found[trial] = self._beaten()
            elif end and trial not in self._ahead:
                found[trial] = end
        return found

    def _beaten(self) -> str:
        by = f" than {self._rows[self._best].id}" if self._best else ""
        return f"its estimate, corrected by what was measured of others, is not better{by}"

    def _end(self) -> str:
        """Say which limit ends the search; empty while none does."""
        most = self._limits.most_points
        if self._limits.exhausted:
            return self._limits.exhausted
        if self._used >= most - (1 if self._confirmation() else 0):
            return f"the limit of {most} measurements was reached"
        return ""

    def _no_more_trials(self) -> str:
        """Say that no other configuration may be deployed; empty while one may."""
        most = self._limits.most_trials
        started = {*(point.trial for point in self._points), *self._failed, *self._ahead}
        return f"the limit of {most} trials was reached" if len(started) >= most * (1 if self._points else 2) else ""

    def _best_measured(self) -> tuple[str, int] | None:
        choice = choose(self._rows.values(), self._goal, self._budget)
        return next((key for key, row in self._rows.items() if row is choice), None)

    def _confirmation(self) -> Measure | None:
        """Return another run of the best that was measured, where there was one only."""
        if self._best is None or self._best[0] not in self._options:
            return None
        trial, load = self._best
        samples = self._rows[self._best].samples
        return Measure(self._options[trial].trial, load) if samples and samples.runs < _RUNS else None

    def _explore(self, contenders: Mapping[str, _Pick]) -> Measure | None:
        """Return what may be better than the best that was measured; what is deployed comes first if that is likely."""
        current = [self._points[-1].trial] if self._points else []
        for trial in (*current, *(trial for trial in self._ahead if not self._loads(trial))):
            if trial in contenders and self._is_likely(contenders[trial].option):
                return self._expected(contenders[trial])
        free = [pick for trial, pick in contenders.items() if self._loads(trial) or not self._no_more_trials()]
        first = self.chosen([pick for pick in free if pick.option.points])
        if first is not None:
            return self._expected(first)
        smallest = min(free, key=lambda pick: (pick.option.trial.gpus, pick.option.trial.id), default=None)
        return smallest.measure if smallest else None

    def contenders(self) -> dict[str, _Pick]:
        """Return the options that may be better than what was measured, each at the load where they are, by id."""
        found = {}
        for trial, option in self._options.items():
            pick = self._best_load(option, _OPTIMISM) if option.points else self._unestimated(option)
            if pick is not None:
                found[trial] = pick
        return found

    def _is_likely(self, option: Option) -> bool:
        return not option.points or self._best_load(option, _LIKELY) is not None

    def _best_load(self, option: Option, optimism: float) -> _Pick | None:
        """Return an option at the load where it may be better than what was measured; None where it is not."""
        picks = self._picks(option, optimism, _LEAST_GAIN) if self._rows else self._picks(option)
        pick = self.chosen(picks)
        return pick if pick and choose([*self._rows.values(), pick.row], self._goal, self._budget) is pick.row else None

    def _expected(self, pick: _Pick) -> Measure:
        """Return the measurement at the load that is expected to be the option's best, or else the one that may be."""
        own = [row for (trial, _), row in self._rows.items() if trial == pick.option.trial.id]
        expected = self.chosen(self._picks(pick.option), own) if pick.option.points else None
        return (expected or pick).measure

    def _picks(self, option: Option, optimism: float = 0.0, least_gain: float = 0.0) -> list[_Pick]:
        """Return an option at each load that may be measured, with its corrected estimates."""
        loads = self._free_loads(option)
        corrected = self._errors.corrected(option, loads, self._goal.osl, optimism, least_gain)
        return [
            _Pick(option, load, scale(option.at(load, numbers), self._goal, self._budget))
            for load, numbers in zip(loads, corrected, strict=True)
        ]

    def _free_loads(self, option: Option) -> list[int]:
        """Return the loads of an option that are not measured, and not too far from what is."""
        possible = self._possible(option)
        loads = [load for load in option.loads(self._goal, self._budget) if load <= possible]
        measured = self._loads(option.trial.id)
        if not measured:
            return loads
        low, high = min(measured) / _RANGE, max(measured) * _RANGE
        return [
            load for load in loads if low <= load <= high and all(_ratio(load, other) >= _CLOSE for other in measured)
        ]

    def _possible(self, option: Option) -> int:
        """Return the largest load at which an option may be measured."""
        return min(option.most, self._limits.barred.get(option.trial.id, option.most + 1) - 1)

    def _unestimated(self, option: Option) -> _Pick | None:
        rows = {load: row for (trial, load), row in self._rows.items() if trial == option.trial.id}
        choice = choose(rows.values(), self._goal, self._budget)
        best = next((load for load, row in rows.items() if row is choice), 0)
        load = next_load(rows, best, self._possible(option))
        return None if load is None else _Pick(option, load, option.trial)

    def chosen(self, picks: Iterable[_Pick], beside: Iterable[Candidate] = ()) -> _Pick | None:
        """Return the pick that is chosen; None where one of the candidates beside them is."""
        picks = list(picks)
        choice = choose([*beside, *(pick.row for pick in picks)], self._goal, self._budget)
        return next((pick for pick in picks if pick.row is choice), None)

    def _loads(self, trial: str) -> list[int]:
        return [load for measured, load in self._rows if measured == trial]


@lru_cache(maxsize=8)
def _first_by_estimates(options: tuple[Option, ...], goal: Goal, budget: int) -> tuple[str, ...]:
    """Return the trials to begin with, by estimates alone: the best, and the best of another shape beside it.

    They depend on nothing that is measured: so a step knows what was deployed without remembering an earlier one.
    """
    estimated = [option for option in options if option.points]
    search = _Search(estimated, (), {}, goal, budget, Limits(most_trials=1))
    picks = list(search.contenders().values())
    first = search.chosen(picks)
    if first is None:
        return ()
    left = budget - first.option.trial.gpus
    others = [p for p in picks if p.option.shape != first.option.shape and p.option.trial.gpus <= left]
    return tuple(pick.option.trial.id for pick in (first, search.chosen(others)) if pick)


def _ratio(a: float, b: float) -> float:
    return max(a, b) / min(a, b)
