"""A site's own measurements, and by how much they correct estimates: the content of ConfigMap ``dgdr-measurements``.

The ConfigMap holds one measurement for each key, as JSON. What of it cannot be read is left out and named, so that a
slip in one entry costs no other one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from dgdr_api.candidate import Mode
from dgdr_api.errors import located
from dgdr_api.model import ApiModel
from dgdr_api.text import printable
from dgdr_api.v1beta1 import Backend

SCHEMA: Literal["measurement.dgdr.nvidia.com/v1"] = "measurement.dgdr.nvidia.com/v1"

MOST = 200
"""Measurements that are read: all of them travel to the profiling Job in one ConfigMap."""
_MOST_BYTES = 2048
"""Of one measurement."""
_LONGEST_NAME = 256


def _is_concrete(backend: Backend) -> Backend:
    if backend is Backend.AUTO:
        raise ValueError("must be an engine, not auto")
    return backend


_Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
_Engine = Annotated[Backend, AfterValidator(_is_concrete)]


class Numbers(ApiModel):
    """What is compared: estimated, or measured."""

    ttft: float = Field(gt=0)
    """Mean time to first token in ms."""
    itl: float = Field(gt=0)
    """Mean time between tokens in ms."""
    tokens_per_s_per_gpu: float = Field(gt=0)
    """Output tokens per second for each GPU."""


class Measurement(ApiModel):
    """What was measured of one deployment, beside what was estimated of it."""

    schema_version: Literal["measurement.dgdr.nvidia.com/v1"] = SCHEMA
    """Version of this format."""
    model: _Name
    """Model, as the request names it."""
    gpu_sku: _Name
    """The GPUs."""
    backend: _Engine
    """The engine."""
    backend_version: _Name
    """Version of the engine that the estimates are for."""
    mode: Mode
    """Aggregated or disaggregated."""
    draft_tokens: int = Field(default=0, ge=0)
    """Tokens that were drafted in each step (speculative decoding); 0: none."""
    candidate: _Name
    """Id of the candidate that was measured."""
    shape: _Name
    """Its parallelism in a few words."""
    gpus: int = Field(ge=1)
    """GPUs of the deployment that was measured."""
    isl: int = Field(ge=1)
    """Input length in tokens that the estimates are for."""
    osl: int = Field(ge=1)
    """Output length in tokens that the estimates are for."""
    concurrency: float = Field(gt=0)
    """Requests in flight while it was measured."""
    requests: int = Field(ge=1)
    """Requests that were measured."""
    engine: _Name
    """The simulator."""
    engine_version: _Name
    """Its version."""
    table: _Name
    """Digest of the table that the estimates were corrected by (`EstimateErrors.table`)."""
    simulated: Numbers
    """What the simulator itself says."""
    corrected: Numbers
    """What that comes to by the table alone, without a site's measurements."""
    measured: Numbers
    """What was measured."""
    date: str = Field(default="", max_length=_LONGEST_NAME)
    """When it was measured, as the export says."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the file that the measured numbers are from."""

    @property
    def key(self) -> str:
        """Its key in the ConfigMap: the same file measured of the same candidate has one place there."""
        return f"{self.candidate}.{self.sha256[:12]}.json"


class Measurements(ApiModel):
    """The measurements of a site."""

    source: str = ""
    """Where they are from, in words: a ConfigMap or a file."""
    entries: dict[str, Measurement] = Field(default_factory=dict)
    """By key."""
    unread: tuple[str, ...] = ()
    """What could not be read, and why."""

    @classmethod
    def read(cls, data: Mapping[str, Any], source: str) -> Self:
        """Read the field ``data`` of a ConfigMap; what cannot be read is named in `unread`.

        Args:
            data: The field.
            source: Where it is from, in words.
        """
        entries: dict[str, Measurement] = {}
        unread = []
        for key in sorted(data)[:MOST]:
            text = data[key]
            try:
                entries[key] = _read(text)
            except ValueError as error:
                unread.append(printable(f"{key}: {error}"))
        if len(data) > MOST:
            unread.append(f"{len(data) - MOST} more: at most {MOST} measurements are read")
        return cls(source=source, entries=entries, unread=tuple(unread))


def _read(text: object) -> Measurement:
    """Read one entry.

    Raises:
        ValueError: It is none; the message names the first field that is wrong.
    """
    if not isinstance(text, str):
        raise ValueError("must be a text")  # noqa: TRY004 - of a file, like any other value that is wrong
    if len(text.encode(errors="replace")) > _MOST_BYTES:
        raise ValueError(f"must have at most {_MOST_BYTES} bytes")
    try:
        return Measurement.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ValueError(located(error.errors(include_url=False, include_input=False)[0])) from None


class _Scalable(Protocol):
    def __mul__(self, factor: float, /) -> Any: ...


_Value = TypeVar("_Value", bound=_Scalable)


class SiteCorrection(ApiModel):
    """By how much a site's own measurements change the estimates of one engine and mode."""

    backend: Backend
    mode: Mode
    draft_tokens: int = 0
    """Tokens that are drafted in each step; 0: none."""
    measurements: int = Field(ge=1)
    """Candidates that were measured."""
    ttft: float = Field(gt=0)
    """What TTFT is multiplied by."""
    itl: float = Field(gt=0)
    """What ITL is multiplied by."""
    tokens_per_s_per_gpu: float = Field(gt=0)
    """What tokens/s/GPU are multiplied by."""

    @property
    def title(self) -> str:
        """How many measurements there are, in words."""
        return f"{self.measurements} measurement{'s' if self.measurements > 1 else ''} of this site"

    def applied(self, ttft: _Value, itl: _Value, throughput: _Value) -> tuple[_Value, _Value, _Value]:
        """Return the numbers multiplied, those of one candidate or of many at once."""
        return ttft * self.ttft, itl * self.itl, throughput * self.tokens_per_s_per_gpu
