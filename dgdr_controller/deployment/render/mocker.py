"""Simulated workers: Dynamo's mocker in the place of an engine, for tests without GPUs.

It has the batch, the tokens and the ranks of the plan, and AIC's times for its shape where AIC knows the GPU.
Source: ``dynamo.mocker`` 1.6.1 ``args.py``; it runs in the planner's image, which has AIC's times.
"""

from dgdr_controller.deployment.render.engine import Engine, EngineWorker, Flag


def _timed(worker: EngineWorker) -> bool:
    return worker.gpu is not None


def _of_experts(worker: EngineWorker) -> bool:
    """AIC wants both sizes of a mixture of experts. Of another model they are 1, which is true of one GPU as well."""
    return _timed(worker) and worker.shape.moe_tp * worker.shape.moe_ep == worker.width


ENGINE = Engine(
    module="dynamo.mocker",
    image="dynamo-planner",
    flags=(
        Flag("--model-path", lambda w: w.model),
        Flag("--model-name", lambda w: w.served_name),
        Flag("--engine-type", lambda w: w.backend),
        Flag("--data-parallel-size", lambda w: w.shape.dp, when=lambda w: w.shape.dp > 1),
        Flag("--max-model-len", lambda w: w.context_length),
        Flag("--max-num-seqs", lambda w: w.batch),
        Flag("--max-num-batched-tokens", lambda w: max(w.max_num_tokens, w.batch)),
        Flag("--kv-cache-dtype", lambda _: "fp8", when=lambda w: w.fp8_kv_cache),
        Flag("--ais-perf-model", when=_timed),
        Flag("--ais-system", lambda w: w.gpu, when=_timed),
        Flag("--ais-backend", lambda w: w.backend, when=_timed),
        Flag("--ais-tp-size", lambda w: w.shape.tp, when=_timed),
        Flag("--ais-attention-dp-size", lambda w: w.shape.dp, when=lambda w: _timed(w) and w.shape.dp > 1),
        Flag("--ais-moe-tp-size", lambda w: w.shape.moe_tp, when=_of_experts),
        Flag("--ais-moe-ep-size", lambda w: w.shape.moe_ep, when=_of_experts),
        Flag("--disaggregation-mode", lambda w: w.role, when=lambda w: w.disaggregated),
    ),
)
