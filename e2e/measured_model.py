"""A model whose deployments can be measured on the node: a tokenizer, and simulated engines of known speed."""

from typing import Any

MODEL = "acme/qwen3-32b"
WEIGHTS_GIB = 61
SURFACE = {  # slow enough for two cores that do other things, too
    1: {"prefill_ms": 40, "prefill_ms_per_token": 0.3, "decode_ms": 120, "decode_ms_per_token": 1e-4},
    2: {"prefill_ms": 40, "prefill_ms_per_token": 0.2, "decode_ms": 40, "decode_ms_per_token": 3e-5},
    4: {"prefill_ms": 40, "prefill_ms_per_token": 0.1, "decode_ms": 36, "decode_ms_per_token": 2e-5},
    8: {"prefill_ms": 40, "prefill_ms_per_token": 0.1, "decode_ms": 34, "decode_ms_per_token": 2e-5},
}
"""By the number of an engine's GPUs."""
ITL = 80
"""Target that an engine of one GPU misses."""


def spec(claim: str) -> dict[str, Any]:
    """Return the spec of a request for it, on two GPUs.

    Args:
        claim: Claim that holds the model, in ``qwen``.
    """
    return {
        "model": MODEL,
        "backend": "vllm",
        "modelCache": {"pvcName": claim, "pvcModelPath": "qwen"},
        "hardware": {"gpuSku": "h200_sxm", "totalGpus": 2},
        "workload": {"isl": 200, "osl": 20, "concurrency": 2},
        "sla": {"ttft": 5000, "itl": ITL, "optimizationType": "throughput"},
    }
