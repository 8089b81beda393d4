"""What comes near to targets that are out of reach. Pure."""

from collections.abc import Sequence

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.pareto import front
from dgdr_controller.profiler.selection.targets import latencies, violation

NEAR = 1.15
"""Latencies up to so many times the closest that can be had are as good as it where a target is out of reach: what
differs by less is within the error of the estimates, and the last milliseconds cost the most throughput."""

FEW = 2
"""Requests at a time. Nobody deploys an engine for one or two who may have more from it."""

_FOR_SEVERAL = 1.5
"""Where only engines for so few come near, what serves more may be so many times as far as the closest."""


def requests(candidate: Candidate) -> int:
    """Return how many requests one engine works on at a time."""
    worker = candidate.workers[-1]  # the one that decodes
    return worker.batch * worker.parallelism.dp


def nearest(candidates: Sequence[Candidate], goal: Goal, budget: int, *, explicit: bool) -> list[Candidate]:
    """Return the candidates that meet the targets; where none does, those that come near the closest one.

    Args:
        candidates: At least one.
        goal: The goal.
        budget: The GPUs that may be used.
        explicit: Whether to look at the targets that the user wrote, or at the default ones.
    """
    several = for_several(candidates, goal, budget, explicit=explicit)
    return _near(several or candidates, goal, explicit=explicit)


def for_several(candidates: Sequence[Candidate], goal: Goal, budget: int, *, explicit: bool) -> list[Candidate]:
    """Return what serves more than a few requests at a time, where targets are out of reach and nothing near does.

    Who asks for the shortest request gets it: then, and where nothing else is close enough, there are none.
    """
    near = _near(candidates, goal, explicit=explicit)
    reached = not violation(near[0], goal, explicit=explicit)
    if reached or goal.objective is OptimizationType.LATENCY or any(requests(c) > FEW for c in near):
        return []
    limits = _limits(candidates, goal, _FOR_SEVERAL, explicit=explicit)
    return [c for c in front(candidates, goal, budget) if requests(c) > FEW and _within(c, limits, goal, explicit)]


def _near(candidates: Sequence[Candidate], goal: Goal, *, explicit: bool) -> list[Candidate]:
    feasible = [candidate for candidate in candidates if not violation(candidate, goal, explicit=explicit)]
    if feasible:
        return feasible
    limits = _limits(candidates, goal, NEAR, explicit=explicit)
    return [candidate for candidate in candidates if _within(candidate, limits, goal, explicit)]


def _limits(candidates: Sequence[Candidate], goal: Goal, factor: float, *, explicit: bool) -> list[float]:
    """Return for each target so many times what the closest candidates reach, or the target itself."""
    misses = [violation(candidate, goal, explicit=explicit) for candidate in candidates]
    best = [candidate for candidate, missed in zip(candidates, misses, strict=True) if missed == min(misses)]
    columns = zip(*(latencies(candidate, goal, explicit=explicit) for candidate in best), strict=True)
    return [factor * max(column[0][1].value, *(value for value, _ in column)) for column in columns]


def _within(candidate: Candidate, limits: Sequence[float], goal: Goal, explicit: bool) -> bool:  # noqa: FBT001 - private
    found = latencies(candidate, goal, explicit=explicit)
    return all(value <= limit for (value, _), limit in zip(found, limits, strict=True))
