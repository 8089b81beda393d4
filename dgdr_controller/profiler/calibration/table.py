"""The table of corrections: what it holds, and how it corrects an estimate. Pure but for `Calibration.load`."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from dgdr_api.candidate import Mode, Performance
from dgdr_api.estimates import ErrorRow, EstimateErrors, Uncertainty
from dgdr_api.measurements import SiteCorrection
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration.interpolation import interpolated
from dgdr_controller.profiler.calibration.simulated import Regime, Simulated
from dgdr_controller.profiler.calibration.uncertainty import Distributions

SCHEMA: Literal["calibration.dgdr.nvidia.com/v1"] = "calibration.dgdr.nvidia.com/v1"
_FILE = "table.json"
_DIGITS = 4
_EQUAL = 1e-9
_DIGEST_DIGITS = 12


class CalibrationError(Exception):
    """The table cannot be used: it does not parse, or is for another version of the simulator or of its data."""


class CellError(ApiModel):
    """How far estimates of one engine and mode are from measurements of model families that were left out."""

    backend: Backend | None = None
    """None: all engines."""
    mode: Mode | None = None
    """None: both modes."""
    points: int
    families: int
    ttft_median: float
    """Median relative error of TTFT, signed."""
    ttft_mean: float
    """Mean relative error of TTFT, without sign."""
    itl_median: float
    """The same of ITL."""
    itl_within_20_percent: float
    """Share of ITLs that are off by 20 % at most."""
    in_80_percent_range: dict[str, float]
    """Share of TTFT, ITL and throughput that the range of 80 % holds."""


class CalibrationProvenance(ApiModel):
    """What the table was fitted to."""

    engine: str
    """The simulator."""
    engine_version: str
    data: str
    """File of measurements within the simulator's package."""
    sha256: str
    """Hash of that file."""
    points: int
    """Measurements that the table was fitted to."""
    families: dict[str, int]
    """How many of them are of each model family."""
    systems: dict[str, int]
    """How many of them are of each GPU system."""
    first_date: str
    """Day of the first of these measurements, where it is known."""
    last_date: str
    """Day of the last of them."""
    unused: dict[str, int]
    """How many measurements are not in it, by reason."""
    errors: tuple[CellError, ...]
    """Errors on model families that were left out of the fit."""


class TtftTerms(ApiModel):
    """TTFT as a sum of the simulator's own steps: how much counts of each."""

    backend: Backend | None = None
    """None: any engine."""
    mode: Mode | None = None
    """None: any mode."""
    simulated: float = Field(ge=0)
    """Of the simulator's TTFT: the steps that read the prompt, times its own factor for waiting."""
    queue: float = Field(ge=0)
    """Of the steps that read the prompts of all requests in flight: a benchmark starts them at once."""
    decode: float = Field(ge=0)
    """Of steps that only decode, which a new prompt waits for."""
    constant_ms: float = Field(ge=0)
    """What every request takes: HTTP, tokens, the scheduler."""

    def ttft(self, simulated: Simulated) -> float:
        """Return the TTFT in ms."""
        steps = self.simulated * simulated.ttft + self.queue * simulated.queue + self.decode * simulated.decode
        return steps + self.constant_ms


class Row(ApiModel):
    """How far measurements are from estimates: quantiles of the natural logarithm of measured over estimated."""

    backend: Backend | None = None
    """None: any engine."""
    mode: Mode | None = None
    """None: any mode."""
    regime: Regime | None = None
    """None: any."""
    families: int = Field(ge=1)
    """Model families that were measured; wider rows stand in where there are few."""
    points: int = Field(ge=1)
    ttft: tuple[float, ...]
    """Of TTFT, against the sum of steps."""
    itl: tuple[float, ...]
    """Of ITL, against the simulator's."""
    throughput: tuple[float, ...]
    """Of tokens/s/GPU, against concurrency over the corrected latency of a request (Little's law)."""

    @property
    def title(self) -> str:
        """What it is of, in words."""
        named = [str(part) for part in (self.backend, self.mode, self.regime) if part is not None]
        return ", ".join(named) or "all engines and modes"

    def medians(self, probabilities: tuple[float, ...]) -> "Medians":
        """Return the corrections at the median."""
        logs = (_median(probabilities, quantiles) for quantiles in (self.ttft, self.itl, self.throughput))
        return Medians(*map(math.exp, logs))

    def errors(self, probabilities: tuple[float, ...]) -> ErrorRow:
        """Return how measured numbers differ from corrected ones."""

        def spread(quantiles: tuple[float, ...]) -> tuple[float, ...]:
            median = _median(probabilities, quantiles)
            return tuple(round(math.exp(value - median), _DIGITS) for value in quantiles)

        return ErrorRow(
            families=self.families,
            points=self.points,
            pooled=self.backend is None,
            ttft=spread(self.ttft),
            itl=spread(self.itl),
            throughput=spread(self.throughput),
        )


