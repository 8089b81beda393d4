"""On which GPUs engines run which weights."""

import pytest

from dgdr_api.gpus import GPUS, find_gpu
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import why_not_on
from dgdr_controller.deployment.render.gpu_limits import GPU_LIMITS
from dgdr_controller.deployment.render.releases import RELEASES, Release, release_of
from hack.engines.capabilities import least

CLASSES = {
    Backend.VLLM: {
        "fp8": "Fp8Config",
        "modelopt_fp8": "ModelOptFp8Config",
        "modelopt_mxfp8": "ModelOptMxFp8Config",
        "modelopt_fp4": "ModelOptNvFp4Config",
        "modelopt_mixed": "ModelOptMixedPrecisionConfig",
        "mxfp4": "Mxfp4Config",
    },
    Backend.SGLANG: {
        "fp8": "Fp8Config",
        "modelopt_fp8": "ModelOptFp8Config",
        "modelopt_fp4": "ModelOptFp4Config",
        "mxfp4": "Mxfp4Config",
        "w4afp8": "W4AFp8Config",
    },
}
"""What engines call the weights."""


def why(sku: str, backend: Backend, quantization: str | None, release: tuple[int, int] = (1, 6)) -> str | None:
    gpu = find_gpu(sku)
    assert gpu is not None
    return why_not_on(gpu, backend, ModelFacts(quantization=quantization), release_of(release))


@pytest.mark.parametrize(
    ("sku", "backend", "quantization", "release", "reason"),
    [
        ("t4", Backend.TRTLLM, "", (1, 6), "trtllm 1.3.0rc29 needs compute capability 8.0, and t4 has 7.5"),
        ("t4", Backend.SGLANG, "", (1, 6), None),
        ("t4", Backend.VLLM, None, (1, 6), None),
        ("v100_sxm", Backend.SGLANG, "", (1, 6), "sglang 0.5.21 needs compute capability 7.5, and v100_sxm has 7.0"),
        (
            *("a100_sxm", Backend.SGLANG, "modelopt_fp8", (1, 6)),
            "sglang 0.5.21 needs compute capability 8.9 for modelopt_fp8 weights, and a100_sxm has 8.0",
        ),
        ("a100_sxm", Backend.SGLANG, "fp8", (1, 6), None),
        ("a100_sxm", Backend.VLLM, "modelopt_fp8", (1, 6), None),
        (
            *("a100_sxm", Backend.VLLM, "modelopt_fp8", (1, 4)),
            "vllm 0.26.0 needs compute capability 8.9 for modelopt_fp8 weights, and a100_sxm has 8.0",
        ),
        (
            *("h100_sxm", Backend.SGLANG, "modelopt_fp4", (1, 2)),
            "sglang 0.5.11 needs compute capability 10.0 for modelopt_fp4 weights, and h100_sxm has 9.0",
        ),
        ("h100_sxm", Backend.SGLANG, "modelopt_fp4", (1, 3), None),
        ("rtx_pro_6000_server", Backend.TRTLLM, "modelopt_fp4", (1, 6), None),
        ("mi300", Backend.TRTLLM, "modelopt_fp4", (1, 6), None),
    ],
)
def test_engine_that_does_not_start_on_a_gpu_says_what_it_needs(
    sku: str, backend: Backend, quantization: str | None, release: tuple[int, int], reason: str | None
) -> None:
    assert why(sku, backend, quantization, release) == reason


def test_every_gpu_of_nvidia_that_is_sold_has_a_compute_capability() -> None:
    assert [gpu.sku for gpu in GPUS if gpu.vendor == "nvidia" and gpu.capability is None] == ["vr_nvl72"]
    assert not any(gpu.capability for gpu in GPUS if gpu.vendor != "nvidia")


@pytest.mark.engines
@pytest.mark.parametrize("release", RELEASES, ids=str)
@pytest.mark.parametrize("backend", CLASSES)
def test_least_capabilities_are_those_of_the_engines(backend: Backend, release: Release) -> None:
    there = least(backend, release.checked)
    asked = {row.quantization for row in GPU_LIMITS if row.backend is backend} - {None}
    assert asked - CLASSES[backend].keys() <= {"modelopt_mixed"}  # of SGLang that asks ModelOpt's FP4
    for quantization, name in CLASSES[backend].items():
        rows = [row for row in GPU_LIMITS if row.applies(backend, ModelFacts(quantization=quantization), release)]
        ours = max(row.least for row in rows if row.quantization)
        assert there.get(name, ours) == ours, (quantization, name)
