"""How likely a candidate meets the targets, and what that is worth. Pure."""

import math

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.targets import chances, targets

EVEN = 0.5
"""Chance below which a choice is more likely to miss the targets than to meet them."""

_EXPONENT = 2
"""How much a broken promise weighs against throughput not had. Among its neighbours, and beside a chance that is
required, it is the power that loses least on public measurements (``make bench-truth``)."""


def chance(candidate: Candidate, goal: Goal) -> float:
    """Return the chance that all written targets are met, 0 to 1; 1 where there is none, or where it is unknown."""
    found = goal.chance(candidate.uncertainty.chances) if candidate.uncertainty else None
    return 1.0 if found is None else found


def weight(candidate: Candidate, goal: Goal) -> float:
    """Return how much of a candidate's score counts, 0 to 1: less the less likely it meets the targets.

    Default targets are a preference and no promise: they weigh once, and only where the objective is a balance.
    """
    known, balanced = chances(candidate), goal.objective is OptimizationType.HYBRID
    return math.prod(
        known[name] ** (_EXPONENT if target.explicit else 1)
        for name, _, target in targets(candidate, goal)
        if name in known and (target.explicit or balanced)
    )
