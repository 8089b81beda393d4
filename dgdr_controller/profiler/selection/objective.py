"""What ``sla.optimizationType`` means: which of some candidates has the most of it. Pure."""

from collections.abc import Sequence

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.likely import weight
from dgdr_controller.profiler.selection.pareto import Criteria, front
from dgdr_controller.profiler.selection.reach import FEW, requests
from dgdr_controller.profiler.selection.targets import targets_of

_NEARLY = 1.05
"""Scores that differ by less are equal within the error of the estimates: one engine that does both phases is simpler
to run than workers that hand KV caches over."""

_NEARLY_AT_THE_KNEE = 1.0125
"""The same at the knee: as much as leaves no point there from which a tenth less throughput buys a quarter more speed
(0.9² · 1.25)."""


def best(candidates: Sequence[Candidate], goal: Goal, budget: int) -> list[Candidate]:
    """Return the candidates that have the most of what is wanted: one, or several equal ones.

    Args:
        candidates: At least one.
        goal: The goal.
        budget: The GPUs that may be used.
    """
    certain = not targets_of(goal, explicit=True)
    if goal.objective is OptimizationType.HYBRID:
        candidates = front(candidates, goal, budget)
        candidates = [candidate for candidate in candidates if requests(candidate) > FEW] or candidates
    ranks = [rank(candidate, goal, budget) for candidate in candidates]
    most = max(ranks)
    if goal.objective is OptimizationType.HYBRID:
        near = most[0] / (_NEARLY_AT_THE_KNEE if certain else _NEARLY)
        simple = [
            found
            for candidate, found in zip(candidates, ranks, strict=True)
            if candidate.mode is Mode.AGGREGATED and found[0] >= near
        ]
        most = max(simple, default=most)
    return [candidate for candidate, found in zip(candidates, ranks, strict=True) if found == most]


def rank(candidate: Candidate, goal: Goal, budget: int) -> tuple[float, ...]:
    """Return the score that is maximised, and what decides between equals, so that the choice is on the front."""
    criteria = Criteria.of(candidate, goal, budget)
    rest = (criteria.tokens_per_s_per_gpu, criteria.tokens_per_s_per_user, -criteria.ttft)
    return (score(candidate, criteria, goal) * weight(candidate, goal), *rest)


def score(candidate: Candidate, criteria: Criteria, goal: Goal) -> float:
    """Return what the objective wants most of, apart from how likely the targets are met; positive."""
    match goal.objective:
        case OptimizationType.LATENCY:
            return 1 / candidate.numbers.e2e
        case OptimizationType.HYBRID if not targets_of(goal, explicit=True):
            return balance(criteria)
        case _:
            return criteria.tokens_per_s_per_gpu


def balance(criteria: Criteria) -> float:
    """Return what is largest at the knee of throughput and speed, which has no unit and no scale.

    Throughput counts twice: so the knee is never a point from which a tenth less throughput buys a quarter more speed
    (0.9² · 1.25 > 1), or a tenth less speed a quarter more throughput.
    """
    return criteria.tokens_per_s_per_gpu * criteria.tokens_per_s_per_gpu * criteria.tokens_per_s_per_user
