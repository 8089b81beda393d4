"""Puts what was measured of a deployment beside what was estimated of it. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Performance
from dgdr_api.error_list import ErrorList
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.estimates import Interval, Uncertainty
from dgdr_api.formatting import significant
from dgdr_api.gpus import find_gpu
from dgdr_api.measurements import Measurement, Numbers
from dgdr_api.results import Goal, Results
from dgdr_controller.profiler.measurement.aiperf import BenchmarkRun
from dgdr_controller.profiler.measurement.validity import (
    TOLERANCE,
    fewest_requests,
    is_mostly_read,
    is_prompt_of,
    is_steady,
    sustained_tokens_per_s,
)

_DIGITS = 6
"""Digits of the numbers that are kept."""
_ROUNDING = 1
"""Requests in flight by which a whole number differs from an estimate."""


@dataclass(frozen=True, slots=True)
class Line:
    """One number, estimated and measured.

    Attributes:
        name: Its name and unit.
        estimated: What the plan says.
        between: The range that holds the truth in 80 % of cases.
        measured: What was measured.
    """

    name: str
    estimated: float
    between: Interval
    measured: float

    @property
    def is_within(self) -> bool:
        """Whether the measured number is in the range."""
        return self.between.low <= self.measured <= self.between.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate, estimated and measured.

    Attributes:
        candidate: The candidate.
        lines: Its numbers.
        measurement: What later plans are corrected by.
        other_model: Model that the benchmark asked for, where it is not the plan's; empty: it is, or is not known.
    """

    candidate: Candidate
    lines: tuple[Line, ...]
    measurement: Measurement
    other_model: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark's run, and what it was run on.

    Attributes:
        run: What it measured.
        sha256: Hash of its export.
        gpus: GPUs of the deployment; None: as many as the candidate has.
    """

    run: BenchmarkRun
    sha256: str
    gpus: int | None = None


@dataclass(frozen=True, slots=True)
class _Estimates:
    """What a plan says of a candidate: corrected, by the simulator itself, and the ranges."""

    corrected: Performance
    simulated: Performance
    ranges: Uncertainty


def compare(results: Results, candidate_id: str | None, measured: Measured, table: str) -> Comparison:
    """Compare a run with the estimates of the candidate that was deployed.

    Args:
        results: The plan.
        candidate_id: The candidate; None: the selected one.
        measured: The run.
        table: Digest of the table that corrects the estimates of this version.

    Raises:
        InvalidRequestError: The run is not one of this candidate and workload; everything that is wrong is named.
    """
    candidate = _candidate(results, candidate_id)
    estimates = _estimates(results, candidate, table)
    run, gpus = measured.run, measured.gpus or candidate.gpus
    errors = ErrorList()
    _check_workload(results.goal, run, errors)
    _check_load(candidate, run, gpus, errors)
    errors.raise_as(InvalidRequestError)
    found, simulated = _numbers(run.ttft, run.itl, run.tokens_per_s / gpus), estimates.simulated
    return Comparison(
        candidate=candidate,
        lines=tuple(_lines(estimates, found)),
        measurement=Measurement(
            model=results.request.spec.model,
            gpu_sku=gpu.sku if (gpu := find_gpu(results.hardware.gpu_sku)) else results.hardware.gpu_sku,
            backend=candidate.backend,
            backend_version=candidate.backend_version,
            mode=candidate.mode,
            draft_tokens=candidate.draft_tokens,
            candidate=candidate.id,
            shape=candidate.shape,
            gpus=gpus,
            isl=results.goal.isl,
            osl=results.goal.osl,
            concurrency=run.concurrency,
            requests=run.requests,
            engine=results.provenance.engine,
            engine_version=results.provenance.engine_version,
            table=table,
            simulated=_numbers(simulated.ttft, simulated.itl, simulated.tokens_per_s_per_gpu),
            corrected=_by_table_alone(results, candidate, estimates.corrected),
            measured=found,
            date=run.date,
            sha256=measured.sha256,
        ),
        other_model="" if run.model.lower() in ("", results.request.spec.model.lower()) else run.model,
    )


def _candidate(results: Results, wanted: str | None) -> Candidate:
    """Return the candidate that was measured.

    Raises:
        InvalidRequestError: The plan has none of this id, or none was selected.
    """
    found = next((c for c in results.candidates if c.id == (wanted or results.selected)), None)
    if found is not None:
        return found
    if wanted is None:
        raise _refused("selected", "Required value", "no candidate is selected: name one with --candidate")
    raise _refused("--candidate", f'Not found: "{wanted}"', "must be the id of a candidate in the results")


def _estimates(results: Results, candidate: Candidate, table: str) -> _Estimates:
    """Return what was estimated of a candidate.

    Raises:
        InvalidRequestError: It cannot be compared with what a benchmark measures, or other plans have other estimates.
    """
    corrected, simulated, ranges = candidate.performance, candidate.simulated, candidate.uncertainty
    path = f"candidates[{candidate.id}]"
    if corrected is None or simulated is None or ranges is None or results.estimate_errors is None:
        raise _refused(path, "Invalid value", "has no corrected estimates: only these are compared")
    if results.estimate_errors.table != table:
        detail = "the estimates were corrected by the table of another version: plan again with this one"
        raise _refused("estimateErrors.table", f'Invalid value: "{results.estimate_errors.table}"', detail)
    if results.goal.autoscale:
        raise _refused("goal.autoscale", "Invalid value: true", "the planner changes the workers: plan without")
    if results.goal.osl == 1:
        raise _refused("goal.osl", "Invalid value: 1", "an output of one token has no time between tokens")
    return _Estimates(corrected, simulated, ranges)


def _refused(path: str, kind: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError(path, kind, detail)])


def _check_workload(goal: Goal, run: BenchmarkRun, errors: ErrorList) -> None:
    """Refuse other lengths than those that were estimated, and prompts that need not be read."""
    if not is_prompt_of(run.isl, goal.isl):
        detail = f"the estimates are for prompts of {goal.isl} tokens: run AIPerf with --isl {goal.isl}"
        errors.invalid("input_sequence_length.avg", run.isl, detail)
    if abs(run.osl - goal.osl) > max(TOLERANCE * goal.osl, 1):
        options = f"--osl {goal.osl} --extra-inputs ignore_eos:true --use-server-token-count"
        detail = f"the estimates are for answers of {goal.osl} tokens: run AIPerf with {options}"
        errors.invalid("output_sequence_length.avg", run.osl, detail)
    if not is_mostly_read(run.cached, goal.isl):
        detail = (
            "so many tokens of each prompt were in the prefix cache, and the estimates are for prompts that share "
            "nothing: run AIPerf with another --random-seed and more --num-dataset-entries than requests"
        )
        errors.invalid("usage_prompt_cache_read_tokens.avg", run.cached, detail)


def _check_load(candidate: Candidate, run: BenchmarkRun, gpus: int, errors: ErrorList) -> None:
    """Refuse another load than the one that was estimated, and means of too few requests."""
    if gpus < 1 or gpus % candidate.gpus_per_replica:
        detail = f"must be a multiple of {candidate.gpus_per_replica}, the GPUs of one replica of {candidate.id}"
        errors.invalid("--gpus", gpus, detail)
        return
    expected = candidate.numbers.concurrency * gpus / candidate.gpus
    if abs(run.concurrency - expected) > max(TOLERANCE * expected, _ROUNDING):
        detail = (
            f"the estimates of {candidate.id} are for {significant(expected)} requests in flight on {gpus} GPUs: run "
            f"AIPerf with --concurrency {math.ceil(expected)}, or say with --candidate and --gpus what was measured"
        )
        errors.invalid("concurrency", round(run.concurrency, 1), detail)
    enough = fewest_requests(run.concurrency)
    if run.requests < enough:
        detail = f"too few for a mean at this load: run AIPerf with --request-count {2 * enough}"
        errors.invalid("request_count.avg", run.requests, detail)
    sustained = sustained_tokens_per_s(run.concurrency, run.ttft, run.itl, run.osl)
    if not is_steady(run.tokens_per_s, sustained):
        detail = (
            f"{significant(run.concurrency)} requests in flight with this TTFT and ITL make {significant(sustained)} "
            f"tokens/s: the load was another for much of the run; run AIPerf with --request-count {2 * enough} or more"
        )
        errors.invalid("output_token_throughput.avg", run.tokens_per_s, detail)


def _lines(estimates: _Estimates, found: Numbers) -> Iterator[Line]:
    for field, name in (("ttft", "TTFT ms"), ("itl", "ITL ms"), ("tokens_per_s_per_gpu", "tokens/s/GPU")):
        yield Line(
            name=name,
            estimated=getattr(estimates.corrected, field),
            between=getattr(estimates.ranges, field),
            measured=getattr(found, field),
        )


def _numbers(ttft: float, itl: float, tokens_per_s_per_gpu: float) -> Numbers:
    """Return numbers with no more digits than a person can read."""
    return Numbers(ttft=_rounded(ttft), itl=_rounded(itl), tokens_per_s_per_gpu=_rounded(tokens_per_s_per_gpu))


def _rounded(value: float) -> float:
    return float(significant(value, _DIGITS))


def _by_table_alone(results: Results, candidate: Candidate, corrected: Performance) -> Numbers:
    """Return the estimates without what earlier measurements of the site have changed: these are counted already."""
    kind = (candidate.backend, candidate.mode, candidate.draft_tokens)
    found = (site for site in results.site_corrections if (site.backend, site.mode, site.draft_tokens) == kind)
    site = next(found, None)
    ttft, itl, throughput = corrected.ttft, corrected.itl, corrected.tokens_per_s_per_gpu
    if site is not None:
        ttft, itl, throughput = ttft / site.ttft, itl / site.itl, throughput / site.tokens_per_s_per_gpu
    return _numbers(ttft, itl, throughput)
