"""Leaves model families, and systems, out of the fit in turn: what the table is worth for what it has not seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Self

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Calibration, Corrected, Distributions
from dgdr_controller.profiler.calibration.table import CalibrationProvenance, CellError
from hack.calibration.estimates import Sample
from hack.calibration.fit import families, fit

_CLOSE = 0.2


@dataclass(frozen=True)
class Outcome:
    """A measured point and what a table says of it that was fitted without its family, or system.

    Attributes:
        sample: The point.
        corrected: What the table says.
        probabilities: Of the table's quantiles.
    """

    sample: Sample
    corrected: Corrected
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, sample: Sample, table: Calibration) -> Self:
        """Correct a point's estimate."""
        return cls(sample, table.correct(sample.simulated), table.probabilities)

    @cached_property
    def distributions(self) -> Distributions:
        """What its numbers may truly be, by the table."""
        return Distributions.of(self.corrected, self.corrected.row.errors(self.probabilities), self.probabilities)

    @property
    def ttft_error(self) -> float:
        """Relative error of the corrected TTFT, signed."""
        return self.corrected.ttft / self.sample.measured.ttft - 1

    @property
    def itl_error(self) -> float:
        """Relative error of the corrected ITL, signed."""
        return self.corrected.itl / self.sample.measured.itl - 1

    @property
    def throughput_error(self) -> float:
        """Relative error of the corrected tokens/s/GPU, signed."""
        return self.corrected.tokens_per_s_per_gpu / self.sample.measured.tokens_per_s_per_gpu - 1

    def holds(self) -> dict[str, bool]:
        """Say of which numbers the range of 80 % holds the measured one."""
        measured, found = self.sample.measured, self.distributions
        pairs = {
            "ttft": (measured.ttft, found.ttft),
            "itl": (measured.itl, found.itl),
            "throughput": (measured.tokens_per_s_per_gpu, found.tokens_per_s_per_gpu),
        }
        return {name: number.range.low <= value <= number.range.high for name, (value, number) in pairs.items()}


def family(sample: Sample) -> str:
    """Return a point's model family."""
    return sample.measured.family


def system(sample: Sample) -> str:
    """Return a point's GPU system."""
    return sample.measured.system


def left_out(
    samples: Sequence[Sample], by: Callable[[Sample], str], provenance: CalibrationProvenance
) -> list[Outcome]:
    """Return what tables say of points whose family, or system, they were fitted without."""
    tables: dict[str, Calibration] = {
        group: fit([sample for sample in samples if by(sample) != group], provenance)
        for group in sorted({by(sample) for sample in samples})
    }
    return [Outcome.of(sample, tables[by(sample)]) for sample in samples]


def errors(outcomes: Sequence[Outcome]) -> Iterator[CellError]:
    """Yield the errors of all points, and of each engine and mode."""
    yield error(outcomes)
    for backend in Backend:
        for mode in Mode:
            found = of(outcomes, backend, mode)
            if found:
                yield error(found, backend, mode)


def of(outcomes: Sequence[Outcome], backend: Backend, mode: Mode) -> list[Outcome]:
    """Return those of an engine and mode."""
    return [o for o in outcomes if (o.sample.simulated.backend, o.sample.simulated.mode) == (backend, mode)]


def error(outcomes: Sequence[Outcome], backend: Backend | None = None, mode: Mode | None = None) -> CellError:
    """Sum up errors."""
    ttft, itl = ([getattr(o, f"{name}_error") for o in outcomes] for name in ("ttft", "itl"))
    held = [o.holds() for o in outcomes]
    return CellError(
        backend=backend,
        mode=mode,
        points=len(outcomes),
        families=len(families([outcome.sample for outcome in outcomes])),
        ttft_median=round(median(ttft), 3),
        ttft_mean=round(fmean(map(abs, ttft)), 3),
        itl_median=round(median(itl), 3),
        itl_within_20_percent=round(fmean(abs(value) <= _CLOSE for value in itl), 3),
        in_80_percent_range={name: round(fmean(one[name] for one in held), 3) for name in held[0]},
    )