@dataclass(frozen=True, slots=True)
class Medians:
    """By how much numbers are multiplied: TTFT as a sum of steps, the simulator's ITL, throughput by Little's law."""

    ttft: float
    itl: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """What an estimate comes to: medians, the truth is as likely above as below.

    Attributes:
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        e2e: Latency of a whole request in ms.
        tokens_per_s_per_gpu: Output tokens per second and GPU.
        row: The row of the table that was used.
        site: What a site's own measurements have changed beyond the table; None: nothing.
        kept_up: Share of the requests in flight whose prompts can be read in time; with more of them, requests queue.
    """

    ttft: float
    itl: float
    e2e: float
    tokens_per_s_per_gpu: float
    row: Row
    site: SiteCorrection | None = None
    kept_up: float = 1.0

    @property
    def title(self) -> str:
        """What it was corrected by, in words."""
        return _title(self.row, self.site)

    def applied(self, performance: Performance) -> Performance:
        """Return the performance with corrected numbers in the place of the simulator's."""
        factor = self.tokens_per_s_per_gpu / performance.tokens_per_s_per_gpu
        per_user = 1000 / self.itl if self.itl else performance.tokens_per_s_per_user * performance.e2e / self.e2e
        return performance.model_copy(
            update={
                "ttft": self.ttft,
                "itl": self.itl,
                "e2e": self.e2e,
                "tokens_per_s": performance.tokens_per_s * factor,
                "tokens_per_s_per_gpu": self.tokens_per_s_per_gpu,
                "tokens_per_s_per_user": per_user,
                "request_rate": performance.request_rate * factor,
                "concurrency": performance.concurrency * self.kept_up,
            }
        )


