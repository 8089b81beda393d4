"""Fits the table to measured points: terms of TTFT by non-negative least squares, quantiles of what is left.

Families weigh alike, whatever the number of their points. A row draws to the wider one that it is in: it counts as so
many families more (`_DRAWN`). Rows of few families are wider than what was seen of them, as a new family will be.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration.simulated import Regime
from dgdr_controller.profiler.calibration.table import Calibration, CalibrationProvenance, Row, TtftTerms
from hack.calibration.estimates import Sample

PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

FEWEST_FAMILIES = 3
"""Rows of fewer are not written: nothing is known of how families differ."""

_DRAWN = 2.0
"""Families that the wider row counts as."""

_ROUNDS = 30
_NEARLY_NONE = 0.05
"""Relative errors below this count as this: least absolute deviations by reweighted squares."""

_LEAST_MS = 1e-9
_DIGITS = 4

_TENTH = 1.2816
"""Of the standard normal distribution, what 10 % lie above."""

Numbers = NDArray[np.float64]
Chosen = NDArray[np.bool_]
Group = tuple[Backend | None, Mode | None, Regime | None]

_EVERYTHING: Group = (None, None, None)


def fit(samples: Sequence[Sample], provenance: CalibrationProvenance) -> Calibration:
    """Return the table for measured points."""
    points = _Points(samples)
    terms = list(_terms(points))
    return Calibration(
        provenance=provenance, probabilities=PROBABILITIES, ttft=tuple(terms), rows=tuple(_rows(points, terms))
    )


def families(samples: Sequence[Sample]) -> set[str]:
    """Return the model families of some points."""
    return {sample.measured.family for sample in samples}


class _Points:
    """Measured points as arrays: one element, or line, for each."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.steps = np.array([[s.simulated.ttft, s.simulated.queue, s.simulated.decode, 1.0] for s in samples])
        self.ttft = np.array([sample.measured.ttft for sample in samples])
        self.itl = np.array([sample.measured.itl for sample in samples])
        self.simulated_itl = np.array([sample.simulated.itl for sample in samples])
        self.tokens_after_first = np.array([sample.measured.osl - 1 for sample in samples])
        self.family_names = np.array([sample.measured.family for sample in samples])
        self.shortest_request = np.array([_shortest_request(sample) for sample in samples])
        self._groups = [(s.simulated.backend, s.simulated.mode, s.simulated.regime) for s in samples]

    def of(self, group: Group) -> Chosen:
        """Return which points are of a group."""
        return np.array(
            [all(wanted in (None, own) for wanted, own in zip(group, found, strict=True)) for found in self._groups]
        )

    def families(self, chosen: Chosen) -> int:
        """Return how many families some points are of."""
        return len(np.unique(self.family_names[chosen]))

    def weights(self, chosen: Chosen) -> Numbers:
        """Return the weights of some points with which families weigh alike: 1 each."""
        _, family, counts = np.unique(self.family_names[chosen], return_inverse=True, return_counts=True)
        return np.asarray(1 / counts[family])


def _terms(points: _Points) -> Iterator[TtftTerms]:
    """Yield the terms of each engine and mode with enough families, of each mode, and of all."""
    for backend, mode in itertools.product((*Backend, None), (*Mode, None)):
        chosen = points.of((backend, mode, None))
        everything = backend is mode is None
        if (backend is None or mode is not None) and (everything or points.families(chosen) >= FEWEST_FAMILIES):
            found = _coefficients(points.steps[chosen], points.ttft[chosen], points.weights(chosen))
            ttft, queue, decode, constant = (float(f"{value:.4g}") for value in found)
            yield TtftTerms(
                backend=backend, mode=mode, simulated=ttft, queue=queue, decode=decode, constant_ms=constant
            )


