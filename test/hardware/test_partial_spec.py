"""A request that describes a part of its hardware: that part stays, the cluster tells the rest, or what is missing."""

import pytest

from dgdr_api.gpus import find_product
from dgdr_api.hardware import Resolved, ValueSource
from dgdr_api.v1beta1 import Hardware
from dgdr_controller.hardware.dcgm import Measured
from dgdr_controller.hardware.nodes import NodeGpus, with_measured
from dgdr_controller.hardware.resolve import HardwareNotFoundError, resolve

SPEC = ValueSource.SPEC
WHOLE = Hardware(gpu_sku="h200_sxm", total_gpus=4, num_gpus_per_node=4, vram_mb=100_000)


def gpus(product: str = "NVIDIA-H200", count: int = 8, vram: int = 143_771) -> NodeGpus:
    return NodeGpus(f"{product}-{count}", product, find_product(product), count, vram)


def test_sku_alone_is_discovered_and_the_users_numbers_stay() -> None:
    found = resolve(WHOLE.model_copy(update={"gpu_sku": None}), [gpus(), gpus()])
    assert (found.gpu_sku, found.gpu_sku_source) == ("h200_sxm", ValueSource.NODE_LABELS)
    assert found.total_gpus == Resolved(value=4, source=SPEC)
    assert found.num_gpus_per_node == Resolved(value=4, source=SPEC)
    assert found.vram_mib == Resolved(value=100_000, source=SPEC)


def test_total_alone_is_discovered_and_the_users_numbers_stay() -> None:
    found = resolve(WHOLE.model_copy(update={"total_gpus": None}), [gpus(), gpus()])
    assert found.total_gpus == Resolved(value=16, source=ValueSource.NODE_ALLOCATABLE)
    assert (found.num_gpus_per_node.source, found.vram_mib.source) == (SPEC, SPEC)


def test_memory_and_gpus_per_node_of_the_user_leave_the_total_to_the_cluster() -> None:
    found = resolve(Hardware(vram_mb=100_000, num_gpus_per_node=4), [gpus()])
    assert (found.vram_mib.value, found.num_gpus_per_node.value, found.total_gpus.value) == (100_000, 4, 8)


def test_what_the_user_leaves_out_and_nobody_tells_is_named() -> None:
    with pytest.raises(HardwareNotFoundError, match=r"spec\.hardware\.totalGpus \(of h200_sxm\) is not set"):
        resolve(WHOLE.model_copy(update={"total_gpus": None}), [])


def test_interconnect_is_discovered_for_a_request_that_describes_the_rest() -> None:
    measured = Measured("NVIDIA H200", 143_000, "nvlink", is_partitioned=False)
    found = resolve(WHOLE, [with_measured(gpus(), measured)])
    assert (found.interconnect, found.interconnect_source) == ("nvlink", ValueSource.DCGM)
    assert found.vram_mib == Resolved(value=100_000, source=SPEC)


def test_described_hardware_needs_no_cluster() -> None:
    found = resolve(WHOLE, [])
    assert (found.gpu_sku, found.total_gpus.value, found.num_gpus_per_node.value) == ("h200_sxm", 4, 4)
    assert found.vram_mib == Resolved(value=100_000, source=SPEC)


@pytest.mark.parametrize(("sku", "total"), [(None, 16), ("h200_sxm", 16), ("a100_sxm", 4)])
def test_nodes_of_one_sku_are_counted_and_no_others(sku: str | None, total: int) -> None:
    nodes = [gpus(), gpus("NVIDIA-A100-SXM4-80GB", 4, 81_920), gpus()]
    found = resolve(Hardware(gpu_sku=sku), nodes)
    assert (found.gpu_sku, found.total_gpus.value) == (sku or "h200_sxm", total)
