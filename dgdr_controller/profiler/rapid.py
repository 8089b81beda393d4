"""The rapid search: AIC's estimates for every engine and mode, judged by us.

survey → searches in worker processes → rows → candidates → scale → judge → `Results`.
"""

from collections.abc import Sequence

from dgdr_api.candidate import Candidate, Mode, Outcome, Verdict
from dgdr_api.gpus import GPUS
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import unrenderable
from dgdr_controller.profiler import aic
from dgdr_controller.profiler.collect import Collected, Pool, Progress, Reader, Spectator, collect
from dgdr_controller.profiler.errors import (
    InterruptedRunError,
    NotDeployableError,
    ProfilerError,
    RequestRefusedError,
)
from dgdr_controller.profiler.notes import notes, search_warnings
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.rows import USABLE_VRAM
from dgdr_controller.profiler.search import ModelFacts, Search, Survey
from dgdr_controller.profiler.selection import scale
from dgdr_controller.profiler.verdicts import judge, warnings
from dgdr_controller.profiler.workers import Answered, Lost, Refused, WorkerPool
from dgdr_controller.profiling.protocol import Provenance, Results, SearchOutcome, SearchReport

SEARCH_DEADLINE_S = 180.0
"""Seconds for one engine and mode; dense models take 5 to 15, mixtures of experts up to 160 on two cores."""

_SURVEY_DEADLINE_S = 60.0


def rapid(
    request: PlanRequest, spectator: Spectator, deadline_s: float = SEARCH_DEADLINE_S, pool: Pool | None = None
) -> Results:
    """Search and judge.

    Args:
        request: What is wanted.
        spectator: Is told each step.
        deadline_s: Seconds that the search of one engine and mode may take.
        pool: Runs the searches; by default each in a worker process.

    Returns:
        Results with a choice, or without one where nothing can be deployed (every candidate says why).

    Raises:
        RequestRefusedError: The request names something that cannot be.
        NotDeployableError: AIC cannot model the request on this GPU, or we cannot render it.
        InterruptedRunError: Searches failed and the others found nothing: another run may.
        ProfilerError: The simulator itself does not work.
    """
    if request.gpu.vendor != "nvidia":
        raise NotDeployableError(f"deployments on {request.gpu.vendor} GPUs ({request.gpu.sku}) are not rendered yet")
    pool = pool or WorkerPool(preload=aic.PRELOAD)
    spectator(Progress(None, "loading the simulator", finished=False))
    known, seconds = _survey(pool, request)
    facts = _model(request, known)
    backends, missing = _backends(request, known)
    searches = [_search(request, facts, backend, mode) for backend in backends for mode in _modes(request)]
    ready = f"{known.engine} {known.engine_version}"
    spectator(Progress(None, ready, finished=True, seconds=seconds, total=len(searches)))
    reader = Reader(facts, dict(known.databases), request.vram_mib)
    found = collect(pool, searches, reader, spectator, deadline_s)
    failed = [report for report in found.reports if report.outcome is SearchOutcome.FAILED]
    if failed and not found.candidates:
        reasons = "; ".join(f"{report.backend} {report.mode}: {report.message}" for report in failed)
        raise InterruptedRunError(f"no search came to an answer: {reasons}")
    return _results(request, known, facts, Collected(found.candidates, [*found.reports, *missing]))


def _survey(pool: Pool, request: PlanRequest) -> tuple[Survey, float]:
    for event in pool.run(survey, [request], _SURVEY_DEADLINE_S):
        match event:
            case Answered(answer=answer, seconds=seconds):
                return answer, seconds
            case Refused(error="ModuleNotFoundError", message=message):
                raise ProfilerError(
                    f"the simulator is not installed ({message}): pip install 'dgdr-controller[profiler]'"
                )
            case Refused(error=error, message=message):
                raise ProfilerError(f"the simulator cannot be used: {error}: {message}")
            case Lost(reason=reason):
                raise InterruptedRunError(f"the simulator did not start: {reason}")
    raise ProfilerError("the simulator gave no answer")


def survey(request: PlanRequest) -> Survey:
    """Run in a worker: what AIC knows of the request's model and GPU."""
    return aic.survey(request.model, request.gpu.aic_system)


