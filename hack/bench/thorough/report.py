"""The search beside the sweep, on many surfaces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import ClassVar

from dgdr_controller.profiler.measurement.trial_search import Limits
from hack.bench.thorough.runs import Run, search, sweep
from hack.bench.thorough.score import best, optimality
from hack.bench.thorough.surfaces import Surface
from hack.bench.thorough.trials import SimulatedTrials

NEAR = 0.95
"""Optimality of a choice that is as good as the best."""
MOST_TIME = 0.4
"""Share of the sweep's time that a search may take."""
MOST_FAR = 0.05
"""Share of the surfaces on which a choice may be worse."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Search and sweep on one surface.

    Attributes:
        seed: The surface.
        search: What the search did.
        sweep: What the sweep did.
        found: How good the choice of the search truly is, as a share of the best.
        swept: The same of the sweep, whose grid has gaps.
        words: Both choices and the best, in words.
    """

    seed: int
    search: Run
    sweep: Run
    found: float
    swept: float
    words: str

    @property
    def time(self) -> float:
        """Time of the search, as a share of the sweep's."""
        return self.search.seconds / self.sweep.seconds


@dataclass(frozen=True, slots=True)
class Summary:
    """A case and a goal on many surfaces.

    Attributes:
        name: Case and goal.
        outcomes: What was found.
    """

    HEAD: ClassVar[str] = (
        f"{'case: goal':<62} {'within 5 %':>10} {'median':>7} {'lowest':>7} {'sweep':>7} "
        f"{'points':>9} {'of':>4} {'trials':>8} {'time':>10}"
    )
    name: str
    outcomes: Sequence[Outcome]

    @property
    def near(self) -> float:
        """Share of the surfaces on which the choice is as good as the best."""
        return fmean(outcome.found >= NEAR for outcome in self.outcomes)

    @property
    def missed(self) -> list[str]:
        """Bars that are missed: of optimality and of time; those of points and trials are limits of the search."""
        bars = {"optimality": self.near >= 1 - MOST_FAR, "time": self._most_time <= MOST_TIME}
        return [name for name, met in bars.items() if not met]

    @property
    def _most_time(self) -> float:
        return max(outcome.time for outcome in self.outcomes)

    @property
    def line(self) -> str:
        """The figures: mean and most."""
        found = [outcome.found for outcome in self.outcomes]
        points = [len(outcome.search.points) for outcome in self.outcomes]
        trials = [len(outcome.search.deployed) for outcome in self.outcomes]
        time = fmean(outcome.time for outcome in self.outcomes)
        return (
            f"{self.name:<62} {self.near:>10.0%} {median(found):>7.1%} {min(found):>7.1%} "
            f"{median(outcome.swept for outcome in self.outcomes):>7.1%} {fmean(points):>5.1f} {max(points):>3} "
            f"{len(self.outcomes[0].sweep.points):>4} {fmean(trials):>4.1f} {max(trials):>3} "
            f"{time:>5.1%} {self._most_time:>4.1%}" + (f"  missed: {', '.join(self.missed)}" if self.missed else "")
        )

    @property
    def worst(self) -> Iterator[str]:
        """Yield what was chosen where that is not as good as the best."""
        for outcome in self.outcomes:
            if outcome.found < NEAR:
                yield f"seed {outcome.seed}: {outcome.found:.1%}: {outcome.words}"


def compare(surface: Surface, limits: Limits) -> Outcome:
    """Search and sweep a surface."""
    asked = surface.options, surface.goal, surface.budget
    found, swept = (search(*asked, limits, SimulatedTrials(surface)), sweep(*asked, SimulatedTrials(surface)))
    optimum = best(surface)
    by_id = {option.trial.id: option for option in surface.options}
    ours, theirs = (surface.row(by_id[trial], load) for trial, load in (found.chosen, swept.chosen))
    words = "; ".join(
        f"{name} {row.shape} with {row.numbers.concurrency:g} in flight, TTFT {row.numbers.ttft:.0f}, "
        f"ITL {row.numbers.itl:.1f}, {row.numbers.tokens_per_s_per_gpu:.0f} tokens/s/GPU"
        for name, row in (("found", ours), ("best", optimum))
    )
    return Outcome(
        surface.seed,
        found,
        swept,
        optimality(ours, optimum, surface.goal, surface.budget),
        optimality(theirs, optimum, surface.goal, surface.budget),
        words,
    )
