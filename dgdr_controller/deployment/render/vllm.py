"""vLLM: what each field of a worker becomes.

Sources: vLLM 0.31 ``engine/arg_utils.py``, ``dynamo.vllm`` 1.6.1 ``args.py``; what is added to the command line of an
engine that spans nodes: Dynamo's operator, ``backend_vllm.go``.
"""

import json

from dgdr_api.candidate import Role
from dgdr_controller.deployment.render.engine import Engine, EngineWorker, Flag, KvTransfer, Limit, decoded_tokens

_KV_ROLE = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}
_EVENTS = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": "tcp://*:5557"}
"""Each data-parallel rank adds its number to the port."""


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _kv_transfer(worker: EngineWorker) -> str:
    return _json({"kv_connector": "NixlConnector", "kv_role": _KV_ROLE[worker.role]})


def _speculation(worker: EngineWorker) -> str:
    return _json({"method": "mtp", "num_speculative_tokens": worker.draft_tokens})


_CAPTURED_TOKENS = 512
"""Tokens of the largest step that vLLM captures as a CUDA graph by itself; on Blackwell twice as many."""
_CAPTURED_STRIDE = 16
"""From one captured size to the next; the largest one counts only if it is one of these steps."""


def _captured_tokens(worker: EngineWorker) -> int:
    """Return the tokens of a step in which every request decodes, drafts included, in whole strides."""
    return -(-decoded_tokens(worker.batch, worker.draft_tokens) // _CAPTURED_STRIDE) * _CAPTURED_STRIDE


ENGINE = Engine(
    module="dynamo.vllm",
    image="vllm-runtime",
    flags=(
        Flag("--model", lambda w: w.model),
        Flag("--served-model-name", lambda w: w.served_name),
        Flag("--trust-remote-code", when=lambda w: w.trusts_code),
        Flag("--tensor-parallel-size", lambda w: w.shape.tp),
        Flag("--pipeline-parallel-size", lambda w: w.shape.pp, when=lambda w: w.shape.pp > 1),
        Flag("--data-parallel-size", lambda w: w.shape.dp, when=lambda w: w.shape.dp > 1),
        # Experts go over all tp · dp GPUs: whole ones with it, slices of each without.
        Flag("--enable-expert-parallel", when=lambda w: w.shape.moe_ep > 1),
        Flag("--max-model-len", lambda w: w.context_length),
        # vLLM refuses a token budget below the sequence limit, whose own default is 1024 on large GPUs: write both.
        # Each data-parallel rank schedules by itself, so both are of one rank, as the batch is.
        Flag("--max-num-seqs", lambda w: w.batch),
        Flag("--max-num-batched-tokens", lambda w: max(w.max_num_tokens, w.batch)),
        # Estimates are for graphs, and larger steps run without (``config/vllm.py``, ``_set_cudagraph_sizes``).
        Flag(
            "--max-cudagraph-capture-size",
            _captured_tokens,
            when=lambda w: w.decodes and _captured_tokens(w) > _CAPTURED_TOKENS,
        ),
        Flag("--kv-cache-dtype", lambda _: "fp8", when=lambda w: w.fp8_kv_cache),
        Flag("--speculative-config", _speculation, when=lambda w: w.speculates),
        # Off unless it is configured: the router would only guess what caches hold.
        Flag("--kv-events-config", lambda _: _json(_EVENTS), when=lambda w: w.publishes_kv_events),
        Flag("--disaggregation-mode", lambda w: w.role, when=lambda w: w.disaggregated),
        # Without it prefill refuses to start, and decode silently computes the prompt again.
        Flag("--kv-transfer-config", _kv_transfer, when=lambda w: w.disaggregated),
    ),
    limits=(
        Limit(
            lambda role, shape, _: shape.pp > 1 and role is not Role.AGGREGATED,
            # Its NIXL consumer raises NotImplementedError.
            "vllm does not support KV cache transfer with pipeline parallelism",
        ),
        Limit(
            lambda _, shape, __: shape.moe_tp > 1 and shape.moe_ep > 1,
            "vllm does not combine expert and tensor parallelism for experts",
        ),
        Limit(
            # The operator adds either the flags of one group over nodes or those of ranks on nodes of their own.
            lambda _, shape, nodes: shape.dp > 1 and shape.tp * shape.pp > nodes.gpus,
            "vllm does not support data-parallel ranks that span nodes",
        ),
    ),
    kv_transfers=(
        KvTransfer(
            # NIXL connector, ``base_worker.py``: asserted when the two meet, long after both have started.
            lambda prefill, decode, heads: prefill.tp > heads and decode.tp < prefill.tp,
            "vllm cannot transfer KV heads that prefill replicates to fewer decode GPUs",
        ),
        KvTransfer(
            lambda prefill, decode, _: max(prefill.tp, decode.tp) % min(prefill.tp, decode.tp) != 0,
            "vllm transfers the KV cache only between tensor parallel sizes of which one divides the other",
        ),
    ),
)
