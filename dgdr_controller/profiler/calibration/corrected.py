"""A corrected number: its estimate, its range, and the chance that it stays below a target. Pure."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Performance
from dgdr_api.results import Goal

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
    def range(self) -> tuple[float, float]:
        """The range that the truth is in with 80 %: below it with 10 %, above it with 10 %."""
        low, high = _RANGE
        return self.quantile(low), self.quantile(high)

    def quantile(self, probability: float) -> float:
        """Return what the truth is below with this probability; beyond the outermost ones, these."""
        return self.scale * math.exp(_interpolated(probability, self.probabilities, self.quantiles))

    def chance_within(self, target: float) -> float:
        """Return the chance that the truth is at most `target`; never surer than the outermost probabilities."""
        if self.scale <= 0:  # an output of one token has no ITL
            return 1.0
        if target <= 0:
            return self.probabilities[0]
        return _interpolated(math.log(target / self.scale), self.quantiles, self.probabilities)


def _interpolated(value: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    if value <= xs[0]:
        return ys[0]
    if value >= xs[-1]:
        return ys[-1]
    upper = bisect_right(xs, value)
    left, right = xs[upper - 1], xs[upper]
    return ys[upper - 1] + (ys[upper] - ys[upper - 1]) * (value - left) / (right - left)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What an estimate comes to.

    Attributes:
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        tokens_per_s_per_gpu: Output tokens per second and GPU.
        tokens: Output tokens that a replica's requests in flight have together, over GPUs: throughput is this over the
            latency of a request.
        row: The row of the table that was used, in words.
        families: Model families that it rests on.
    """

    ttft: Distribution
    itl: Distribution
    tokens_per_s_per_gpu: Distribution
    tokens: float
    row: str
    families: int

    def chance_of_e2e(self, target: float) -> float:
        """Return the chance that a whole request takes at most so many ms: throughput by Little's law."""
        if target <= 0:
            return self.tokens_per_s_per_gpu.probabilities[0]
        return 1 - self.tokens_per_s_per_gpu.chance_within(1000 * self.tokens / target)

    def chance(self, goal: Goal) -> float:
        """Return the chance that every target that the user wrote is met; 1 without such targets.

        Errors of TTFT and ITL are taken as independent.
        """
        known = (
            (goal.ttft, self.ttft.chance_within),
            (goal.itl, self.itl.chance_within),
            (goal.e2e_latency, self.chance_of_e2e),
        )
        return math.prod(chance(target.value) for target, chance in known if target is not None and target.explicit)

    @property
    def latencies(self) -> dict[str, float]:
        """The corrected latencies, under their names in `Performance`."""
        return {"ttft": self.ttft.estimate, "itl": self.itl.estimate}

    def applied(self, performance: Performance, osl: int) -> Performance:
        """Return the performance with corrected numbers in the place of the simulator's."""
        ttft, itl = self.ttft.estimate, self.itl.estimate
        factor = self.tokens_per_s_per_gpu.estimate / performance.tokens_per_s_per_gpu
        e2e = ttft + itl * (osl - 1)
        return performance.model_copy(
            update={
                "ttft": ttft,
                "itl": itl,
                "e2e": e2e,
                "tokens_per_s": performance.tokens_per_s * factor,
                "tokens_per_s_per_gpu": self.tokens_per_s_per_gpu.estimate,
                "tokens_per_s_per_user": 1000 / itl if itl else 1000 * osl / e2e,
                "request_rate": performance.request_rate * factor,
            }
        )
