"""What candidates are compared by, and which of them no other one beats. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_controller.profiler.selection.likely import weight
from dgdr_controller.profiler.selection.scaling import autoscaled, has_load, served


@dataclass(frozen=True, slots=True)
class Criteria:
    """What two candidates are compared by: more throughput, fewer GPUs, a shorter TTFT, a better chance are better.

    Attributes:
        tokens_per_s_per_user: What one user sees.
        tokens_per_s_per_gpu: Without a load for each GPU of the *budget*, so that GPUs left idle count (AIC's
            ``tokens/s/gpu_cluster``); with one for each GPU that is used. With the planner for each GPU once it has
            found the counts of workers that go together.
        ttft: In ms.
        gpus: Number of GPUs; 0 without a load, where the whole budget is there to be used.
        served: Share of the load that is served; with the planner that can be served.
        weight: How likely the targets are met (`likely.weight`): of equal estimates, some are more certain than others.
    """

    tokens_per_s_per_user: float
    tokens_per_s_per_gpu: float
    ttft: float
    gpus: int
    served: float
    weight: float = 1.0

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
            served=share,
            weight=weight(candidate, goal),
        )

    @property
    def ordered(self) -> tuple[float, ...]:
        """All criteria as numbers of which more is better, throughput first."""
        return (self.tokens_per_s_per_gpu, self.tokens_per_s_per_user, -self.ttft, self.served, -self.gpus, self.weight)

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
