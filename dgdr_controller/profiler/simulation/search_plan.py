"""What is searched: the engines that load the model, those of them that can be simulated, in each mode."""

from dataclasses import dataclass, replace

from dgdr_api.candidate import Mode
from dgdr_api.names import ANNOTATION_CONTEXT_LENGTH, ANNOTATION_SPECULATIVE
from dgdr_api.results import SearchOutcome, SearchReport
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes, why_not_on, why_only_aggregated
from dgdr_controller.deployment.render.releases import NEWEST
from dgdr_controller.profiler.calibration import Calibration
from dgdr_controller.profiler.errors import RequestRefusedError
from dgdr_controller.profiler.model.architectures import loads, releases_that_load
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.selection.scaling import has_load
from dgdr_controller.profiler.simulation.messages import ENGINES, Search, Survey


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search looks at.

    Attributes:
        engines: Engines that load the model, of those that are asked for; at least one.
        searches: One for each of them that can be simulated and each mode.
        left_out: A report for each of the others, which says why.
    """

    engines: list[Backend]
    searches: list[Search]
    left_out: list[SearchReport]


def plan_searches(
    request: PlanRequest, model: Model, known: Survey, calibration: Calibration | None = None
) -> SearchPlan:
    """Work out what to search.

    Args:
        request: What is wanted.
        model: The model.
        known: What the simulator knows of model and GPU.
        calibration: Corrects the estimates.

    Raises:
        RequestRefusedError: No engine that is asked for loads the model, or the workload is longer than its context.
    """
    _check_length(request, model)
    if request.options.draft_tokens and not model.config.draft_layers:
        raise RequestRefusedError(
            f"annotation {ANNOTATION_SPECULATIVE} or --speculative: {model.name} has no layers that predict further "
            "tokens; do not set it for this model"
        )
    wanted = ENGINES if request.backend is Backend.AUTO else (request.backend,)
    architecture = model.config.architecture
    loading = [engine for engine in wanted if loads(engine, architecture, request.release)]
    if not loading:
        raise _unloadable(request, architecture)
    refused = {e: why for e in loading if (why := why_not_on(request.gpu, e, model.facts, request.release))}
    engines = [engine for engine in loading if engine not in refused]
    if not engines:
        raise RequestRefusedError(f"Model '{request.model}' does not run on these GPUs: {'; '.join(refused.values())}")
    simulated = [engine for engine in engines if model.simulated_as is not None and engine in known.estimable]
    simulator, gpu = f"{known.engine} {known.engine_version}", request.gpu.sku
    left_out = {
        **{engine: known.reason or f"{simulator} has no performance data for {engine} on {gpu}" for engine in engines},
        **{engine: _why_not_loaded(engine, architecture, request) for engine in wanted if engine not in loading},
        **refused,
    }
    return SearchPlan(
        engines,
        [
            replace(_search(request, model, known, engine, mode, draft_tokens), calibration=calibration)
            for engine in simulated
            for mode in _modes(request)
            if mode is Mode.AGGREGATED or not why_only_aggregated(engine, model.facts, request.release)
            for draft_tokens in sorted({0, request.options.draft_tokens or 0})
        ],
        [
            SearchReport(backend=engine, mode=mode, outcome=SearchOutcome.NO_CANDIDATE, message=message)
            for engine, message in left_out.items()
            if engine not in simulated
            for mode in _modes(request)
        ]
        + [
            SearchReport(backend=engine, mode=Mode.DISAGGREGATED, outcome=SearchOutcome.NO_CANDIDATE, message=message)
            for engine in simulated
            if Mode.DISAGGREGATED in _modes(request)
            and (message := why_only_aggregated(engine, model.facts, request.release))
        ],
    )


def _check_length(request: PlanRequest, model: Model) -> None:
    length = request.goal.isl + request.goal.osl
    if length > model.config.context:
        raise RequestRefusedError(
            f"spec.workload: isl + osl is {length} tokens, but the context of {model.name} ends at "
            f"{model.config.context}; lower spec.workload.isl or spec.workload.osl"
        )
    wanted = request.options.context_length
    if wanted is not None and not length <= wanted <= model.config.context:
        raise RequestRefusedError(
            f"annotation {ANNOTATION_CONTEXT_LENGTH} or --context-length: {wanted} tokens are out of range; set at "
            f"least isl + osl ({length}) and at most the context of {model.name} ({model.config.context})"
        )


def _unloadable(request: PlanRequest, architecture: str) -> RequestRefusedError:
    others = [engine.value for engine in ENGINES if loads(engine, architecture, request.release)]
    elsewhere = [f"{engine} of Dynamo {r}" for engine in ENGINES for r in releases_that_load(engine, architecture)[:1]]
    advice = ""
    if others:
        advice = f"; {' and '.join(others)} {'loads' if len(others) == 1 else 'load'} it"
    elif elsewhere:
        names = ", ".join(elsewhere)
        advice = f"; the images are of Dynamo {request.release}: set spec.image to a release that loads it ({names})"
    return RequestRefusedError(
        f"Model '{request.model}' not supported by backend '{request.backend}': it has architecture "
        f"{architecture}{advice}"
    )


def _why_not_loaded(engine: Backend, architecture: str, request: PlanRequest) -> str:
    others = releases_that_load(engine, architecture)
    if not others:
        return f"does not load architecture {architecture}"
    which = f"{others[-1]} or later" if NEWEST in others else str(others[0])
    return (
        f"the engine of Dynamo {request.release} does not load architecture {architecture}; that of Dynamo {which} does"
    )


def _modes(request: PlanRequest) -> tuple[Mode, ...]:
    """Prefill and decode need a GPU each. Dynamo's planner holds latencies by scaling the two apart; by load, any."""
    if request.total_gpus == 1:
        return (Mode.AGGREGATED,)
    return (Mode.DISAGGREGATED,) if request.planner_holds_latencies else (Mode.AGGREGATED, Mode.DISAGGREGATED)


def instead(searched: SearchPlan) -> list[Search]:
    """Return what to search where a planner that holds latencies finds no pair of workers: engines that do both."""
    return [replace(search, mode=Mode.AGGREGATED) for search in searched.searches if search.autoscale]


def _search(
    request: PlanRequest, model: Model, known: Survey, engine: Backend, mode: Mode, draft_tokens: int
) -> Search:
    goal = request.goal
    return Search(
        model=model.simulated_as or "",
        system=request.gpu.aic_system or "",
        backend=engine,
        mode=mode,
        total_gpus=request.total_gpus,
        nodes=Nodes.of(request.hardware),
        usable_gib=request.usable_gib,
        kv_heads=None if model.config.mla else model.config.kv_heads,
        isl=goal.isl,
        osl=goal.osl,
        request_rate=goal.request_rate if has_load(goal) else None,
        concurrency=goal.concurrency if has_load(goal) else None,
        draft_tokens=draft_tokens,
        kv_cache_dtype=request.options.kv_cache_dtype,
        context_length=request.options.context_length,
        autoscale=goal.autoscale,
        engine_gpus=request.engine_gpus,
        limits_version=None if known.databases else known.limits.get(engine),
        facts=model.facts,
        release=request.release,
    )
