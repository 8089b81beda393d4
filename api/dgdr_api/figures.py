"""What a candidate delivers, in words: for the plan, the status and the log."""

from dgdr_api.candidate import Candidate
from dgdr_api.estimates import Chances, Interval
from dgdr_api.formatting import exact, likelihood, significant
from dgdr_api.results import Goal, Target

_RANGE_DIGITS = 2


def figures(candidate: Candidate, goal: Goal) -> str:
    """Return the numbers with their 80 % ranges, and how likely each target is met.

    Args:
        candidate: One with performance.
        goal: Where the targets are from.
    """
    numbers, uncertainty = candidate.numbers, candidate.uncertainty
    chances = uncertainty.chances if uncertainty else Chances()

    def figure(name: str, unit: str, target: str = "") -> str:
        between: Interval | None = getattr(uncertainty, name) if uncertainty else None
        inside = "; ".join(part for part in (interval(between) if between else "", target) if part)
        return f"{significant(getattr(numbers, name))} {unit}{f' ({inside})' if inside else ''}"

    parts = [
        figure("tokens_per_s_per_gpu", "tokens/s/GPU"),
        f"TTFT {figure('ttft', 'ms', within(goal.ttft, chances.ttft))}",
        *([f"ITL {figure('itl', 'ms', within(goal.itl, chances.itl))}"] if numbers.itl else []),
    ]
    if goal.e2e_latency:
        parts.append(f"whole request {figure('e2e', 'ms', within(goal.e2e_latency, chances.e2e))}")
    return ", ".join(parts)


def within(target: Target | None, chance: float | None) -> str:
    """Say how likely a target is met; without chances what the target is."""
    if target is None:
        return ""
    default = "" if target.explicit else "the default of "
    if chance is None:
        return f"target {exact(target.value)}{'' if target.explicit else ', default'}"
    return f"{likelihood(chance)} likely within {default}{exact(target.value)}"


def interval(between: Interval) -> str:
    """Write a range: ``16–24``."""
    return f"{significant(between.low, _RANGE_DIGITS)}–{significant(between.high, _RANGE_DIGITS)}"
