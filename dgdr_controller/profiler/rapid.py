"""The rapid search: AIC's estimates for every engine and mode, judged by us.

survey → searches in worker processes → rows → candidates → scale → judge → `Results`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Mode, Outcome, Verdict
from dgdr_api.conditions import ConfigurationWarning, RequestWarning, exact, milliseconds
from dgdr_api.gpus import GPUS
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import unrenderable
from dgdr_controller.profiler import aic
from dgdr_controller.profiler.errors import NotDeployableError, ProfilerError, RequestRefusedError
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.rows import read_rows
from dgdr_controller.profiler.search import Found, ModelFacts, Search, Survey
from dgdr_controller.profiler.selection import missed_targets, scale
from dgdr_controller.profiler.verdicts import Judgement, judge, warnings
from dgdr_controller.profiler.workers import Answered, Lost, Refused, Started, WorkerPool
from dgdr_controller.profiling.protocol import Provenance, Results, SearchOutcome, SearchReport

SEARCH_DEADLINE_S = 180.0
"""Seconds for one engine and mode; dense models take 5 to 15, mixtures of experts up to 160 on two cores."""

_SURVEY_DEADLINE_S = 60.0

_NOTES = (
    "TTFT is an optimistic estimate: against AIC's own measured samples its median error is −41 %.",
    "ITL is within 20 % of those samples in 56 % of cases.",
)
_AUTO_NOTE = "TTFT is modelled differently for each engine: differences in TTFT between engines say little."

_EXPERTS_NOTE = "AIC's data for mixtures of experts are uneven between engines; vLLM's are the lowest."


@dataclass(frozen=True, slots=True)
class Progress:
    """What a spectator of the search sees: one line for each search."""

    search: Search | None
    """None: the survey before the searches."""
    state: str
    finished: bool
    seconds: float = 0.0


Spectator = Callable[[Progress], None]


def rapid(request: PlanRequest, spectator: Spectator, deadline_s: float = SEARCH_DEADLINE_S) -> Results:
    """Search and judge.

    Returns:
        Results with a choice, or without one where nothing can be deployed (every candidate says why).

    Raises:
        RequestRefusedError: The request names something that cannot be.
        NotDeployableError: AIC cannot model the request on this GPU.
        ProfilerError: The simulator itself does not work.
    """
    pool = WorkerPool(preload=[aic.__name__])
    spectator(Progress(None, "loading the simulator", finished=False))
    known, seconds = _survey(pool, request)
    facts, backends = _check(request, known)
    spectator(Progress(None, f"{known.engine} {known.engine_version}", finished=True, seconds=seconds))
    searches = [_search(request, facts, backend, mode) for backend in backends for mode in _modes(request)]
    candidates, reports = _collect(pool, searches, request, known, spectator, deadline_s)
    return _results(request, known, candidates, reports)


def _survey(pool: WorkerPool, request: PlanRequest) -> tuple[Survey, float]:
    for event in pool.run(survey, [request], _SURVEY_DEADLINE_S):
        match event:
            case Answered(answer=answer, seconds=seconds):
                return answer, seconds
            case Refused(error=error, message=message):
                raise ProfilerError(f"the simulator cannot be used: {error}: {message}")
            case Lost(reason=reason):
                raise ProfilerError(f"the simulator cannot be used: {reason}")
    raise ProfilerError("the simulator gave no answer")


def survey(request: PlanRequest) -> Survey:
    """Run in a worker: what AIC knows of the request's model and GPU."""
    return aic.survey(request.model, request.gpu.aic_system)


def _check(request: PlanRequest, known: Survey) -> tuple[ModelFacts, Sequence[Backend]]:
    """Refuse what no search can answer; return the model's facts and the backends to search."""
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
    wanted = aic.ENGINES if request.backend is Backend.AUTO else (request.backend,)
    backends = [backend for backend in wanted if backend in known.databases]
    if not backends:
        named = "any backend" if request.backend is Backend.AUTO else f"backend {request.backend}"
        supported = ", ".join(gpu.sku for gpu in GPUS if gpu.aic_system in known.systems)
        raise NotDeployableError(
            f"{known.engine} {known.engine_version} has no performance data for {named} on {request.gpu.sku}; "
            f"GPUs with data: {supported}. Planning by memory fit alone is not available yet"
        )
    return facts, backends


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


