"""The rules that are compared. All but `today` see corrected numbers through the functions of `selection.likely`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dgdr_api.results import Goal
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.likely import EXPONENT, LIKELY, Prospect, required, weighed
from dgdr_controller.profiler.selection.targets import meets_targets, violation
from hack.bench.truth.options import BUDGET, Option, merit

Rule = Callable[[Sequence[Option], Goal], Sequence[Option]]
"""Returns what may be picked, each as likely: one option, or several where chance decides."""


def today(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick as `dgdr plan` does today: the simulator's numbers, and a margin for hybrid."""
    by_id = {option.candidate.id: option for option in options}
    choice = choose([option.candidate for option in options], wanted, BUDGET)
    return [by_id[choice.id]] if choice else []


def aics_own(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick the most estimated tokens/s/GPU among what meets the targets by the estimates; else what misses least."""
    return [max(_predicted_feasible(options, wanted), key=lambda option: option.candidate.numbers.tokens_per_s_per_gpu)]


def random(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Let chance decide among what meets the targets by the estimates."""
    return _predicted_feasible(options, wanted)


def _predicted_feasible(options: Sequence[Option], wanted: Goal) -> list[Option]:
    feasible = [option for option in options if meets_targets(option.candidate, wanted)]
    return feasible or [min(options, key=lambda option: violation(option.candidate, wanted, explicit=True))]


def corrected_only(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick by corrected estimates without chances: a target is met where the estimate meets it."""
    return [required(options, partial(_by_estimate, wanted))]


def at_least_likely(options: Sequence[Option], wanted: Goal) -> Sequence[Option]:
    """Pick the best of what meets the targets with 80 % chance."""
    return [required(options, partial(prospect, wanted))]


def by_weight(options: Sequence[Option], wanted: Goal, exponent: float = EXPONENT) -> Sequence[Option]:
    """Pick the most of score times chance to a power."""
    return [weighed(options, partial(prospect, wanted), exponent)]


def prospect(wanted: Goal, option: Option) -> Prospect:
    """Return what speaks for an option by its corrected numbers."""
    numbers = option.corrected
    score = merit(wanted.objective, numbers.tokens_per_s_per_gpu.estimate, numbers.itl.estimate)
    return Prospect(score, numbers.chance(wanted))


def _by_estimate(wanted: Goal, option: Option) -> Prospect:
    found, numbers = prospect(wanted, option), option.corrected
    targets = ((numbers.ttft, wanted.ttft), (numbers.itl, wanted.itl))
    met = all(number.estimate <= target.value for number, target in targets if target is not None)
    return Prospect(found.score, 1.0 if met else found.chance * LIKELY)


RULES: Mapping[str, Rule] = {
    "random, among what the estimates say meets the targets": random,
    "AIC's own": aics_own,
    "`dgdr plan` today": today,
    "corrected estimates, no chances": corrected_only,
    "80 % chance required": at_least_likely,
    "score × chance": partial(by_weight, exponent=1.0),
    "score × chance²": by_weight,
    "score × chance³": partial(by_weight, exponent=3.0),
}