def _coefficients(steps: Numbers, measured: Numbers, weights: Numbers) -> Numbers:
    """Return how much counts of each step: the least absolute relative deviations, none negative, median error none."""
    scale = np.sqrt(weights) / measured
    found = nnls(steps * scale[:, None], measured * scale)
    for _ in range(_ROUNDS):
        estimated = np.maximum(steps @ found, _LEAST_MS)
        errors = np.maximum(np.abs(np.log(estimated / measured)), _NEARLY_NONE)
        scale = np.sqrt(weights / errors / (measured * estimated))
        found = nnls(steps * scale[:, None], measured * scale)
    ratios = np.log(measured / np.maximum(steps @ found, _LEAST_MS))
    return np.asarray(found * math.exp(_quantiles(ratios, weights, [0.5])[0]))


def nnls(matrix: Numbers, target: Numbers) -> Numbers:
    """Return the non-negative vector whose product with the matrix is closest to the target.

    The least squares over every set of columns are tried: there are few columns, and the best one without a negative
    number is the solution.
    """
    columns = matrix.shape[1]
    products, projected = matrix.T @ matrix, matrix.T @ target
    best, least = np.zeros(columns), 0.0
    for count in range(1, columns + 1):
        for chosen in itertools.combinations(range(columns), count):
            index = np.array(chosen)
            try:
                part = np.linalg.solve(products[np.ix_(index, index)], projected[index])
            except np.linalg.LinAlgError:  # columns that depend on each other: fewer of them do as well
                continue
            rest = -float(part @ projected[index])
            if (part >= 0).all() and rest < least:
                best, least = np.zeros(columns), rest
                best[index] = part
    return best


@dataclass(frozen=True, slots=True)
class _Residuals:
    """Logarithms of measured over estimated.

    Attributes:
        values: One for each point.
        families: The family of each point.
    """

    values: Numbers
    families: NDArray[np.str_]

    @property
    def weights(self) -> Numbers:
        """The weights with which families weigh alike: 1 each."""
        _, family, counts = np.unique(self.families, return_inverse=True, return_counts=True)
        return np.asarray(1 / counts[family])

    @property
    def middle(self) -> float:
        """The median."""
        return float(_quantiles(self.values, self.weights, [0.5])[0])

    def centre(self, wider: float) -> float:
        """Return the middle, drawn to the wider row's as far as families disagree about how it differs from that.

        Source: the positive-part estimator of James and Stein, 1 − (standard error / difference)², the standard error
        being that of a mean of family medians.
        """
        difference = self.middle - wider
        medians = [np.median(self.values[self.families == family]) for family in np.unique(self.families)]
        squared_error = float(np.var(medians, ddof=1)) / len(medians) if len(medians) > 1 else math.inf
        return wider + difference * max(0.0, 1 - squared_error / difference**2) if difference else wider

    def spread(self, wider: "_Residuals | None") -> Numbers:
        """Return the quantiles around the middle, as a family that was not seen needs them.

        Args:
            wider: Those of the wider row, which count as so many families more; None: there is none.
        """
        values, weights = self.values - self.middle, self.weights
        if wider is not None:
            values = np.concatenate([values, wider.values - wider.middle])
            weights = np.concatenate([weights, wider.weights * (_DRAWN / wider.weights.sum())])
        return _quantiles(values, weights, PROBABILITIES) * widening(len(np.unique(self.families)))


def _quantiles(values: Numbers, weights: Numbers, probabilities: Sequence[float]) -> Numbers:
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    at = (np.cumsum(weights) - weights / 2) / weights.sum()
    return np.asarray(np.interp(probabilities, at, values))


