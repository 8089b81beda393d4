"""The plan by memory fit alone, for what the simulator cannot model: the smallest engine that starts.

No performance is known, so nothing is compared: shapes are tried from the smallest on.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Role, Source, Worker
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.context import longest_request
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.model import memory
from dgdr_controller.profiler.model.config import ModelConfig
from dgdr_controller.profiler.model.memory import Fit
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.simulation.rows import PROMPT_MARGIN_TOKENS

_COMFORT = 8
"""Mean requests that should fit at once: below, a larger engine serves more for each GPU."""
_MOST_REQUESTS = 256
_STEP_TOKENS = 8192
"""Tokens of one engine step: vLLM's default for large GPUs; longer prompts are taken in chunks."""
_MOST_NODES = 64


def by_memory(request: PlanRequest, model: Model, backend: Backend) -> list[Candidate]:
    """Return every engine that fits, from the fewest GPUs on: where they are measured, nobody needs to guess.

    Args:
        request: What is wanted.
        model: The model.
        backend: The engine.
    """
    preferred = _preferred(request, _allowed(request, model))
    return [_candidate(request, model.config, engine, backend) for engine in preferred]


@dataclass(frozen=True, slots=True)
class Sized:
    """An engine of some shape, and what one of its GPUs holds."""

    shape: Parallelism
    fit: Fit
    requests: int
    """Mean requests that fit at once."""


def naive(request: PlanRequest, model: Model, backend: Backend) -> Candidate:
    """Plan by memory fit.

    Args:
        request: What is wanted.
        model: The model.
        backend: The engine.

    Returns:
        A candidate without performance; it fits in the budget, and in one node where that is possible.

    Raises:
        NotDeployableError: It does not fit; the message names the smallest number of GPUs that would do.
    """
    sized = _allowed(request, model)
    preferred = _preferred(request, sized)
    chosen = next((engine for engine in preferred if engine.requests >= _COMFORT), None)
    chosen = chosen or max(preferred, key=lambda engine: engine.requests, default=None)
    if chosen is None:
        raise NotDeployableError(_too_big(request, model, sized))
    return _candidate(request, model.config, chosen, backend)


def _allowed(request: PlanRequest, model: Model) -> list[Sized]:
    """Return the engines in which a mean request fits, of as many GPUs as an engine may have."""
    fewest, most = request.engine_gpus
    return [engine for engine in _sizes(request, model) if fewest <= engine.shape.gpus <= (most or engine.shape.gpus)]


def _preferred(request: PlanRequest, sized: list[Sized]) -> list[Sized]:
    """Return those that the budget holds and that are worth a try, within a node where that is possible."""
    affordable = [engine for engine in sized if engine.shape.gpus <= request.total_gpus]
    within = [engine for engine in affordable if engine.shape.gpus <= request.gpus_per_node]
    # A pipeline keeps only one of its stages busy with a single request: it is for what fits no other way.
    preferred = [engine for engine in within if engine.shape.pp == 1] or within
    return preferred or (affordable if request.hardware.multinode else [])


def _sizes(request: PlanRequest, model: Model) -> Iterator[Sized]:
    """Yield the engines in which a mean request fits, from the fewest GPUs on."""
    config, mean = model.config, _mean(request.goal)
    least = max(mean, request.options.context_length or 0)
    weights = _weights(model)
    for pp, tp in _shapes(config, request.gpus_per_node):
        fit = memory.fit(config, weights, request.vram_mib, tp=tp, pp=pp, step_tokens=_step(request.goal))
        if fit.tokens >= least:
            experts = tp if config.experts else 1
            yield Sized(Parallelism(tp=tp, pp=pp, moe_tp=experts), fit, min(_MOST_REQUESTS, fit.tokens // mean))


def _weights(model: Model) -> int:
    """Return the bytes of the weights: of their files, where somebody has seen them, else from config or name.

    Raises:
        NotDeployableError: None of these tells.
    """
    if model.weights is not None:
        return model.weights
    if model.config.mixed:
        if (named := memory.weight_bytes_by_name(model.name, model.config)) is not None:
            return named
        raise NotDeployableError(
            f"the memory of {model.name} cannot be computed from its config, because its layers differ: mount the "
            "model with spec.modelCache, so that its files can be measured"
        )
    return memory.weight_bytes(model.config)


def _shapes(config: ModelConfig, per_node: int) -> list[tuple[int, int]]:
    """Return depths and widths of engines: any within a node; over several, as wide as a node allows."""
    widths = [tp for tp in _powers(per_node) if _divides(config, tp)]
    depths = range(1, min(config.layers, _MOST_NODES) + 1)
    shapes = [(pp, tp) for pp in depths for tp in widths if pp * tp <= per_node or tp == widths[-1]]
    return sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape[0]))


def _powers(limit: int) -> Iterator[int]:
    return (2**n for n in range(limit.bit_length()) if 2**n <= limit)


def _divides(config: ModelConfig, tp: int) -> bool:
    """Say whether engines take a tensor parallel size: heads, inner sizes and quantised blocks are never cut apart."""
    if config.heads % tp:
        return False
    if config.mla is None and config.kv_heads % tp and tp % config.kv_heads:
        return False
    inner = (config.expert_intermediate if config.experts else 0, config.intermediate)
    return all(size % (tp * (config.block if tp > 1 else 1)) == 0 for size in inner)


def _mean(goal: Goal) -> int:
    return goal.isl + goal.osl


def _step(goal: Goal) -> int:
    return min(_STEP_TOKENS, goal.isl + PROMPT_MARGIN_TOKENS)


def _candidate(request: PlanRequest, config: ModelConfig, chosen: Sized, backend: Backend) -> Candidate:
    mean = _mean(request.goal)
    limit = min(config.context, request.options.context_length or config.context)
    worker = Worker(
        role=Role.AGGREGATED,
        parallelism=chosen.shape,
        count=1,
        batch=chosen.requests,
        max_num_tokens=max(_step(request.goal), chosen.requests),
        kv_cache_dtype=request.options.kv_cache_dtype or KvCacheDtype.AUTO,
        memory_gib=round(chosen.fit.needed_gib, 1),
    )
    replicas = 1 if request.goal.autoscale else request.total_gpus // chosen.shape.gpus  # the planner adds others
    if request.goal.concurrency is not None:
        replicas = min(replicas, max(1, math.ceil(request.goal.concurrency / chosen.requests)))
    return Candidate(
        backend=backend,
        backend_version=request.release.engine_version(backend),
        mode=Mode.AGGREGATED,
        workers=(worker,),
        replicas=replicas,
        context_length=longest_request(
            *(mean, chosen.requests, chosen.fit.tokens - chosen.requests * mean, limit),
            wanted=request.options.context_length is not None,
        ),
        source=Source.NAIVE,
    )


def _too_big(request: PlanRequest, model: Model, sized: list[Sized]) -> str:
    weights, gpus, sku = _weights(model), request.total_gpus, request.gpu.sku
    what = f"{model.name} does not fit on {gpus} × {sku}: its weights take {weights / memory.GIB:.0f} GiB"
    what += f", and an engine may use {request.usable_gib:.0f} GiB of each GPU"
    smallest = next((engine.shape.gpus for engine in sized), None)
    if smallest is None:
        return f"{what}; no number of these GPUs is enough"
    if smallest <= gpus:
        spans = f"a node has {request.gpus_per_node}: an engine that spans nodes needs Grove or LWS"
        return f"{what}; it takes {smallest} of them at once and {spans}, which this cluster does not have"
    return f"{what}; the smallest sufficient number of these GPUs is {smallest}"
