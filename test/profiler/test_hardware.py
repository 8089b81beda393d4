import pytest

from dgdr_api.errors import InvalidRequestError
from dgdr_api.hardware import ValueSource
from dgdr_api.v1beta1 import Hardware
from dgdr_controller.profiler.hardware import HardwareOptions, resolve_hardware

WRITTEN = Hardware(gpu_sku="h100_sxm", total_gpus=4, num_gpus_per_node=2)


def test_hardware_of_the_request_is_used_and_the_table_fills_the_rest() -> None:
    gpu, hardware, notes = resolve_hardware(Hardware(gpu_sku="gb200_sxm", total_gpus=4), HardwareOptions())
    assert (gpu.sku, hardware.gpu_sku, notes) == ("gb200", "gb200", [])
    assert (hardware.total_gpus.value, hardware.total_gpus.source) == (4, ValueSource.SPEC)
    assert (hardware.num_gpus_per_node.value, hardware.num_gpus_per_node.source) == (4, ValueSource.SKU_TABLE)
    assert hardware.vram_mib.source is ValueSource.SKU_TABLE


def test_options_stand_before_the_request_and_each_replacement_is_noted() -> None:
    given = HardwareOptions("h200_sxm", total_gpus=8, gpus_per_node=8)
    gpu, hardware, notes = resolve_hardware(WRITTEN, given)
    assert gpu.sku == "h200_sxm"
    assert hardware.gpu_sku_source is hardware.total_gpus.source is ValueSource.COMMAND_LINE
    assert notes == [
        "--gpu-sku h200_sxm replaces spec.hardware.gpuSku h100_sxm",
        "--total-gpus 8 replaces spec.hardware.totalGpus 4",
        "--gpus-per-node 8 replaces spec.hardware.numGpusPerNode 2",
    ]


def test_option_that_says_the_same_replaces_nothing() -> None:
    assert resolve_hardware(WRITTEN, HardwareOptions("h100_sxm", 4, 2))[2] == []


@pytest.mark.parametrize(("vram_mb", "noted"), [(81_000.0, False), (40_960.0, True)])
def test_memory_of_another_amount_is_another_device(vram_mb: float, noted: bool) -> None:  # noqa: FBT001
    _, hardware, notes = resolve_hardware(WRITTEN.model_copy(update={"vram_mb": vram_mb}), HardwareOptions())
    assert (hardware.vram_mib.value, hardware.vram_mib.source) == (int(vram_mb), ValueSource.SPEC)
    assert bool(notes) == noted


@pytest.mark.parametrize(
    ("spec", "given", "fields"),
    [
        (Hardware(), HardwareOptions(), ["spec.hardware.gpuSku", "spec.hardware.totalGpus"]),
        (Hardware(), HardwareOptions("voodoo2", 0, -1), ["--gpu-sku", "--total-gpus", "--gpus-per-node"]),
        (Hardware(gpu_sku="h100_sxm"), HardwareOptions(), ["spec.hardware.totalGpus"]),
    ],
)
def test_mistakes_are_all_named(spec: Hardware, given: HardwareOptions, fields: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        resolve_hardware(spec, given)
    assert [error.path for error in caught.value.errors] == fields
