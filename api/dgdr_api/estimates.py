"""How far estimates can be trusted: prediction intervals, chances, and what was measured of their errors.

An estimate in results is a median: the truth is as likely above it as below it.
"""

from typing import Self

from pydantic import Field, model_validator

from dgdr_api.model import ApiModel


class Interval(ApiModel):
    """The range that a number truly is in with 80 %: below it with 10 %, above it with 10 %."""

    low: float
    high: float


class Chances(ApiModel):
    """How likely a candidate meets each target, 0 to 1; None: there is no such target."""

    ttft: float | None = None
    itl: float | None = None
    e2e: float | None = None


class Uncertainty(ApiModel):
    """How uncertain the numbers of a candidate are."""

    row: str
    """The row of `EstimateErrors` that its numbers fall under: engine, mode, and the share of prompts."""
    ttft: Interval
    """In ms."""
    itl: Interval
    """In ms."""
    e2e: Interval
    """In ms."""
    tokens_per_s_per_gpu: Interval
    chances: Chances = Chances()
    """Those of the goal's targets, written or default."""


class ErrorRow(ApiModel):
    """How measured numbers differ from estimated ones: quantiles of measured over estimated, 1 at the median."""

    families: int = Field(ge=1)
    """Model families that were measured."""
    points: int = Field(ge=1)
    """Measurements."""
    pooled: bool = False
    """Whether it is of all engines, because too few models were measured with the candidate's engine and mode."""
    ttft: tuple[float, ...]
    itl: tuple[float, ...]
    throughput: tuple[float, ...]


class EstimateErrors(ApiModel):
    """What was measured of the errors of estimates."""

    source: str
    """Where the measurements are from."""
    points: int
    """Measurements in all."""
    families: int
    """Model families in all."""
    systems: tuple[str, ...] = ()
    """GPU systems that were measured, as the simulator names them."""
    probabilities: tuple[float, ...] = Field(min_length=3)
    """Of the quantiles in `rows`: rising, symmetric around 0.5."""
    rows: dict[str, ErrorRow]
    """By title; those that candidates fall under."""
    table: str = ""
    """Digest of the table of corrections: measurements are compared with estimates by the same table."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for title, row in self.rows.items():
            if {len(row.ttft), len(row.itl), len(row.throughput)} != {len(self.probabilities)}:
                raise ValueError(f"rows.{title}: expected a quantile for each of the probabilities")
        return self
