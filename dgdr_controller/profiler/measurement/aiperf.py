"""Reads ``profile_export_aiperf.json``, the JSON export of AIPerf 0.13, as far as it is compared with estimates. Pure.

Its shape: ``JsonExportData`` in AIPerf's ``common/models/export_models.py``. What is not set is left out there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import FieldError, InvalidRequestError

MAX_BYTES = 16 * 1024 * 1024
"""Largest export that is read: one without telemetry has 50 KB."""

_SCHEMA = re.compile(r"1\.(\d+)")
_FIRST_SCHEMA = 4
"""Of version 1 of the schema: AIPerf 0.13 writes 1.4."""
_STREAMED = "run AIPerf with --streaming"
_LONGEST_TEXT = 1000

_Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Metric(_Part):
    unit: _Text
    avg: float | None = None


class _Phase(_Part):
    name: _Text = ""
    kind: _Text = ""
    type: _Text = ""
    concurrency: int | None = None
    requests: int | None = None


class _Model(_Part):
    name: _Text = ""


class _Models(_Part):
    items: tuple[_Model, ...] = Field(default=(), max_length=100)


class _Config(_Part):
    models: _Models = _Models()
    phases: tuple[_Phase, ...] = Field(default=(), max_length=1000)

    @property
    def measured(self) -> list[_Phase]:
        return [phase for phase in self.phases if (phase.kind or phase.name) == "profiling"]


class _ErrorDetails(_Part):
    message: str = ""


class _ErrorCount(_Part):
    error_details: _ErrorDetails = _ErrorDetails()


class _Export(_Part):
    schema_version: _Text = ""
    was_cancelled: bool = False
    is_complete: bool = True
    incomplete_reason: str = ""
    start_time: Annotated[str, Field(max_length=64)] = ""
    input_config: _Config = _Config()
    error_summary: tuple[_ErrorCount, ...] = Field(default=(), max_length=10_000)
    time_to_first_token: _Metric | None = None
    inter_token_latency: _Metric | None = None
    request_latency: _Metric | None = None
    request_throughput: _Metric | None = None
    request_count: _Metric | None = None
    error_request_count: _Metric | None = None
    output_token_throughput: _Metric | None = None
    input_sequence_length: _Metric | None = None
    output_sequence_length: _Metric | None = None
    usage_prompt_cache_read_tokens: _Metric | None = None


@dataclass(frozen=True, slots=True)
class _Expected:
    """A metric that is compared.

    Attributes:
        unit: Its unit.
        advice: What to do where it is missing.
    """

    unit: str
    advice: str = "expected an export of AIPerf's profile command"


_ITL = "inter_token_latency"
_METRICS: Mapping[str, _Expected] = {
    "time_to_first_token": _Expected("ms", _STREAMED),
    _ITL: _Expected("ms", _STREAMED),
    "request_latency": _Expected("ms"),
    "request_throughput": _Expected("requests/sec"),
    "request_count": _Expected("requests"),
    "output_token_throughput": _Expected("tokens/sec"),
    "input_sequence_length": _Expected("tokens"),
    "output_sequence_length": _Expected("tokens"),
}
"""What is read, all of it more than 0."""


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """What a benchmark measured. Means, because estimates are means.

    Attributes:
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        tokens_per_s: Output tokens per second.
        isl: Input tokens of a request.
        osl: Output tokens of a request.
        concurrency: Requests in flight: as many as were asked for, else as many as there were (Little's law).
        requests: Requests that were measured.
        cached: Input tokens of a request that were in the prefix cache; 0 where the server does not say.
        model: The model that was asked for; empty: the export does not say.
        date: When it began.
    """

    ttft: float
    itl: float
    tokens_per_s: float
    isl: float
    osl: float
    concurrency: float
    requests: int
    cached: float = 0.0
    model: str = ""
    date: str = ""


def read_export(content: bytes, *, has_itl: bool = True) -> BenchmarkRun:
    """Read an export.

    Args:
        content: The file.
        has_itl: Whether answers have a time between tokens, which those of one token do not have: it is then 0.

    Raises:
        InvalidRequestError: It is none, or not one that can be compared; everything that is wrong is named.
    """
    try:
        export = _Export.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "(document)"
        detail = "no JSON export of AIPerf; expected profile_export_aiperf.json"
        raise InvalidRequestError([FieldError(where, first["msg"], detail)]) from None
    errors = ErrorList()
    if not _is_known(export.schema_version):
        errors.invalid(
            "schema_version", export.schema_version, 'must be "1.4" or a later 1.x: use AIPerf 0.13 or later'
        )
        errors.raise_as(InvalidRequestError)
    metrics = {name: expected for name, expected in _METRICS.items() if has_itl or name != _ITL}
    means = {name: _mean(name, getattr(export, name), expected, errors) for name, expected in metrics.items()}
    _check_run(export, errors)
    errors.raise_as(InvalidRequestError)
    requests = round(means["request_count"])
    in_flight = means["request_throughput"] * means["request_latency"] / 1000
    cached = export.usage_prompt_cache_read_tokens
    return BenchmarkRun(
        ttft=means["time_to_first_token"],
        itl=means.get(_ITL, 0.0),
        tokens_per_s=means["output_token_throughput"],
        isl=means["input_sequence_length"],
        osl=means["output_sequence_length"],
        concurrency=_concurrency(export.input_config.measured, requests, in_flight),
        requests=requests,
        cached=(cached.avg or 0.0) if cached else 0.0,
        model=next((model.name for model in export.input_config.models.items), ""),
        date=export.start_time,
    )


def _is_known(version: str) -> bool:
    found = _SCHEMA.fullmatch(version)
    return found is not None and int(found[1]) >= _FIRST_SCHEMA


def _mean(name: str, metric: _Metric | None, expected: _Expected, errors: ErrorList) -> float:
    if metric is None or metric.avg is None:
        errors.required(name if metric is None else f"{name}.avg", expected.advice)
        return 0.0
    if metric.unit != expected.unit:
        errors.invalid(f"{name}.unit", metric.unit, f'must be "{expected.unit}"')
    elif metric.avg <= 0:
        errors.invalid(f"{name}.avg", metric.avg, "must be more than 0")
    return metric.avg


def _check_run(export: _Export, errors: ErrorList) -> None:
    """Refuse a run whose numbers are not those of all its requests, or of several loads."""
    failed = export.error_request_count.avg if export.error_request_count else None
    if failed:
        messages = (counted.error_details.message for counted in export.error_summary)
        first = next((f" ({message})" for message in messages if message), "")
        detail = f"requests failed{first}: mend that and measure again"
        errors.invalid("error_request_count.avg", failed, detail)
    if export.was_cancelled:
        errors.invalid("was_cancelled", value=True, detail="the run was cancelled: let it end")
    if not export.is_complete:
        reason = f" ({export.incomplete_reason})" if export.incomplete_reason else ""
        errors.invalid("is_complete", value=False, detail=f"the run did not end as planned{reason}: measure again")
    if not errors.errors:  # who knows that requests are missing need not be told which ones
        _check_phase(export, errors)


def _check_phase(export: _Export, errors: ErrorList) -> None:
    """Refuse the export of a warm-up, and one that mixes phases."""
    total = export.request_count.avg if export.request_count else None
    counts = [phase.requests for phase in export.input_config.measured]
    if counts and None not in counts and total not in counts:
        expected = ", ".join(map(str, counts))
        detail = (
            f"must be that of a measured phase ({expected}): use phases/<name>/profile_export_aiperf.json of one of "
            "them, not of a warm-up"
        )
        errors.invalid("request_count.avg", total, detail)


def _concurrency(phases: Sequence[_Phase], requests: int, in_flight: float) -> float:
    """Return what was asked for where the phase is known by its number of requests, else what was in flight on average.

    The export of one phase has the configuration of all.
    """
    possible = [phase for phase in phases if phase.requests in (None, requests)]
    loads = {phase.concurrency or 1 for phase in possible}  # AIPerf does not write its default
    if len(loads) == 1 and all(phase.type == "concurrency" for phase in possible):
        return loads.pop()
    return in_flight
