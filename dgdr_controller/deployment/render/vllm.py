"""vLLM: what each field of a worker becomes. Sources: vLLM 0.31 ``engine/arg_utils.py``, ``dynamo.vllm`` 1.6.1."""

import json

from dgdr_api.candidate import Role
from dgdr_controller.deployment.render.engine import Engine, EngineWorker, Flag

_KV_ROLE = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}


def _kv_transfer(worker: EngineWorker) -> str:
    return json.dumps({"kv_connector": "NixlConnector", "kv_role": _KV_ROLE[worker.role]}, separators=(",", ":"))


ENGINE = Engine(
    module="dynamo.vllm",
    image="vllm-runtime",
    disaggregates_pipelines=False,  # vLLM's NIXL consumer raises NotImplementedError with pp > 1
    flags=(
        Flag("--model", lambda w: w.model),
        Flag("--served-model-name", lambda w: w.served_name),
        Flag("--tensor-parallel-size", lambda w: w.shape.tp),
        Flag("--pipeline-parallel-size", lambda w: w.shape.pp, when=lambda w: w.shape.pp > 1),
        Flag("--max-model-len", lambda w: w.context_length),
        # vLLM refuses a token budget below the sequence limit, whose own default is 1024 on large GPUs: write both.
        Flag("--max-num-seqs", lambda w: w.batch),
        Flag("--max-num-batched-tokens", lambda w: max(w.max_num_tokens, w.batch)),
        Flag("--kv-cache-dtype", lambda _: "fp8", when=lambda w: w.fp8_kv_cache),
        Flag("--disaggregation-mode", lambda w: w.role, when=lambda w: w.disaggregated),
        # Without it prefill refuses to start, and decode silently computes the prompt again.
        Flag("--kv-transfer-config", _kv_transfer, when=lambda w: w.disaggregated),
    ),
)
