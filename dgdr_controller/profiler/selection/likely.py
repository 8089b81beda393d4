"""The choice among candidates whose numbers have chances: two rules, which ``make bench-truth`` compares. Pure.

Not yet what the product does: `choose` still takes estimates for what they are, with a margin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

LIKELY = 0.8
"""Chance at which a target counts as met."""

EXPONENT = 2.0
"""How much a broken promise weighs against throughput not had: chance to this power times the score."""

Option = TypeVar("Option")


@dataclass(frozen=True, slots=True)
class Prospect:
    """What speaks for a candidate.

    Attributes:
        score: What the objective wants most of; positive.
        chance: That every target is met, 0 to 1.
    """

    score: float
    chance: float


def required(options: Sequence[Option], prospect: Callable[[Option], Prospect], least: float = LIKELY) -> Option:
    """Return the option with the highest score among those that are likely enough; where none is, the likeliest.

    Args:
        options: At least one.
        prospect: Says what speaks for an option.
        least: The chance that is required.
    """
    likely = [option for option in options if prospect(option).chance >= least]
    if likely:
        return max(likely, key=lambda option: prospect(option).score)
    return max(options, key=lambda option: (prospect(option).chance, prospect(option).score))


def weighed(options: Sequence[Option], prospect: Callable[[Option], Prospect], exponent: float = EXPONENT) -> Option:
    """Return the option with the highest score times chance to a power.

    Args:
        options: At least one.
        prospect: Says what speaks for an option.
        exponent: The power: more of it prefers safe options.
    """
    return max(options, key=lambda option: (value := prospect(option)).score * value.chance**exponent)
