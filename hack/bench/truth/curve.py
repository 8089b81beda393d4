"""Said and measured: how often the truth is below what a table says it is below with some chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from hack.calibration.fit import FEWEST_FAMILIES, families
from hack.calibration.validate import Outcome, of

NUMBERS = ("TTFT", "ITL", "tokens/s/GPU")
CHANCES = tuple(number / 20 for number in range(1, 20))


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the picture.

    Attributes:
        number: What it is of.
        name: Engine and mode.
        shares: Of the measured numbers, how many are below what is stated with each of `CHANCES`.
    """

    number: str
    name: str
    shares: tuple[float, ...]


def curves(outcomes: Sequence[Outcome]) -> Iterator[Curve]:
    """Yield the curves of each engine and mode with enough families, and of all points."""
    groups = {f"{backend} {mode}": of(outcomes, backend, mode) for backend in Backend for mode in Mode}
    for name, found in {**groups, "all": list(outcomes)}.items():
        if len(families([outcome.sample for outcome in found])) < FEWEST_FAMILIES:
            continue
        for number in NUMBERS:
            yield Curve(number, name, tuple(_share(found, number, chance) for chance in CHANCES))


def _share(outcomes: Sequence[Outcome], number: str, chance: float) -> float:
    below = 0
    for outcome in outcomes:
        measured, numbers = outcome.sample.measured, outcome.distributions
        value, found = {
            "TTFT": (measured.ttft, numbers.ttft),
            "ITL": (measured.itl, numbers.itl),
            "tokens/s/GPU": (measured.tokens_per_s_per_gpu, numbers.tokens_per_s_per_gpu),
        }[number]
        below += value <= found.quantile(chance)
    return below / len(outcomes)
