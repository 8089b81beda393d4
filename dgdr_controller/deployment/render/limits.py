"""What cannot be rendered, and why: asked before a candidate is offered."""

from collections.abc import Iterator

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.engine import Nodes, decoded_tokens
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.deployment.render.families import EXCHANGED, MOST_DISPATCHED
from dgdr_controller.deployment.render.family_limits import limits_of, why_equal_tp, why_only_aggregated
from dgdr_controller.deployment.render.releases import NEWEST, Release


def unrenderable(
    candidate: Candidate, nodes: Nodes, model: ModelFacts | None = None, release: Release = NEWEST
) -> str | None:
    """Say why a candidate cannot be rendered, or None if it can.

    Args:
        candidate: The candidate.
        nodes: What the nodes allow.
        model: What is known of the model.
        release: The release of Dynamo whose engine runs.
    """
    engine, model = candidate.backend, model or ModelFacts()
    if candidate.mode is Mode.DISAGGREGATED and (reason := why_only_aggregated(engine, model, release)):
        return reason
    if engine is Backend.SGLANG and any(nodes.spread_experts(w.parallelism) for w in candidate.workers):
        if model.quantization not in EXCHANGED:
            weights = f"{model.quantization} weights" if model.quantization else "weights that are not quantized"
            return f"sglang does not exchange experts with {weights} between nodes"
        if _exchanges_too_much(candidate, nodes):
            return f"sglang exchanges at most {MOST_DISPATCHED} tokens of a rank between nodes in one step"
    unequal = len({worker.parallelism.tp for worker in candidate.workers}) > 1
    if unequal and (reason := why_equal_tp(engine, model, release)):
        return reason
    drafts = candidate.draft_tokens
    reasons = (unrenderable_worker(engine, w.role, w.parallelism, nodes, model, drafts) for w in candidate.workers)
    return next((reason for reason in reasons if reason), None)


def _exchanges_too_much(candidate: Candidate, nodes: Nodes) -> bool:
    spread = [w for w in candidate.workers if w.role is not Role.PREFILL and nodes.spread_experts(w.parallelism)]
    return any(decoded_tokens(worker.batch, candidate.draft_tokens) > MOST_DISPATCHED for worker in spread)


def unrenderable_worker(
    backend: Backend,
    role: Role,
    shape: Parallelism,
    nodes: Nodes,
    model: ModelFacts | None = None,
    draft_tokens: int = 0,
) -> str | None:
    """Say why no worker of this shape can be rendered, or None if it can."""
    if backend is Backend.SGLANG and draft_tokens and shape.pp > 1 and role is not Role.PREFILL:
        return "sglang does not draft tokens in a pipeline (its argument validation)"
    return next(_obstacles(backend, role, shape, nodes, model or ModelFacts()), None)


def unpairable(
    backend: Backend,
    prefill: Parallelism,
    decode: Parallelism,
    kv_heads: int | None,
    model: ModelFacts | None = None,
    release: Release = NEWEST,
) -> str | None:
    """Say why a prefill and a decode worker cannot work together, or None if they can.

    Args:
        backend: The engine.
        prefill: Shape of the prefill worker.
        decode: Shape of the decode worker.
        kv_heads: KV heads of the model; None where its cache has no heads (latent attention).
        model: What else is known of it.
        release: The release of Dynamo whose engine runs.
    """
    if prefill.tp != decode.tp and (reason := why_equal_tp(backend, model or ModelFacts(), release)):
        return reason
    if kv_heads is None:
        return None
    kv_transfers = ENGINES[backend].kv_transfers
    return next((transfer.reason for transfer in kv_transfers if transfer.fails(prefill, decode, kv_heads)), None)


def _obstacles(backend: Backend, role: Role, shape: Parallelism, nodes: Nodes, model: ModelFacts) -> Iterator[str]:
    count = nodes.count(shape)
    if count > 1 and nodes.apart:
        yield f"{nodes.apart}: one {role} worker takes {shape.gpus} GPUs and a node has {nodes.gpus}"
    if shape.gpus % count:
        yield f"the {shape.gpus} GPUs of one {role} worker do not spread evenly over {count} nodes of {nodes.gpus}"
    if shape.cp > 1:
        yield f"{backend} has no flag for context parallelism"
    experts = shape.moe_tp * shape.moe_ep
    if experts not in (1, shape.tp * shape.dp):
        yield f"experts are spread over {experts} GPUs and attention over {shape.tp * shape.dp}"
    if shape.dp > 1 and experts == 1:
        yield "attention data parallelism is for mixtures of experts; replicas do the same for other models"
    limits = (*ENGINES[backend].limits, *limits_of(backend, model))
    yield from (limit.reason for limit in limits if limit.exceeded(role, shape, nodes))
