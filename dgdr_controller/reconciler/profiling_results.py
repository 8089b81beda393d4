"""``status.profilingResults``: what the status shows of the results, short enough to be read."""

from typing import Any, Literal

from dgdr_api.candidate import Candidate, Source
from dgdr_api.errors import InvalidRequestError
from dgdr_api.estimates import Interval
from dgdr_api.formatting import significant
from dgdr_api.results import Results
from dgdr_api.v1beta1 import DgdrStatus, ParetoItem, ProfilingResults, Provenance
from dgdr_api.v1beta1.status import MAX_PARETO, EstimateRange
from dgdr_controller.deployment.compose import Composed
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler.composition import composed
from dgdr_controller.reconciler.observed_state import ObservedState

_SOURCES: dict[Source, Literal["measured", "naive"]] = {Source.MEASURED: "measured", Source.NAIVE: "naive"}
_NUMBERS = {
    "throughput": "tokens_per_s",
    "throughput_per_gpu": "tokens_per_s_per_gpu",
    "ttft": "ttft",
    "itl": "itl",
    "concurrency": "concurrency",
}
"""Fields of a point in the status, and what they are called in a candidate's performance."""
_RANGES = {"throughput_per_gpu": "tokens_per_s_per_gpu", "ttft": "ttft", "itl": "itl"}
"""The same of the ranges that numbers are in."""
_STATUS_BYTES = 12 * 1024
"""So that ``kubectl describe`` stays readable: a configuration takes 3 KiB and a hundred lines of it."""


def profiling_results(observed: ObservedState, choice: Candidate, results: Results, made: Composed) -> ProfilingResults:
    """Return the chosen candidate's deployment and the Pareto front, the chosen one first."""
    before = observed.status.profiling_results
    front = [c for c in results.candidates if c.id in results.pareto and c.id != choice.id]
    shown = [choice, *front][:MAX_PARETO]
    provenance = results.provenance
    return ProfilingResults(
        selected_config=made.graph,
        pareto=tuple(_point(observed, candidate, results) for candidate in shown),
        start_time=before.start_time if before else None,
        completion_time=(before.completion_time if before else None) or observed.now,
        provenance=Provenance(
            engine=provenance.engine,
            engine_version=provenance.engine_version,
            perf_database=provenance.perf_database,
            mode=provenance.mode,
            notes=provenance.notes,
        ),
    )


def adopted_results(observed: ObservedState, made: Composed) -> ProfilingResults:
    """Return what the status shows of a deployment that another profiler made."""
    before = observed.status.profiling_results
    return ProfilingResults(
        selected_config=made.graph,
        start_time=before.start_time if before else None,
        completion_time=(before.completion_time if before else None) or observed.now,
    )


def _point(observed: ObservedState, candidate: Candidate, results: Results) -> ParetoItem:
    performance = candidate.performance
    numbers: dict[str, Any] = {}
    if performance is not None:
        numbers = {name: _rounded(getattr(performance, of)) for name, of in _NUMBERS.items()}
        numbers["meets_sla"] = results.goal.is_met_by(performance)
    if candidate.uncertainty is not None:
        ranges = candidate.uncertainty
        numbers |= {f"{name}_range": _range(getattr(ranges, of)) for name, of in _RANGES.items()}
        if (chance := results.goal.chance(ranges.chances)) is not None:
            numbers["sla_chance_percent"] = round(chance * 100)
    return ParetoItem(
        id=candidate.id,
        config=_configuration(observed, candidate, results),
        backend=candidate.backend,
        mode=candidate.mode.value,
        parallelization=candidate.shape,
        gpus=candidate.gpus,
        source=_SOURCES.get(candidate.source, "estimated"),
        **numbers,
    )


def _configuration(observed: ObservedState, candidate: Candidate, results: Results) -> Manifest | None:
    """Return the deployment of a candidate; None where it cannot be applied as it is.

    That is where the user's overrides are not for it, or it mounts what is made for the chosen one alone.
    """
    try:
        _, made = composed(observed, [candidate], results)
    except InvalidRequestError:
        return None
    return None if made.config_maps else made.graph


def _rounded(value: float) -> float:
    """Round to no more digits than estimates carry."""
    return float(significant(value))


def _range(found: Interval) -> EstimateRange:
    return EstimateRange(low=_rounded(found.low), high=_rounded(found.high))


def shortened(status: DgdrStatus) -> DgdrStatus:
    """Leave configurations out, the least interesting first, until the status is short enough."""
    results = status.profiling_results
    while results and results.pareto and _bytes(status) > _STATUS_BYTES:
        points = list(results.pareto)
        last = next((index for index in range(len(points) - 1, -1, -1) if points[index].config), None)
        if last is None:
            return status
        points[last] = points[last].model_copy(update={"config": None})
        results = results.model_copy(update={"pareto": tuple(points)})
        status = status.model_copy(update={"profiling_results": results})
    return status


def _bytes(status: DgdrStatus) -> int:
    return len(status.model_dump_json(exclude_none=True).encode())