class Calibration(ApiModel):
    """The table."""

    schema_version: Literal["calibration.dgdr.nvidia.com/v1"] = SCHEMA
    provenance: CalibrationProvenance
    probabilities: tuple[float, ...] = Field(min_length=3)
    """Of the quantiles in `rows`."""
    ttft: tuple[TtftTerms, ...] = Field(min_length=1)
    """The narrowest first; the last one is for all engines and modes."""
    rows: tuple[Row, ...] = Field(min_length=1)
    """The narrowest first; the last one is for all engines and modes."""
    site: tuple[SiteCorrection, ...] = Field(default=(), exclude=True)
    """What a site's own measurements change beyond the table: no part of it."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not _rises(self.probabilities) or not 0 < self.probabilities[0] < self.probabilities[-1] < 1:
            raise ValueError("probabilities must rise, between 0 and 1")
        if any(abs(p + q - 1) > _EQUAL for p, q in zip(self.probabilities, reversed(self.probabilities), strict=True)):
            raise ValueError("probabilities must be symmetric around 0.5")
        for row in self.rows:
            for quantiles in (row.ttft, row.itl, row.throughput):
                if len(quantiles) != len(self.probabilities) or not _rises(quantiles):
                    raise ValueError(f"row {row.title}: a quantile for each probability, rising, is expected")
        last_terms, last_row = self.ttft[-1], self.rows[-1]
        if (last_terms.backend, last_terms.mode, last_row.backend, last_row.mode, last_row.regime) != (None,) * 5:
            raise ValueError("the last row and the last terms must be for all engines and modes")
        return self

    @classmethod
    def load(cls) -> "Calibration":
        """Return the table of this package.

        Raises:
            CalibrationError: It does not parse.
        """
        return _parsed((resources.files(__package__) / _FILE).read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, content: str) -> "Calibration":
        """Read a table.

        Raises:
            CalibrationError: It does not parse.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the table"
            raise CalibrationError(f"{where}: {first['msg']}; run make calibration") from None

    @property
    def digest(self) -> str:
        """Digest of the table."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:_DIGEST_DIGITS]

    def with_site(self, corrections: Iterable[SiteCorrection]) -> "Calibration":
        """Return the table with a site's corrections in place of those that it has."""
        return self.model_copy(update={"site": tuple(corrections)})

    def check(self, engine: str, version: str, sha256: str | None = None) -> None:
        """Refuse estimates that the table was not fitted to.

        Args:
            engine: The simulator's name.
            version: Its version.
            sha256: Hash of its measurements; None: not looked at.

        Raises:
            CalibrationError: They are of another simulator, of another version, or its measurements are others.
        """
        fitted = self.provenance
        if (engine.lower(), version) != (fitted.engine.lower(), fitted.engine_version):
            raise CalibrationError(
                f"the corrections are for {fitted.engine} {fitted.engine_version}, the estimates are from {engine} "
                f"{version}; run make calibration"
            )
        if sha256 is not None and sha256 != fitted.sha256:
            raise CalibrationError(
                f"the corrections are for other measurements than {fitted.data} of {engine} {version} (sha256 "
                f"{fitted.sha256[:12]}…, found {sha256[:12]}…); run make calibration"
            )

    def correct(self, simulated: Simulated) -> Corrected:
        """Return what an estimate comes to, by the narrowest row that there is, and by the site's measurements."""
        row = self.row_of(simulated.backend, simulated.mode, simulated.regime)
        factors = row.medians(self.probabilities)
        ttft = self.terms_of(simulated.backend, simulated.mode).ttft(simulated) * factors.ttft
        itl = simulated.itl * factors.itl
        tokens = simulated.concurrency * simulated.osl / simulated.gpus
        littles = 1000 * tokens / (ttft + itl * (simulated.osl - 1))
        kept_up = min(1.0, simulated.most_tokens_per_s_per_gpu / littles)
        throughput = littles * kept_up * factors.throughput
        site = self.site_of(simulated.backend, simulated.mode, simulated.draft_tokens)
        if site is not None:
            ttft, itl, throughput = site.applied(ttft, itl, throughput)
        return Corrected(ttft, itl, ttft + itl * (simulated.osl - 1), throughput, row, site, kept_up)

    def uncertainty(self, corrected: Corrected) -> Uncertainty:
        """Return how uncertain corrected numbers are, apart from any target."""
        errors = corrected.row.errors(self.probabilities)
        return Distributions.of(corrected, errors, self.probabilities).uncertainty(corrected.title)

    def terms_of(self, backend: Backend, mode: Mode) -> TtftTerms:
        """Return the terms of TTFT for an engine and mode, or those of more of them."""
        return next(terms for terms in self.ttft if _fits(terms, backend, mode))

    def row_of(self, backend: Backend, mode: Mode, regime: Regime) -> Row:
        """Return the narrowest row for an engine, mode and regime."""
        return next(row for row in self.rows if _fits(row, backend, mode) and row.regime in (None, regime))

    def site_of(self, backend: Backend, mode: Mode, draft_tokens: int) -> SiteCorrection | None:
        """Return the site's correction of an engine and mode; None where nothing of them was measured."""
        wanted = (backend, mode, draft_tokens)
        return next((site for site in self.site if (site.backend, site.mode, site.draft_tokens) == wanted), None)

    def errors(self, titles: Iterable[str]) -> EstimateErrors:
        """Return how measured numbers differ from corrected ones, of the rows with these titles (`Corrected.title`)."""
        wanted, fitted = set(titles), self.provenance
        return EstimateErrors(
            source=f"{fitted.engine} {fitted.engine_version}, {fitted.data}",
            points=fitted.points,
            families=len(fitted.families),
            systems=tuple(fitted.systems),
            probabilities=self.probabilities,
            rows={title: row.errors(self.probabilities) for title, row in self._titled() if title in wanted},
            table=self.digest,
        )

    def _titled(self) -> Iterator[tuple[str, Row]]:
        """Yield the rows by the titles that estimates may fall under."""
        return ((_title(row, site), row) for row in self.rows for site in (None, *self.site))


def _fits(part: TtftTerms | Row, backend: Backend, mode: Mode) -> bool:
    return part.backend in (None, backend) and part.mode in (None, mode)


def _title(row: Row, site: SiteCorrection | None) -> str:
    return f"{row.title}, {site.title}" if site else row.title


def _median(probabilities: tuple[float, ...], quantiles: tuple[float, ...]) -> float:
    return interpolated(0.5, probabilities, quantiles)


def _rises(values: tuple[float, ...]) -> bool:
    return all(lower <= upper for lower, upper in pairwise(values))


@cache
def _parsed(content: str) -> Calibration:
    return Calibration.parse(content)
