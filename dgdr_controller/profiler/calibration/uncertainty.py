"""What a corrected number may truly be: its range, and the chance that it stays below a target. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from dgdr_api.candidate import Candidate
from dgdr_api.estimates import Chances, ErrorRow, EstimateErrors, Interval, Uncertainty
from dgdr_api.results import Goal, Target
from dgdr_controller.profiler.calibration.interpolation import interpolated

_RANGE = (0.1, 0.9)
"""The 80 % range lies between these quantiles."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a number may truly be.

    Attributes:
        scale: The number that the quantiles are relative to.
        probabilities: Rising, between 0 and 1.
        quantiles: Natural logarithms of truth over `scale`, one for each probability; rising.
    """

    scale: float
    probabilities: Sequence[float]
    quantiles: Sequence[float]

    @property
    def estimate(self) -> float:
        """The corrected estimate: the median, as likely too high as too low."""
        return self.quantile(0.5)

    @property
    def range(self) -> Interval:
        """The range that the truth is in with 80 %: below it with 10 %, above it with 10 %."""
        low, high = _RANGE
        return Interval(low=self.quantile(low), high=self.quantile(high))

    def quantile(self, probability: float) -> float:
        """Return what the truth is below with this probability; beyond the outermost ones, these."""
        return self.scale * math.exp(interpolated(probability, self.probabilities, self.quantiles))

    def chance_within(self, target: float) -> float:
        """Return the chance that the truth is at most `target`; never surer than the outermost probabilities."""
        if self.scale <= 0:  # an output of one token has no ITL
            return 1.0
        if target <= 0:
            return self.probabilities[0]
        return interpolated(math.log(target / self.scale), self.quantiles, self.probabilities)


class Estimates(Protocol):
    """Estimated numbers: those of a `Performance`, or of a `Corrected`."""

    @property
    def ttft(self) -> float:
        """Time to first token in ms."""
        ...

    @property
    def itl(self) -> float:
        """Time between tokens in ms."""
        ...

    @property
    def e2e(self) -> float:
        """Latency of a whole request in ms."""
        ...

    @property
    def tokens_per_s_per_gpu(self) -> float:
        """Output tokens per second and GPU."""
        ...


@dataclass(frozen=True, slots=True)
class Distributions:
    """What the numbers of a candidate may truly be.

    Attributes:
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        e2e: Latency of a whole request in ms.
        tokens_per_s_per_gpu: Output tokens per second and GPU.
    """

    ttft: Distribution
    itl: Distribution
    e2e: Distribution
    tokens_per_s_per_gpu: Distribution

    @classmethod
    def of(cls, estimates: Estimates, errors: ErrorRow, probabilities: Sequence[float]) -> Self:
        """Return those of estimates with such errors.

        The latency of a whole request errs as TTFT does, as far as it is TTFT; the rest as throughput does, the other
        way round: requests in flight over throughput are latency (Little's law).
        """
        ttft, itl, throughput = (
            [math.log(factor) for factor in factors] for factors in (errors.ttft, errors.itl, errors.throughput)
        )
        share = estimates.ttft / estimates.e2e if estimates.e2e else 1.0
        e2e = [share * first - (1 - share) * rest for first, rest in zip(ttft, reversed(throughput), strict=True)]
        return cls(
            ttft=Distribution(estimates.ttft, probabilities, ttft),
            itl=Distribution(estimates.itl, probabilities, itl),
            e2e=Distribution(estimates.e2e, probabilities, e2e),
            tokens_per_s_per_gpu=Distribution(estimates.tokens_per_s_per_gpu, probabilities, throughput),
        )

    def chances(self, goal: Goal) -> Chances:
        """Return how likely each target of a goal is met."""

        def within(target: Target | None, found: Distribution) -> float | None:
            return None if target is None else found.chance_within(target.value)

        return Chances(
            ttft=within(goal.ttft, self.ttft),
            itl=within(goal.itl, self.itl),
            e2e=within(goal.e2e_latency, self.e2e),
        )

    def uncertainty(self, row: str) -> Uncertainty:
        """Return the ranges of the numbers.

        Args:
            row: The row of errors that they fall under.
        """
        return Uncertainty(
            row=row,
            ttft=self.ttft.range,
            itl=self.itl.range,
            e2e=self.e2e.range,
            tokens_per_s_per_gpu=self.tokens_per_s_per_gpu.range,
        )


def with_chances(candidate: Candidate, goal: Goal, errors: EstimateErrors | None) -> Candidate:
    """Return a candidate with the chances that it meets a goal's targets; as it is where its errors are unknown.

    Args:
        candidate: The candidate.
        goal: Where the targets are from.
        errors: What was measured of the errors of estimates.
    """
    uncertainty = candidate.uncertainty
    if uncertainty is None or errors is None:
        return candidate
    found = Distributions.of(candidate.numbers, errors.rows[uncertainty.row], errors.probabilities)
    chances = uncertainty.model_copy(update={"chances": found.chances(goal)})
    return candidate.model_copy(update={"uncertainty": chances})
