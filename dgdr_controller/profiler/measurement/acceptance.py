"""Which measurements of AIPerf count, and what is made of several runs. Pure.

AIPerf ends with 0, and writes its exports, also where most requests have failed: what it measured is accepted only
where everything that can be checked adds up.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dgdr_api.errors import InvalidRequestError
from dgdr_api.formatting import significant
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.aiperf import BenchmarkRun, read_export
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from dgdr_controller.profiler.measurement.records import RequestError
from dgdr_controller.profiler.measurement.validity import (
    is_mostly_read,
    is_prompt_of,
    is_steady,
    sustained_tokens_per_s,
)

_NS = 1_000_000_000
_COUNTED_BY_SERVER = {"input_sequence_length", "output_sequence_length"}
_CLOCK_S = 0.5
_CLOCK_SHARE = 0.001
"""Difference between two clocks that is no jump: half a second, and twice what a clock may be slowed or sped up by."""


class NotAcceptedError(Exception):
    """A measurement does not count; the message says why, and the way out.

    Attributes:
        by_program: Whether AIPerf itself has failed, before it has asked anything of the endpoint.
    """

    def __init__(self, message: str, *, by_program: bool = False) -> None:
        super().__init__(message)
        self.by_program = by_program


class _Failures(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    error_details: RequestError = RequestError()


class Phase(BaseModel):
    """An entry of ``phase_manifest.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    phase_name: str
    error_request_count: int = 0
    total_request_count: int = 0
    error_summary: tuple[_Failures, ...] = ()
    start_ns: int | None = None
    """Wall clock; None: it did not begin."""
    end_ns: int | None = None
    """Wall clock; None: it did not end."""
    metrics_json: str = ""
    """Path of its export, from the folder of the manifest."""


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    phases: Annotated[tuple[Phase, ...], Field(max_length=1000)]


@dataclass(frozen=True, slots=True)
class Clocks:
    """When a run of AIPerf was there.

    Attributes:
        started_ns: Wall clock at its start, in ns.
        ended_ns: Wall clock at its end, in ns.
        elapsed_s: Time between them on a clock that is not set, in s.
    """

    started_ns: int
    ended_ns: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    """A run that counts.

    Attributes:
        run: What it measured.
        seconds: How long it took.
    """

    run: BenchmarkRun
    seconds: float


def read_manifest(content: bytes) -> dict[str, Phase]:
    """Return the phases of ``phase_manifest.json`` by name.

    Raises:
        NotAcceptedError: It is none.
    """
    try:
        manifest = _Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise NotAcceptedError(f"phase_manifest.json is not complete ({first['msg']}); measure again") from None
    return {phase.phase_name: phase for phase in manifest.phases}


def accept(load: Load, endpoint: Endpoint, phase: Phase, export: bytes, clocks: Clocks) -> AcceptedRun:
    """Return what was measured of a load.

    Args:
        load: What was asked for.
        endpoint: The same.
        phase: The load's phase.
        export: The export of that phase.
        clocks: When the run was there.

    Raises:
        NotAcceptedError: It does not count.
    """
    if phase.error_request_count:
        first = next((f", the first with {failures.error_details}" for failures in phase.error_summary), "")
        failed = f"{phase.error_request_count} of {phase.total_request_count} requests failed{first}"
        raise NotAcceptedError(f"{failed}; see to the endpoint and measure again")
    seconds = _seconds(phase, clocks)
    run = _run(export, endpoint)
    _check_tokens(load, endpoint, run)
    sustained = sustained_tokens_per_s(load.concurrency, run.ttft, run.itl, run.osl)
    if not is_steady(run.tokens_per_s, sustained):
        raise NotAcceptedError(
            f"{load.concurrency} requests in flight with this TTFT and ITL make {significant(sustained)} tokens/s, and "
            f"{significant(run.tokens_per_s)} were measured: the load was not steady; measure again while nothing else "
            "uses this machine and the endpoint"
        )
    return AcceptedRun(run, seconds)


def _run(export: bytes, endpoint: Endpoint) -> BenchmarkRun:
    try:
        return read_export(export, has_itl=endpoint.osl > 1)
    except InvalidRequestError as error:
        if {found.path for found in error.errors} >= _COUNTED_BY_SERVER:
            raise NotAcceptedError(
                "the endpoint does not count tokens: its streams have no usage; measure an endpoint that follows "
                "stream_options.include_usage"
            ) from None
        raise NotAcceptedError("; ".join(map(str, error.errors))) from None


def _seconds(phase: Phase, clocks: Clocks) -> float:
    """Return how long a phase took, unless a clock was set meanwhile."""
    jumped = (clocks.ended_ns - clocks.started_ns) / _NS - clocks.elapsed_s
    allowed = _CLOCK_S + _CLOCK_SHARE * clocks.elapsed_s
    if abs(jumped) > allowed:
        raise NotAcceptedError(
            f"the clock of this machine jumped by {significant(jumped)} s during the measurement; measure again once "
            "it is set"
        )
    if phase.start_ns is None or phase.end_ns is None:
        raise NotAcceptedError("the load was not measured to its end; measure again, with more time")
    margin = allowed * _NS
    if not clocks.started_ns - margin <= phase.start_ns <= phase.end_ns <= clocks.ended_ns + margin:
        raise NotAcceptedError(
            "the load was measured at another time than AIPerf ran: the clock of this machine jumped, or the export is "
            "of another run; measure again"
        )
    return (phase.end_ns - phase.start_ns) / _NS


def _check_tokens(load: Load, endpoint: Endpoint, run: BenchmarkRun) -> None:
    """Refuse a run with other requests than those that were asked for."""
    if run.requests != load.requests:
        raise NotAcceptedError(f"{run.requests} of {load.requests} requests were measured; measure again")
    if not is_prompt_of(run.isl, endpoint.isl):
        raise NotAcceptedError(
            f"prompts had {_count(run.isl)} tokens where {endpoint.isl} were asked for: name the tokenizer of the "
            "model that is served"
        )
    if run.osl != endpoint.osl:
        raise NotAcceptedError(
            f"answers had {_count(run.osl)} tokens where {endpoint.osl} were asked for: the endpoint does not follow "
            "ignore_eos and min_tokens, or does not hold a sequence of so many tokens"
        )
    if not is_mostly_read(run.cached, endpoint.isl):
        raise NotAcceptedError(
            f"{_count(run.cached)} of the {_count(run.isl)} tokens of each prompt were in the prefix cache; measure "
            "with another seed"
        )


def _count(tokens: float) -> str:
    """Write a mean number of tokens: one token is a difference."""
    return significant(tokens, 6)


def point_of(trial: str, load: Load, runs: Sequence[AcceptedRun]) -> MeasuredPoint:
    """Return what was measured of a load: medians over its runs.

    Args:
        trial: Id of the candidate.
        load: The load.
        runs: Its runs, at least one.
    """
    throughputs = [accepted.run.tokens_per_s for accepted in runs]
    tokens_per_s = statistics.median(throughputs)
    return MeasuredPoint(
        trial=trial,
        concurrency=load.concurrency,
        ttft=statistics.median(accepted.run.ttft for accepted in runs),
        itl=statistics.median(accepted.run.itl for accepted in runs),
        tokens_per_s=tokens_per_s,
        request_rate=statistics.median(accepted.run.tokens_per_s / accepted.run.osl for accepted in runs),
        requests=sum(accepted.run.requests for accepted in runs),
        runs=len(runs),
        spread=(max(throughputs) - min(throughputs)) / tokens_per_s,
        seconds=sum(accepted.seconds for accepted in runs),
    )
