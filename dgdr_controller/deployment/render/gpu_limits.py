"""On which GPUs engines run which weights. Compute capabilities are those of NVIDIA's table, in ``dgdr_api.gpus``."""

from dataclasses import dataclass

from dgdr_api.gpus import Gpu
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.releases import NEWEST, Release

Capability = tuple[int, int]
_TURING, _AMPERE, _ADA, _HOPPER, _BLACKWELL = (7, 5), (8, 0), (8, 9), (9, 0), (10, 0)
_ANY = None


@dataclass(frozen=True, slots=True)
class GpuLimit:
    """What an engine asks of a GPU.

    Attributes:
        backend: The engine.
        quantization: The weights that it is about, as ``ModelFacts`` calls them; None: all.
        least: The least compute capability.
        source: Where that was read.
        before: The release of Dynamo whose engine was the first that asks for less; None: there is none.
    """

    backend: Backend
    quantization: str | None
    least: Capability
    source: str
    before: tuple[int, int] | None = None

    def applies(self, backend: Backend, model: ModelFacts, release: Release) -> bool:
        """Say whether it is about a model and the engine of a release."""
        affected = release.is_before(self.before)
        return affected and backend is self.backend and self.quantization in (_ANY, model.quantization)


_VLLM, _SGLANG, _TRTLLM = Backend.VLLM, Backend.SGLANG, Backend.TRTLLM
_VLLM_MODELOPT = "vllm/model_executor/layers/quantization/modelopt.py"
_SGLANG_MODELOPT = "sglang/srt/layers/quantization/modelopt_quant.py"
_TRTLLM_SUPPORT = "tensorrt_llm, support-matrix.md"

GPU_LIMITS: tuple[GpuLimit, ...] = (
    GpuLimit(_SGLANG, _ANY, _TURING, "sglang/srt/model_executor/model_runner.py: RuntimeError"),
    GpuLimit(_TRTLLM, _ANY, _AMPERE, f"{_TRTLLM_SUPPORT}: Ampere is the oldest"),
    GpuLimit(_VLLM, "fp8", _TURING, "vllm/model_executor/layers/quantization/fp8.py"),
    GpuLimit(_VLLM, "modelopt_fp8", _ADA, _VLLM_MODELOPT, before=(1, 5)),
    GpuLimit(_VLLM, "modelopt_fp8", _AMPERE, _VLLM_MODELOPT),
    GpuLimit(_VLLM, "modelopt_mxfp8", _BLACKWELL, _VLLM_MODELOPT, before=(1, 2)),
    GpuLimit(_VLLM, "modelopt_mxfp8", _AMPERE, _VLLM_MODELOPT),
    GpuLimit(_VLLM, "modelopt_fp4", _TURING, _VLLM_MODELOPT),
    GpuLimit(_VLLM, "modelopt_mixed", _ADA, _VLLM_MODELOPT, before=(1, 4)),
    GpuLimit(_VLLM, "modelopt_mixed", _TURING, _VLLM_MODELOPT),
    GpuLimit(_VLLM, "mxfp4", _AMPERE, "vllm/model_executor/layers/quantization/mxfp4.py"),
    GpuLimit(_SGLANG, "fp8", _AMPERE, "sglang/srt/layers/quantization/fp8.py"),
    GpuLimit(_SGLANG, "modelopt_fp8", _ADA, _SGLANG_MODELOPT),
    GpuLimit(_SGLANG, "modelopt_fp4", _BLACKWELL, _SGLANG_MODELOPT, before=(1, 3)),
    GpuLimit(_SGLANG, "modelopt_fp4", _AMPERE, _SGLANG_MODELOPT),
    GpuLimit(_SGLANG, "modelopt_mixed", _BLACKWELL, _SGLANG_MODELOPT, before=(1, 3)),
    GpuLimit(_SGLANG, "modelopt_mixed", _AMPERE, _SGLANG_MODELOPT),
    GpuLimit(_SGLANG, "mxfp4", _AMPERE, "sglang/srt/layers/quantization/mxfp4.py"),
    GpuLimit(_SGLANG, "w4afp8", _HOPPER, "sglang/srt/layers/quantization/w4afp8.py"),
    GpuLimit(_TRTLLM, "fp8", _ADA, f"{_TRTLLM_SUPPORT}: precision"),
    GpuLimit(_TRTLLM, "modelopt_fp8", _ADA, f"{_TRTLLM_SUPPORT}: precision"),
    GpuLimit(_TRTLLM, "modelopt_fp4", _BLACKWELL, f"{_TRTLLM_SUPPORT}: precision"),
    GpuLimit(_TRTLLM, "mxfp4", _HOPPER, f"{_TRTLLM_SUPPORT}: precision"),
)


def why_not_on(gpu: Gpu, backend: Backend, model: ModelFacts, release: Release = NEWEST) -> str | None:
    """Say why an engine does not run a model on a GPU; None: it does, or the GPU's compute capability is not known."""
    asked = [row for row in GPU_LIMITS if row.applies(backend, model, release)]
    strictest = max(asked, key=lambda row: row.least, default=None)
    if strictest is None or gpu.capability is None or gpu.capability >= strictest.least:
        return None
    weights = f" for {model.quantization} weights" if strictest.quantization else ""
    least, has = (".".join(map(str, capability)) for capability in (strictest.least, gpu.capability))
    engine = f"{backend} {release.engine_version(backend)}"
    return f"{engine} needs compute capability {least}{weights}, and {gpu.sku} has {has}"
