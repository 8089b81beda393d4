"""TensorRT-LLM: what each field of a worker becomes.

Sources: ``dynamo.trtllm`` 1.6.1 (``backend_args.py``; ``dynamic_flags.py``: a ``--trtllm.`` flag takes its value as
a separate word), TensorRT-LLM ``llmapi/llm_args.py``.
"""

from dgdr_api.candidate import Role
from dgdr_controller.deployment.render.engine import Engine, Flag, Limit

ENGINE = Engine(
    module="dynamo.trtllm",
    image="tensorrtllm-runtime",
    flags=(
        Flag("--model", lambda w: w.model),
        Flag("--served-model-name", lambda w: w.served_name),
        Flag("--trtllm.trust_remote_code", lambda _: "true", when=lambda w: w.trusts_code),
        # TensorRT-LLM's tp is the whole width; attention goes over it in slices or, with attention DP, in copies.
        Flag("--tensor-parallel-size", lambda w: w.width),
        Flag("--pipeline-parallel-size", lambda w: w.shape.pp, when=lambda w: w.shape.pp > 1),
        Flag("--expert-parallel-size", lambda w: w.shape.moe_ep, when=lambda w: w.shape.moe_ep > 1),
        Flag("--enable-attention-dp", when=lambda w: w.shape.dp > 1),
        Flag("--max-seq-len", lambda w: w.context_length),
        Flag("--max-batch-size", lambda w: w.batch),  # of each rank, as the tokens are
        Flag("--max-num-tokens", lambda w: w.max_num_tokens),
        # Off by default; then a prompt above max_num_tokens is refused.
        Flag("--trtllm.enable_chunked_prefill", lambda _: "true", when=lambda w: w.prefills),
        Flag("--trtllm.kv_cache_config.dtype", lambda _: "fp8", when=lambda w: w.fp8_kv_cache),
        Flag("--trtllm.speculative_config.decoding_type", lambda _: "MTP", when=lambda w: w.speculates),
        Flag(
            "--trtllm.speculative_config.num_nextn_predict_layers",
            lambda w: w.draft_tokens,
            when=lambda w: w.speculates,
        ),
        # Otherwise steps run without captured graphs at most batch sizes above 32, and at all above 128.
        Flag("--trtllm.cuda_graph_config.enable_padding", lambda _: "true", when=lambda w: w.decodes),
        Flag("--trtllm.cuda_graph_config.max_batch_size", lambda w: w.batch, when=lambda w: w.decodes),
        Flag("--publish-kv-events", when=lambda w: w.publishes_kv_events),
        Flag("--disaggregation-mode", lambda w: w.role, when=lambda w: w.disaggregated),
        # Dynamo's own prefill engines run without it: it is for overlapping decode steps.
        Flag("--trtllm.disable_overlap_scheduler", lambda _: "true", when=lambda w: w.role is Role.PREFILL),
        # Without a backend there is no transceiver, and prefill keeps its KV cache to itself.
        Flag("--trtllm.cache_transceiver_config.backend", lambda _: "DEFAULT", when=lambda w: w.disaggregated),
        Flag(
            "--trtllm.cache_transceiver_config.max_tokens_in_buffer",
            lambda w: w.context_length,
            when=lambda w: w.disaggregated,
        ),
    ),
    limits=(
        Limit(
            lambda role, shape, _: shape.pp > 1 and role is not Role.AGGREGATED,
            "trtllm does not support KV cache transfer with pipeline parallelism",
        ),
        Limit(
            lambda _, shape, __: shape.dp > 1 and shape.tp > 1,
            "trtllm does not combine tensor and data parallelism for attention",
        ),
    ),
)
