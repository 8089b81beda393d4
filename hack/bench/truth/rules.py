"""The rules that are compared."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.likely import chance
from dgdr_controller.profiler.selection.targets import meets_targets, violation
from hack.bench.truth.options import BUDGET, Option, merit

Rule = Callable[[Sequence[Option], Goal], Sequence[Option]]
"""Returns what may be picked, each as likely: one option, or several where chance decides."""


_LIKELY = 0.8


def shipped(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick as `dgdr plan` does."""
    by_id = {option.candidate.id: option for option in options}
    choice = choose([option.promising(wanted) for option in options], wanted, BUDGET)
    return [by_id[choice.id]] if choice else []


def aics_own(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick the most estimated tokens/s/GPU among what meets the targets by the estimates; else what misses least."""
    return [max(_predicted_feasible(options, wanted), key=lambda option: option.simulated.numbers.tokens_per_s_per_gpu)]


def random(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Let chance decide among what meets the targets by the estimates."""
    return _predicted_feasible(options, wanted)


def _predicted_feasible(options: Sequence[Option], wanted: Goal) -> list[Option]:
    feasible = [option for option in options if meets_targets(option.simulated, wanted)]
    return feasible or [min(options, key=lambda option: violation(option.simulated, wanted, explicit=True))]


def corrected_only(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick by corrected estimates without chances: a target is met where the estimate meets it."""
    return [_required(options, wanted, lambda candidate: meets_targets(candidate, wanted))]


def at_least_likely(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick the best of what meets the targets with 80 % chance; where nothing does, the likeliest."""
    return [_required(options, wanted, lambda candidate: chance(candidate, wanted) >= _LIKELY)]


def by_weight(options: Sequence[Option], wanted: Goal, exponent: float) -> Sequence[Option]:
    """Pick the most of score times chance to a power."""
    return [
        max(options, key=lambda option: _score(option, wanted) * chance(option.promising(wanted), wanted) ** exponent)
    ]


def _required(options: Sequence[Option], wanted: Goal, met: Callable[[Candidate], bool]) -> Option:
    enough = [option for option in options if met(option.promising(wanted))]
    if enough:
        return max(enough, key=lambda option: _score(option, wanted))
    return max(options, key=lambda option: (chance(option.promising(wanted), wanted), _score(option, wanted)))


def _score(option: Option, wanted: Goal) -> float:
    numbers = option.candidate.numbers
    return merit(wanted.objective, numbers.tokens_per_s_per_gpu, numbers.itl)


SHIPPED = "`dgdr plan`"
"""The rule of the product."""

RULES: Mapping[str, Rule] = {
    "random, among what the estimates say meets the targets": random,
    "AIC's own": aics_own,
    "corrected estimates, no chances": corrected_only,
    "80 % chance required": at_least_likely,
    "score × chance": partial(by_weight, exponent=1.0),
    "score × chance²": partial(by_weight, exponent=2.0),
    "score × chance³": partial(by_weight, exponent=3.0),
    SHIPPED: shipped,
}
