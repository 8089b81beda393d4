"""Options of TensorRT-LLM that Dynamo hands on without knowing them."""

TRTLLM_FIELDS = {
    "enable_chunked_prefill": ("true", "false"),
    "disable_overlap_scheduler": ("true", "false"),
    "moe_tensor_parallel_size": None,
    "kv_cache_config.dtype": ("auto", "fp8", "nvfp4"),
    "trust_remote_code": ("true", "false"),
    "kv_cache_config.tokens_per_block": None,
    "kv_cache_config.enable_block_reuse": ("true", "false"),
    "cache_transceiver_config.transceiver_runtime": ("PYTHON", "CPP"),
    "sparse_attention_config.algorithm": ("minimax_m3", "dsa", "rocket"),
    "cuda_graph_config.enable_padding": ("true", "false"),
    "cuda_graph_config.max_batch_size": None,
    "cache_transceiver_config.backend": ("DEFAULT", "UCX", "NIXL", "MOONCAKE", "MPI"),
    "cache_transceiver_config.max_tokens_in_buffer": None,
    "speculative_config.decoding_type": ("MTP", "Eagle", "NGram", "Draft_Target", "Lookahead", "Medusa", "AUTO"),
    "speculative_config.num_nextn_predict_layers": None,
}
"""What may follow ``--trtllm.``, and the values (None: a whole number). No parser knows these: Dynamo hands them on.

Source: TensorRT-LLM, ``tensorrt_llm/llmapi/llm_args.py`` (``BaseLlmArgs``, ``TorchLlmArgs``, ``KvCacheConfig``,
``CacheTransceiverConfig``, ``MTPDecodingConfig``), read, as its wheel is on no registry.
"""