def _collect(
    pool: WorkerPool,
    searches: Sequence[Search],
    request: PlanRequest,
    known: Survey,
    spectator: Spectator,
    deadline_s: float,
) -> tuple[list[Candidate], list[SearchReport]]:
    """Run the searches; return scaled candidates and one report for each search, in the order of the searches."""
    candidates: dict[Search, list[Candidate]] = {}
    reports: dict[Search, SearchReport] = {}
    for event in pool.run(aic.search, searches, deadline_s):
        search = event.item
        match event:
            case Started():
                spectator(Progress(search, "searching", finished=False))
                continue
            case Answered(answer=Found(rows=rows, reason=reason)):
                reading = read_rows(
                    rows, search, _known_model(known), known.databases[search.backend], request.vram_mib
                )
                candidates[search] = [scale(c, request.goal, request.total_gpus) for c in reading.candidates]
                if reading.unreadable:
                    reason = f"{reading.unreadable} rows whose GPU count is not that of their parallelism were dropped"
                reports[search] = _report(search, len(candidates[search]), reason)
            case Refused(error="SystemExit", message=message):
                reports[search] = _failed(search, f"the simulator gave up (exit {message})")
            case Refused(message=message):
                reports[search] = _report(search, 0, " ".join(message.split()))
            case Lost(reason=reason):
                reports[search] = _failed(search, reason)
        spectator(Progress(search, _state(reports[search]), finished=True, seconds=event.seconds))
    return [c for s in searches for c in candidates.get(s, [])], [reports[s] for s in searches]


def _known_model(known: Survey) -> ModelFacts:
    assert known.model is not None, "checked before the searches"  # noqa: S101 - tells the type checker what _check made sure of
    return known.model


def _report(search: Search, count: int, message: str) -> SearchReport:
    outcome = SearchOutcome.FOUND if count else SearchOutcome.NO_CANDIDATE
    return SearchReport(backend=search.backend, mode=search.mode, outcome=outcome, message=message, candidates=count)


def _failed(search: Search, message: str) -> SearchReport:
    return SearchReport(backend=search.backend, mode=search.mode, outcome=SearchOutcome.FAILED, message=message)


def _state(report: SearchReport) -> str:
    if report.outcome is SearchOutcome.FOUND:
        return f"{report.candidates} configurations"
    return f"{'failed' if report.outcome is SearchOutcome.FAILED else 'nothing'}: {report.message}"


def _results(request: PlanRequest, known: Survey, candidates: list[Candidate], reports: list[SearchReport]) -> Results:
    judgement = judge(candidates, request.goal, request.total_gpus, lambda c: _hindrance(c, request))
    return Results(
        request=request.identity,
        model=_known_model(known).model,
        goal=request.goal,
        hardware=request.hardware,
        candidates=tuple(judgement.candidates),
        pareto=tuple(c.id for c in judgement.pareto),
        selected=judgement.choice.id if judgement.choice else None,
        warnings=(*request.warnings, *_failures(reports), *_choice_warnings(request, judgement)),
        searches=tuple(reports),
        provenance=Provenance(
            engine=known.engine,
            engine_version=known.engine_version,
            perf_database={str(r.backend): known.databases[r.backend] for r in reports},
            mode="rapid",
            notes=(*_notes(request, _known_model(known)), *_default_notes(request, judgement)),
        ),
    )


def _hindrance(candidate: Candidate, request: PlanRequest) -> Verdict | None:
    reason = unrenderable(candidate, request.gpus_per_node)
    return Verdict(outcome=Outcome.NOT_RENDERABLE, reason=reason) if reason else None


def _failures(reports: Iterable[SearchReport]) -> Iterable[RequestWarning]:
    return (
        ConfigurationWarning.note(
            f"The search of {report.backend} {report.mode} failed ({report.message}): "
            "better configurations may have been missed. Run it again to include them"
        )
        for report in reports
        if report.outcome is SearchOutcome.FAILED
    )


def _choice_warnings(request: PlanRequest, judgement: Judgement) -> list[RequestWarning]:
    if judgement.choice is None:
        return []
    return warnings(judgement.choice, request.goal, request.total_gpus, request.gpu.sku)


def _notes(request: PlanRequest, facts: ModelFacts) -> Iterator[str]:
    yield from _NOTES
    if request.backend is Backend.AUTO:
        yield _AUTO_NOTE
    if facts.experts:
        yield _EXPERTS_NOTE


def _default_notes(request: PlanRequest, judgement: Judgement) -> list[str]:
    """Say where a default target, which nobody wrote, is not met."""
    if judgement.choice is None:
        return []
    return [
        f"The default target {missed.name}={exact(missed.target)}ms is not met: {milliseconds(missed.closest)}."
        for missed in missed_targets(judgement.choice, request.goal, explicit=False)
    ]
