"""Which candidate is deployed. Pure: candidates in, candidates out.

`front` finds the non-dominated candidates, `choose` picks one; both look at the same `Criteria` of a candidate.

A candidate is *feasible* when it meets every target that applies: ttft and itl, or the latency of the whole
request. Targets that the user wrote come before default ones.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.conditions import Missed
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiling_job.protocol import Goal, Target


def scale(candidate: Candidate, goal: Goal, budget: int) -> Candidate:
    """Return a candidate of one replica with as many replicas as are wanted.

    Without a load: as many as the budget holds. With one: the fewest that serve it, or all that the budget holds.
    One replica at least, also where that is over budget (`judge` says so). With the planner: one, it adds the others.
    """
    if goal.autoscale:
        return candidate.scaled(1)
    affordable = max(1, budget // candidate.gpus_per_replica)
    needed = affordable
    if goal.concurrency is not None:
        needed = _replicas(goal.concurrency / candidate.numbers.concurrency, affordable)
    if goal.request_rate is not None:
        needed = _replicas(goal.request_rate / candidate.numbers.request_rate, affordable)
    return candidate.scaled(max(1, needed))


def _replicas(wanted: float, affordable: int) -> int:
    """Round up to whole replicas, where so many are affordable."""
    return affordable if wanted >= affordable else math.ceil(wanted)


def has_load(goal: Goal) -> bool:
    """Say whether a load is given that must be served by what is deployed; the planner follows the load by itself."""
    return not goal.autoscale and (goal.concurrency is not None or goal.request_rate is not None)


def served(candidate: Candidate, goal: Goal, budget: int) -> float:
    """Return the share of the wanted load that the candidate serves, 0 to 1; 1 when no load is wanted.

    With the planner that is what it can make of the whole budget.
    """
    times = max(1, budget // candidate.gpus_per_replica) if goal.autoscale else 1
    if goal.concurrency is not None:
        return min(1.0, times * candidate.numbers.concurrency / goal.concurrency)
    if goal.request_rate is not None:
        return min(1.0, times * candidate.numbers.request_rate / goal.request_rate)
    return 1.0


def autoscaled(candidate: Candidate) -> float:
    """Return tokens/s/GPU where neither side waits for the other: each request takes its share of both.

    A worker of g GPUs that keeps up with r requests per second spends g / r GPU seconds on each.
    """
    performance = candidate.numbers
    rates = [(worker.parallelism.gpus, worker.request_rate) for worker in candidate.workers]
    gpu_seconds = sum(gpus / rate for gpus, rate in rates if rate)
    tokens = performance.tokens_per_s / performance.request_rate
    return tokens / gpu_seconds if gpu_seconds else performance.tokens_per_s_per_gpu


@dataclass(frozen=True, slots=True)
class Criteria:
    """What two candidates are compared by: more throughput, fewer GPUs, a shorter TTFT are better.

    Attributes:
        tokens_per_s_per_user: What one user sees.
        tokens_per_s_per_gpu: Without a load for each GPU of the *budget*, so that GPUs left idle count (AIC's
            ``tokens/s/gpu_cluster``); with one for each GPU that is used. With the planner for each GPU once it has
            found the counts of workers that go together.
        ttft: In ms.
        gpus: Number of GPUs; 0 without a load, where the whole budget is there to be used.
        served: Share of the load that is served; with the planner whether it can be served.
    """

    tokens_per_s_per_user: float
    tokens_per_s_per_gpu: float
    ttft: float
    gpus: int
    served: float

    @classmethod
    def of(cls, candidate: Candidate, goal: Goal, budget: int) -> "Criteria":
        """Read the criteria off a candidate."""
        loaded = has_load(goal)
        performance = candidate.numbers
        used, share = candidate.gpus if loaded else budget, served(candidate, goal, budget)
        return cls(
            tokens_per_s_per_user=performance.tokens_per_s_per_user,
            tokens_per_s_per_gpu=autoscaled(candidate) if goal.autoscale else performance.tokens_per_s / used,
            ttft=performance.ttft,
            gpus=candidate.gpus if loaded else 0,
            served=math.floor(share) if goal.autoscale else share,
        )

    @property
    def ordered(self) -> tuple[float, ...]:
        """All criteria as numbers of which more is better, throughput first."""
        return (self.tokens_per_s_per_gpu, self.tokens_per_s_per_user, -self.ttft, self.served, -self.gpus)

    def dominates(self, other: "Criteria") -> bool:
        """Say whether this is at least as good in everything and better in something."""
        return self != other and all(a >= b for a, b in zip(self.ordered, other.ordered, strict=True))


def front(candidates: Iterable[Candidate], goal: Goal, budget: int) -> list[Candidate]:
    """Return the candidates that no other dominates, by falling tokens/s/GPU."""
    ranked = sorted(
        ((Criteria.of(c, goal, budget), c) for c in candidates),
        key=lambda pair: (*(-value for value in pair[0].ordered), pair[1].id),
    )
    # Who dominates comes earlier in this order, so comparing with the front found so far is enough.
    kept: list[tuple[Criteria, Candidate]] = []
    for criteria, candidate in ranked:
        if not any(other.dominates(criteria) for other, _ in kept):
            kept.append((criteria, candidate))
    return [candidate for _, candidate in kept]


def choose(candidates: Iterable[Candidate], goal: Goal, budget: int) -> Candidate | None:
    """Return the best candidate, or None if there is none.

    In this order: least violation of targets that the user wrote, largest share of the load served, least violation
    of default targets, fewest GPUs where a load is given, the objective. Ties: fewer GPUs, then aggregated.
    """
    return min(candidates, key=lambda candidate: _rank(candidate, goal, budget), default=None)


def _rank(candidate: Candidate, goal: Goal, budget: int) -> tuple[object, ...]:
    criteria = Criteria.of(candidate, goal, budget)
    return (
        violation(candidate, goal, explicit=True),
        -criteria.served,
        violation(candidate, goal, explicit=False),
        criteria.gpus,
        *(-value for value in _objective(candidate, criteria, goal.objective)),
        candidate.gpus,
        candidate.mode is Mode.DISAGGREGATED,
        candidate.id,
    )


def _objective(candidate: Candidate, criteria: Criteria, objective: OptimizationType) -> tuple[float, ...]:
    """Return what is maximised; the later values decide between equals, so that the choice is on the front."""
    rest = (criteria.tokens_per_s_per_gpu, criteria.tokens_per_s_per_user, -criteria.ttft)
    match objective:
        case OptimizationType.THROUGHPUT:
            return rest
        case OptimizationType.LATENCY:
            return (-candidate.numbers.e2e, *rest)
        case OptimizationType.HYBRID:
            # The knee: where the product of both, each as a share of its best, is largest. The best values are
            # the same for all, so the plain product has its maximum in the same place.
            return (criteria.tokens_per_s_per_gpu * criteria.tokens_per_s_per_user, *rest)


def violation(candidate: Candidate, goal: Goal, *, explicit: bool) -> float:
    """Return by how much targets are missed: the sum of the relative excesses, 0 when all are met.

    Args:
        candidate: The candidate.
        goal: The goal.
        explicit: Whether to look at the targets that the user wrote, or at the default ones.
    """
    return sum(
        value / target.value - 1
        for _, value, target in targets(candidate, goal)
        if target.explicit is explicit and value > target.value
    )


def targets(candidate: Candidate, goal: Goal) -> list[tuple[str, float, Target]]:
    """Return the targets that apply: name, what the candidate reaches, and the target."""
    performance = candidate.numbers
    known = (
        ("TTFT", performance.ttft, goal.ttft),
        ("ITL", performance.itl, goal.itl),
        ("E2E latency", performance.e2e, goal.e2e_latency),
    )
    return [(name, value, target) for name, value, target in known if target is not None]


def meets_targets(candidate: Candidate, goal: Goal) -> bool:
    """Say whether a candidate is feasible."""
    return all(value <= target.value for _, value, target in targets(candidate, goal))


def missed_targets(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, *, explicit: bool) -> list[Missed]:
    """Return the targets that the choice misses, with what it reaches and the lowest that any candidate reaches."""
    values = [[value for _, value, _ in targets(candidate, goal)] for candidate in deployable]
    lowest = [min(column) for column in zip(*values, strict=True)]
    return [
        Missed(name, target.value, value, best)
        for (name, value, target), best in zip(targets(choice, goal), lowest, strict=True)
        if value > target.value and target.explicit is explicit
    ]
