"""Which candidate is deployed. Pure: candidates in, one candidate out.

Each step keeps the candidates that are best by one thing and hands them to the next step. No step drops a candidate
and keeps one that it dominates, so the choice is on the Pareto front.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.results import Goal
from dgdr_controller.profiler.selection.likely import weight
from dgdr_controller.profiler.selection.objective import best
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.reach import nearest
from dgdr_controller.profiler.selection.scaling import has_load, wants_load
from dgdr_controller.profiler.selection.targets import targets_of, without_defaults

MOST_FOR_DEFAULTS = 2.0
"""Default targets are a preference: holding them may cost this factor in throughput (with a load, in GPUs) at most."""


class Comparison(StrEnum):
    """What candidates are compared by, as a user reads it."""

    WRITTEN = "the targets that you wrote"
    SERVED = "the share of the load that is served"
    DEFAULTS = "the default targets"
    GPUS = "the fewest GPUs"
    OBJECTIVE = "the objective"


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison.

    Attributes:
        by: What is compared.
        keep: Returns those of some candidates that are best by it; at least one.
    """

    by: Comparison
    keep: Callable[[list[Candidate]], list[Candidate]]


def choose(candidates: Iterable[Candidate], goal: Goal, budget: int) -> Candidate | None:
    """Return the best candidate, or None if there is none. `steps` says in which order they are compared."""
    remaining = list(candidates)
    if not remaining:
        return None
    for step in steps(goal, budget):
        remaining = step.keep(remaining)
    return min(remaining, key=lambda candidate: (candidate.gpus, candidate.mode is Mode.DISAGGREGATED, candidate.id))


def dropped(candidates: Iterable[Candidate], goal: Goal, budget: int) -> dict[str, Comparison]:
    """Return by which comparison each candidate but the best ones is dropped, by its id."""
    remaining = list(candidates)
    found: dict[str, Comparison] = {}
    for step in steps(goal, budget) if remaining else ():
        kept = step.keep(remaining)
        ids = {candidate.id for candidate in kept}
        found |= {candidate.id: step.by for candidate in remaining if candidate.id not in ids}
        remaining = kept
    return found


def steps(goal: Goal, budget: int) -> list[Step]:
    """Return the comparisons that apply, in their order.

    Arrivals at a rate that is not served queue without end, so that every latency target fails: the load comes before
    the targets. A number of requests in flight waits for its answers: the targets come before the load.
    """

    def criteria(candidate: Candidate) -> Criteria:
        return Criteria.of(candidate, goal, budget)

    def most_served(candidates: list[Candidate]) -> list[Candidate]:
        most = max(criteria(candidate).served for candidate in candidates)
        return [candidate for candidate in candidates if criteria(candidate).served == most]

    def fewest_gpus(candidates: list[Candidate], wanted: Goal = goal) -> list[Candidate]:
        """Keep those of the number of GPUs that is smallest over what the best of them promises (`likely.weight`)."""
        cheapest = min(candidates, key=lambda c: (criteria(c).gpus / weight(c, wanted), criteria(c).gpus))
        return [candidate for candidate in candidates if criteria(candidate).gpus == criteria(cheapest).gpus]

    def close_to_defaults(candidates: list[Candidate]) -> list[Candidate]:
        written_only = without_defaults(goal)
        free = price(best(fewest_gpus(candidates, written_only), written_only, budget)[0])
        affordable = [candidate for candidate in candidates if price(candidate) <= free * MOST_FOR_DEFAULTS]
        return nearest(affordable, goal, budget, explicit=False)

    def price(candidate: Candidate) -> float:
        return candidate.gpus if has_load(goal) else 1 / criteria(candidate).tokens_per_s_per_gpu

    written = [Step(Comparison.WRITTEN, lambda candidates: nearest(candidates, goal, budget, explicit=True))]
    served = [Step(Comparison.SERVED, most_served)] if wants_load(goal) else []
    return [
        *(served if goal.request_rate is not None else []),
        *(written if targets_of(goal, explicit=True) else []),
        *(served if goal.request_rate is None else []),
        *([Step(Comparison.DEFAULTS, close_to_defaults)] if targets_of(goal, explicit=False) else []),
        *([Step(Comparison.GPUS, fewest_gpus)] if has_load(goal) else []),
        Step(Comparison.OBJECTIVE, lambda candidates: best(candidates, goal, budget)),
    ]
