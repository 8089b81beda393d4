"""Which latency targets a candidate meets, and by how much it misses the others. Pure.

A candidate is *feasible* when it meets every target that applies: ttft and itl, or the latency of the whole request.
Targets that the user wrote come before default ones.
"""

from collections.abc import Sequence

from dgdr_api.candidate import Candidate
from dgdr_api.request_warnings import Missed
from dgdr_api.results import Goal, Target


def violation(candidate: Candidate, goal: Goal, *, explicit: bool) -> float:
    """Return by how much targets are missed: the sum of the relative excesses, 0 when all are met.

    Args:
        candidate: The candidate.
        goal: The goal.
        explicit: Whether to look at the targets that the user wrote, or at the default ones.
    """
    return sum(value / target.value - 1 for _, value, target in missed(candidate, goal) if target.explicit is explicit)


def latencies(candidate: Candidate, goal: Goal, *, explicit: bool) -> list[tuple[float, Target]]:
    """Return what a candidate reaches of the targets that the user wrote, or of the default ones, with the target."""
    return [(value, target) for _, value, target in targets(candidate, goal) if target.explicit is explicit]


def targets(candidate: Candidate, goal: Goal) -> list[tuple[str, float, Target]]:
    """Return the targets that apply: name, what the candidate reaches, and the target."""
    performance = candidate.numbers
    known = (
        ("TTFT", performance.ttft, goal.ttft),
        ("ITL", performance.itl, goal.itl),
        ("E2E latency", performance.e2e, goal.e2e_latency),
    )
    return [(name, value, target) for name, value, target in known if target is not None]


def chances(candidate: Candidate) -> dict[str, float]:
    """Return how likely a candidate meets each target, by its name; none where that is unknown."""
    if candidate.uncertainty is None:
        return {}
    found = candidate.uncertainty.chances
    named = {"TTFT": found.ttft, "ITL": found.itl, "E2E latency": found.e2e}
    return {name: chance for name, chance in named.items() if chance is not None}


def targets_of(goal: Goal, *, explicit: bool) -> list[Target]:
    """Return the targets that the user wrote, or the default ones."""
    known = (goal.ttft, goal.itl, goal.e2e_latency)
    return [target for target in known if target is not None and target.explicit is explicit]


def without_defaults(goal: Goal) -> Goal:
    """Return the goal with the targets that the user wrote alone."""
    kept = {name: t if (t := getattr(goal, name)) and t.explicit else None for name in ("ttft", "itl", "e2e_latency")}
    return goal.model_copy(update=kept)


def meets_targets(candidate: Candidate, goal: Goal) -> bool:
    """Say whether a candidate is feasible."""
    return not missed(candidate, goal)


def missed(candidate: Candidate, goal: Goal) -> list[tuple[str, float, Target]]:
    """Return the targets that a candidate misses: name, what it reaches, and the target."""
    return [(name, value, target) for name, value, target in targets(candidate, goal) if value > target.value]


def missed_targets(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, *, explicit: bool) -> list[Missed]:
    """Return the targets that the choice misses, with what it reaches and the lowest that any candidate reaches."""
    lowest: dict[str, float] = {}
    for candidate in deployable:
        lowest |= {name: min(value, lowest.get(name, value)) for name, value, _ in targets(candidate, goal)}
    return [
        Missed(name, target.value, value, lowest[name], chances(choice).get(name))
        for name, value, target in missed(choice, goal)
        if target.explicit is explicit
    ]