def _model(request: PlanRequest, known: Survey) -> ModelFacts:
    """Return the model's facts; refuse one that is unknown, or too short for the workload."""
    facts = known.model
    if facts is None:
        hint = f"did you mean {' or '.join(known.similar)}? " if known.similar else ""
        raise RequestRefusedError(
            f"spec.model: '{request.model}' is not a model that {known.engine} {known.engine_version} knows; {hint}"
            "Models outside its list (from the Hugging Face hub or a modelCache) cannot be planned yet"
        )
    length = request.goal.isl + request.goal.osl
    if length > facts.context_length:
        raise RequestRefusedError(
            f"spec.workload: isl + osl is {length} tokens, but the context of {facts.model} ends at "
            f"{facts.context_length}; lower spec.workload.isl or spec.workload.osl"
        )
    return facts


def _backends(request: PlanRequest, known: Survey) -> tuple[Sequence[Backend], list[SearchReport]]:
    """Return the backends to search, and a report for each that has no data for this GPU."""
    wanted = aic.ENGINES if request.backend is Backend.AUTO else (request.backend,)
    backends = [backend for backend in wanted if backend in known.databases]
    if not backends:
        named = "any backend" if request.backend is Backend.AUTO else f"backend {request.backend}"
        supported = ", ".join(gpu.sku for gpu in GPUS if gpu.aic_system in known.systems)
        raise NotDeployableError(
            f"{known.engine} {known.engine_version} has no performance data for {named} on {request.gpu.sku}; "
            f"GPUs with data: {supported}. Planning by memory fit alone is not available yet"
        )
    message = f"no performance data for {request.gpu.sku}"
    missing = [
        SearchReport(backend=backend, mode=mode, outcome=SearchOutcome.NO_CANDIDATE, message=message)
        for backend in wanted
        if backend not in backends
        for mode in _modes(request)
    ]
    return backends, missing


def _modes(request: PlanRequest) -> tuple[Mode, ...]:
    """Prefill and decode need a GPU each."""
    return (Mode.AGGREGATED, Mode.DISAGGREGATED) if request.total_gpus > 1 else (Mode.AGGREGATED,)


def _search(request: PlanRequest, facts: ModelFacts, backend: Backend, mode: Mode) -> Search:
    goal = request.goal
    return Search(
        model=facts.model,
        system=request.gpu.aic_system or "",
        backend=backend,
        mode=mode,
        total_gpus=request.total_gpus,
        isl=goal.isl,
        osl=goal.osl,
        ttft=goal.ttft.value if goal.ttft else None,
        itl=goal.itl.value if goal.itl else None,
        e2e_latency=goal.e2e_latency.value if goal.e2e_latency else None,
    )


def _results(request: PlanRequest, known: Survey, facts: ModelFacts, found: Collected) -> Results:
    goal, budget = request.goal, request.total_gpus
    scaled = [scale(candidate, goal, budget) for candidate in found.candidates]
    judgement = judge(scaled, goal, budget, lambda candidate: _hindrance(candidate, request))
    return Results(
        request=request.identity,
        model=facts.model,
        goal=goal,
        hardware=request.hardware,
        candidates=tuple(judgement.candidates),
        pareto=tuple(c.id for c in judgement.pareto),
        selected=judgement.choice.id if judgement.choice else None,
        warnings=(
            *request.warnings,
            *search_warnings(found.reports, facts),
            *warnings(judgement, goal, budget, request.gpu.sku),
        ),
        searches=tuple(found.reports),
        provenance=Provenance(
            engine=known.engine,
            engine_version=known.engine_version,
            perf_database={str(r.backend): v for r in found.reports if (v := known.databases.get(r.backend))},
            mode="rapid",
            notes=tuple(notes(request, facts, judgement)),
        ),
    )


def _hindrance(candidate: Candidate, request: PlanRequest) -> Verdict | None:
    """Say why a candidate cannot be deployed: its flags, or the memory of this GPU."""
    if reason := unrenderable(candidate, request.gpus_per_node):
        return Verdict(outcome=Outcome.NOT_RENDERABLE, reason=reason)
    needed = max(worker.memory_gib or 0 for worker in candidate.workers)
    usable = request.vram_mib / 1024 * USABLE_VRAM
    if needed > usable:
        reason = f"needs {needed:.1f} GiB of each GPU, of which engines may use {usable:.1f}"
        return Verdict(outcome=Outcome.DOES_NOT_FIT, reason=reason)
    return None
