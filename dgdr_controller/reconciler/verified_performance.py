"""What was measured of a deployment, held against what was planned. Pure."""

from collections.abc import Callable

from dgdr_api.candidate import Candidate, Performance
from dgdr_api.conditions import ConditionUpdate, PerformanceVerified
from dgdr_api.defaults import Effective
from dgdr_api.formatting import milliseconds, significant
from dgdr_api.missed_targets import missed_targets
from dgdr_api.trials import MeasuredPoint

TOLERANCE = 0.2
"""Share by which TTFT, ITL or throughput may differ from the plan."""
_SIMULATED = "The engines are simulated (spec.features.mocker): the numbers do not describe real GPUs"


def verified(candidate: Candidate, applied: Effective, point: MeasuredPoint) -> ConditionUpdate:
    """Say whether a deployment does what was planned, with the numbers side by side.

    Targets of the user that the plan meets and the deployment misses come first: they are what the plan is for.

    Args:
        candidate: What is deployed.
        applied: The targets.
        point: What was measured.
    """
    plan = candidate.performance
    missed = dict(missed_targets(point.ttft, point.itl, applied, defaults=False))
    foreseen = dict(missed_targets(plan.ttft, plan.itl, applied, defaults=False)) if plan else {}
    sentences = [
        f"Measured {point.requests} requests, {point.concurrency} in flight: {_side_by_side(plan, point)}",
        *([f"Misses {', '.join(missed.values())}"] if missed else []),
        *([_SIMULATED] if applied.mocker else []),
    ]
    return _condition(plan, point, misses=bool(missed.keys() - foreseen.keys()))(". ".join(sentences))


def _condition(plan: Performance | None, point: MeasuredPoint, *, misses: bool) -> Callable[[str], ConditionUpdate]:
    if misses:
        return PerformanceVerified.misses
    if plan is None:
        return PerformanceVerified.not_planned
    # How much worse each number is than planned: a longer time, fewer tokens.
    ratios = [point.ttft / plan.ttft if plan.ttft else 1.0, plan.tokens_per_s / point.tokens_per_s]
    ratios += [point.itl / plan.itl] if plan.itl else []
    if max(ratios) > 1 + TOLERANCE:
        return PerformanceVerified.worse
    return PerformanceVerified.better if min(ratios) < 1 - TOLERANCE else PerformanceVerified.as_planned


def _side_by_side(plan: Performance | None, point: MeasuredPoint) -> str:
    def beside(name: str, measured: float, unit: Callable[[float], str]) -> str:
        planned: float = getattr(plan, name) if plan else 0.0
        if not planned:
            return unit(measured)
        return f"{unit(measured)} (planned {unit(planned)}, {100 * (measured / planned - 1):+.0f} %)"

    return ", ".join(
        [
            f"TTFT {beside('ttft', point.ttft, milliseconds)}",
            *([f"ITL {beside('itl', point.itl, milliseconds)}"] if point.itl else []),
            beside("tokens_per_s", point.tokens_per_s, lambda value: f"{significant(value)} tokens/s"),
        ]
    )