def widening(count: int) -> float:
    """Return by how much a range must be wider than what was seen of so many families, to hold for one more.

    That of a prediction interval of Student's distribution, beside the normal one's: √(1 + 1/n) · t/z, with t/z ≈ 1 +
    (z² + 1)/4(n − 1).
    """
    freedom = max(count - 1, 1)
    return math.sqrt(1 + 1 / count) * (1 + (_TENTH**2 + 1) / (4 * freedom))


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A row, and what narrower ones draw to: TTFT, ITL, throughput."""

    row: Row
    residuals: tuple[_Residuals, ...]
    centres: tuple[float, ...]


def _rows(points: _Points, terms: Sequence[TtftTerms]) -> Iterator[Row]:
    """Yield the rows, narrowest first."""
    ttft = _ttfts(points, terms)
    known: dict[Group, _Fitted] = {}
    for group in _groups():
        chosen = points.of(group)
        if group == _EVERYTHING or points.families(chosen) >= FEWEST_FAMILIES:
            wider = next((known[parent] for parent in _parents(group) if parent in known), None)
            known[group] = _fitted(points, ttft, group, wider)
    yield from (found.row for found in reversed(known.values()))


def _fitted(points: _Points, ttft: Numbers, group: Group, wider: _Fitted | None) -> _Fitted:
    """Fit one row: first both latencies, then throughput, once they have their corrections."""
    chosen, families_of = points.of(group), points.family_names
    count = points.families(chosen)
    residuals: list[_Residuals] = []
    centres: list[float] = []
    quantiles: list[tuple[float, ...]] = []

    def add(values: Numbers) -> None:
        number = len(residuals)
        residuals.append(_Residuals(values[chosen], families_of[chosen]))
        centres.append(round(residuals[-1].centre(wider.centres[number] if wider else 0.0), _DIGITS))
        spread = residuals[-1].spread(wider.residuals[number] if wider else None)
        quantiles.append(tuple(round(centres[-1] + float(value), _DIGITS) for value in spread))

    add(np.log(points.ttft / ttft))
    add(np.log(points.itl / points.simulated_itl))
    ttft_factor, itl_factor = (math.exp(centre) for centre in centres)
    add(_throughputs(points, ttft * ttft_factor, itl_factor))
    backend, mode, regime = group
    row = Row(
        backend=backend,
        mode=mode,
        regime=regime,
        families=count,
        points=int(chosen.sum()),
        ttft=quantiles[0],
        itl=quantiles[1],
        throughput=quantiles[2],
    )
    return _Fitted(row, tuple(residuals), tuple(centres))


def _groups() -> Iterator[Group]:
    """Yield what rows are of, widest first."""
    yield _EVERYTHING
    yield from ((None, mode, None) for mode in Mode)
    yield from ((backend, mode, None) for backend in Backend for mode in Mode)
    yield from itertools.product(Backend, Mode, Regime)


def _parents(group: Group) -> Iterator[Group]:
    """Yield the wider groups, narrowest first."""
    backend, mode, regime = group
    if regime is not None:
        yield backend, mode, None
    if backend is not None:
        yield None, mode, None
    if group != _EVERYTHING:
        yield _EVERYTHING


def _ttfts(points: _Points, terms: Sequence[TtftTerms]) -> Numbers:
    """Return the sum of the steps of every point, by the narrowest terms for it."""
    found = np.zeros(len(points.ttft))
    for one in reversed(terms):
        chosen = points.of((one.backend, one.mode, None))
        found[chosen] = points.steps[chosen] @ [one.simulated, one.queue, one.decode, one.constant_ms]
    return found


def _throughputs(points: _Points, ttft: Numbers, itl_factor: float) -> Numbers:
    """Return logarithms of measured over estimated throughput, once both latencies have their median corrections."""
    measured = points.ttft + points.itl * points.tokens_after_first
    estimated = ttft + itl_factor * points.simulated_itl * points.tokens_after_first
    return np.asarray(np.log(np.maximum(estimated, points.shortest_request) / measured))


def _shortest_request(sample: Sample) -> float:
    """Return the latency in ms below which prefill workers do not keep up with so many requests in flight."""
    found = sample.simulated
    return 1000 * found.concurrency * found.osl / found.gpus / found.most_tokens_per_s_per_gpu
