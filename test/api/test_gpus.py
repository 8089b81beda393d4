"""The table of GPUs: what the design lists, under names that mean one SKU each."""

import pytest

from dgdr_api.gpus import GPUS, Gpu, find_gpu, unknown_gpu

DESIGN = (
    "gb200 gb300 b300_sxm b200_sxm h200_sxm h200_nvl h100_sxm h100_pcie h100_nvl h20_sxm gh200 a100_sxm a100_pcie a30 "
    "a10 l40s l40 l4 rtx_pro_6000_server v100_sxm v100_pcie t4 gb10 vr_nvl72 mi200 mi300 b60"
)
NAMES = [name for gpu in GPUS for name in (gpu.sku, *gpu.deprecated)]


def test_table_knows_exactly_the_skus_of_the_design() -> None:
    assert {gpu.sku for gpu in GPUS} == set(DESIGN.split())


def test_names_are_given_once() -> None:
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_name_is_in_lower_case_with_underscores(name: str) -> None:
    assert name == name.lower()
    assert name.replace("_", "").isalnum()


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.sku)
def test_gpu_is_found_by_each_of_its_names_and_is_plausible(gpu: Gpu) -> None:
    assert [find_gpu(name) for name in (gpu.sku, *gpu.deprecated)] == [gpu for _ in (gpu.sku, *gpu.deprecated)]
    assert 15_000 <= gpu.vram_mib <= 300_000
    assert gpu.gpus_per_node in {1, 4, 8}


def test_old_name_of_gb200_still_finds_it() -> None:
    gpu = find_gpu("gb200_sxm")
    assert gpu is not None
    assert gpu.sku == "gb200"


@pytest.mark.parametrize("name", ["", "H100_SXM", "h100", "h100-sxm", "unknown"])
def test_unknown_name_finds_nothing(name: str) -> None:
    assert find_gpu(name) is None


def test_error_quotes_the_name_and_lists_the_skus_but_no_deprecated_name() -> None:
    error = unknown_gpu("spec.hardware.gpuSku", 'h"1')
    assert error.kind == r'Unsupported value: "h\"1"'
    assert error.detail == "supported values: " + ", ".join(f'"{gpu.sku}"' for gpu in GPUS)
    assert "gb200_sxm" not in error.detail
