"""How far estimates are from what is measured, and how certain that is for what is not measured yet. Pure.

Errors are logarithms of measured over estimated. Those of two loads resemble each other the more, the more the loads
share: the installation, engine and mode, parallelism, deployment; and the closer they are. So each measurement
corrects everything that resembles it (a Gaussian process whose covariance is a sum over what is shared).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dgdr_api.candidate import Performance
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.options import Option, performance_of

Numbers = NDArray[np.float64]

_CURVED = 0.4
"""Share of the variance that changes with the load; the rest is the same factor at every load."""
_REACH = 1.0
"""Difference of the logarithms of two loads over which that changes."""
_NOISE = 0.02
"""Standard deviation of a measurement itself."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Standard deviations of the error of an estimate, by what shares the error.

    Attributes:
        installation: What all estimates share.
        kind: What estimates of the same engine and mode share.
        shape: What estimates of the same parallelism share.
        option: What estimates of the same deployment share.
    """

    installation: float
    kind: float
    shape: float
    option: float


_TTFT = Scatter(installation=0.2, kind=0.25, shape=0.2, option=0.05)
_ITL = Scatter(installation=0.1, kind=0.12, shape=0.12, option=0.03)
"""Together as on public measurements: estimated TTFT is within a factor of 1.5, ITL within 20 %, in two of three
cases."""


@dataclass(frozen=True, slots=True)
class _Load:
    option: Option
    log: float


@dataclass(frozen=True, slots=True)
class EstimateErrors:
    """What measurements say of the errors of estimates.

    Attributes:
        measured: What was measured.
        ttft: Errors of TTFT at these loads.
        itl: The same of ITL.
    """

    measured: tuple[_Load, ...]
    ttft: Numbers
    itl: Numbers

    @classmethod
    def of(cls, options: Sequence[Option], points: Sequence[MeasuredPoint]) -> Self:
        """Compare measurements with estimates; those of other options are ignored."""
        by_id = {option.trial.id: option for option in options}
        pairs = [(by_id[point.trial], point) for point in points if point.trial in by_id]
        estimated = [option.estimate(point.concurrency) for option, point in pairs]
        return cls(
            tuple(_Load(option, math.log(point.concurrency)) for option, point in pairs),
            np.array([_error(p.ttft, e.ttft) for (_, p), e in zip(pairs, estimated, strict=True)]),
            np.array([_error(p.itl, e.itl) for (_, p), e in zip(pairs, estimated, strict=True)]),
        )

    def corrected(
        self, option: Option, loads: Sequence[int], osl: int, optimism: float = 0.0, least_gain: float = 0.0
    ) -> list[Performance]:
        """Return what one replica is expected to do at loads.

        Args:
            option: The option.
            loads: Requests in flight.
            osl: Tokens of an answer.
            optimism: By how many standard deviations latencies are taken to be shorter.
            least_gain: By which share of them they are then taken to be longer, for what must be better by so much.
        """
        if not loads:
            return []
        at = [_Load(option, math.log(load)) for load in loads]
        ttft = self._factors(_TTFT, self.ttft, at, optimism)
        itl = self._factors(_ITL, self.itl, at, optimism)
        estimates, longer = [option.estimate(load) for load in loads], 1 + least_gain
        return [
            performance_of(load, e.ttft * float(a) * longer, e.itl * float(b) * longer, osl, option.trial.gpus)
            for load, e, a, b in zip(loads, estimates, ttft, itl, strict=True)
        ]

    def _factors(self, scatter: Scatter, errors: Numbers, at: Sequence[_Load], optimism: float) -> Numbers:
        """Return what estimates are multiplied by."""
        own = sum(s**2 for s in (scatter.installation, scatter.kind, scatter.shape, scatter.option))
        if not self.measured:
            return np.full(len(at), math.exp(-optimism * math.sqrt(own)))
        among = _covariance(scatter, self.measured, self.measured) + _NOISE**2 * np.eye(len(self.measured))
        between = _covariance(scatter, at, self.measured)
        weights = np.linalg.solve(among, between.T).T
        variances = np.maximum(0.0, own - (weights * between).sum(axis=1))
        return np.asarray(np.exp(weights @ errors - optimism * np.sqrt(variances)))


def _covariance(scatter: Scatter, rows: Sequence[_Load], columns: Sequence[_Load]) -> Numbers:
    def shared(a: Option, b: Option) -> float:
        same_kind = a.kind == b.kind
        same_shape = same_kind and a.shape == b.shape
        return (
            scatter.installation**2
            + same_kind * scatter.kind**2
            + same_shape * scatter.shape**2
            + (a.trial.id == b.trial.id) * scatter.option**2
        )

    variances = {
        (a.trial.id, b.trial.id): shared(a, b)
        for a in {row.option.trial.id: row.option for row in rows}.values()
        for b in {column.option.trial.id: column.option for column in columns}.values()
    }
    level = np.array([[variances[a.option.trial.id, b.option.trial.id] for b in columns] for a in rows])
    distance = np.subtract.outer([a.log for a in rows], [b.log for b in columns])
    return np.asarray(level * (1 - _CURVED + _CURVED * np.exp(-((distance / _REACH) ** 2) / 2)))


def _error(measured: float, estimated: float) -> float:
    """Return the logarithm of measured over estimated; 0 where there is nothing to compare (ITL of one token)."""
    return math.log(measured / estimated) if measured and estimated else 0.0
