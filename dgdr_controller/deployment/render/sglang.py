"""SGLang: what each field of a worker becomes. Sources: SGLang 0.5.21 ``srt/arg_groups``, ``dynamo.sglang`` 1.6.1."""

import json

from dgdr_api.candidate import Role
from dgdr_api.results import ModelFacts
from dgdr_controller.deployment.render.engine import Engine, EngineWorker, Flag, Limit

_PAGE_TOKENS = 16
"""Tokens of one KV page, as in Dynamo's own SGLang graphs; the chunk must be a multiple of it."""

_EVENTS = json.dumps({"publisher": "zmq", "topic": "kv-events", "endpoint": "tcp://*:5557"}, separators=(",", ":"))


_LARGEST_PAGE = 256
"""Some attention kernels raise the page by themselves, DeepSeek-V4's to this, and want the chunk in whole pages."""


def _chunk(worker: EngineWorker) -> int:
    """Return the chunk of one data-parallel rank, in whole pages."""
    return -(-worker.max_num_tokens // _LARGEST_PAGE) * _LARGEST_PAGE


def _static_share(worker: EngineWorker) -> float:
    """Return the share of a GPU's memory for weights and KV cache, as SGLang works it out for one rank.

    With data-parallel attention SGLang itself reserves activations for the chunks and requests of all ranks before it
    shares them out (``arg_groups/memory_hook.py``, ``pipeline.py``): of eight ranks half the cache is missing, or all.
    """
    ranks, batch = worker.shape.dp, worker.batch
    tokens = max(_chunk(worker) if worker.prefills else batch, 2048)
    reserved_mib = 512 + 1.5 * tokens + 1024 * worker.width * worker.shape.pp / 8
    if worker.decodes:
        reserved_mib += batch * (2 + ranks * (3 if batch <= 300 else 4.5))  # noqa: PLR2004 - SGLang's own step
    if worker.prefills:
        reserved_mib += 1536  # graphs of prefill, of the attention that takes most
    if worker.experts_span:  # DeepEP's buffers
        reserved_mib += 2048 * worker.decodes + 1024 * worker.prefills
    floor_mib = 10 * 1024 if worker.vram_mib > 60 * 1024 else 0
    share = 1 - max(reserved_mib, floor_mib) / worker.vram_mib
    return round(share * (_vision_share(worker.facts) if worker.prefills else 1), 3)


_ENCODER = 24 * 1024**2
"""Size, layers times width squared, of the encoder of images that SGLang leaves a twentieth to."""


def _vision_share(model: ModelFacts) -> float:
    """Return how much of that is left beside an encoder of images (``arg_groups/memory_hook.py``)."""
    if not model.takes_images:
        return 1.0
    size = (model.vision_layers * model.vision_hidden**2 or _ENCODER) / _ENCODER
    return 0.95 * min(1.05, max(0.8, 1 - 0.1 * (size - 1)))


ENGINE = Engine(
    module="dynamo.sglang",
    image="sglang-runtime",
    flags=(
        Flag("--model-path", lambda w: w.model),
        Flag("--served-model-name", lambda w: w.served_name),
        Flag("--trust-remote-code", when=lambda w: w.trusts_code),
        # SGLang's tp is the whole width; attention's data-parallel ranks are cut out of it.
        Flag("--tp-size", lambda w: w.width),
        Flag("--pp-size", lambda w: w.shape.pp, when=lambda w: w.shape.pp > 1),
        Flag("--dp-size", lambda w: w.shape.dp, when=lambda w: w.shape.dp > 1),
        Flag("--enable-dp-attention", when=lambda w: w.shape.dp > 1),
        Flag("--ep-size", lambda w: w.shape.moe_ep, when=lambda w: w.shape.moe_ep > 1),
        Flag("--context-length", lambda w: w.context_length),
        # Not on prefill: there it would hold the next prompt back until the last one's KV cache has been fetched.
        # It is for all ranks together, each gets its share; so is the chunk.
        Flag("--max-running-requests", lambda w: w.batch * w.shape.dp, when=lambda w: w.decodes),
        Flag("--mem-fraction-static", _static_share, when=lambda w: w.shape.dp > 1),
        Flag("--page-size", lambda _: _PAGE_TOKENS),
        Flag("--chunked-prefill-size", lambda w: _chunk(w) * w.shape.dp, when=lambda w: w.prefills),
        # The bound of one prefill batch, of one rank; its default of 16384 would cut larger chunks.
        Flag("--max-prefill-tokens", _chunk, when=lambda w: w.prefills),
        # AIC's estimate of an aggregated worker is for steps that mix a prompt's chunk with running decodes.
        Flag("--enable-mixed-chunk", when=lambda w: w.role is Role.AGGREGATED),
        Flag("--cuda-graph-max-bs-decode", lambda w: w.batch, when=lambda w: w.decodes),
        Flag("--kv-cache-dtype", lambda _: "fp8_e4m3", when=lambda w: w.fp8_kv_cache),
        # A chain of drafts, not a tree: one choice in each step, and the verified token beside them.
        Flag("--speculative-algorithm", lambda _: "EAGLE", when=lambda w: w.speculates),
        Flag("--speculative-num-steps", lambda w: w.draft_tokens, when=lambda w: w.speculates),
        Flag("--speculative-eagle-topk", lambda _: 1, when=lambda w: w.speculates),
        Flag("--speculative-num-draft-tokens", lambda w: w.draft_tokens + 1, when=lambda w: w.speculates),
        Flag("--kv-events-config", lambda _: _EVENTS, when=lambda w: w.publishes_kv_events),
        Flag("--disaggregation-mode", lambda w: w.role, when=lambda w: w.disaggregated),
        # SGLang's own default is mooncake, which Dynamo's images are not set up for.
        Flag("--disaggregation-transfer-backend", lambda _: "nixl", when=lambda w: w.disaggregated),
        Flag("--disaggregation-bootstrap-port", lambda _: 12345, when=lambda w: w.disaggregated),
        # The bootstrap server binds this address, and the default is loopback: decode pods could not reach it.
        Flag("--host", lambda _: "0.0.0.0", when=lambda w: w.disaggregated),  # noqa: S104 - inside the pod
    ),
    limits=(
        Limit(
            lambda role, shape, _: shape.pp > 1 and role is not Role.AGGREGATED,
            "sglang does not support KV cache transfer with pipeline parallelism",
        ),
        Limit(
            # Several of its kernels for 8-bit experts take one or the other, and refuse both when the model is loaded.
            lambda _, shape, __: shape.moe_tp > 1 and shape.moe_ep > 1,
            "sglang does not combine expert and tensor parallelism for experts",
        ),
    ),
)
