from typing import Any

import msgspec
import pytest

from dgdr_api.v1beta1 import Hardware
from dgdr_controller.hardware.nodes import NodeGpus, read_node, strip_unused_fields
from dgdr_controller.hardware.resolve import resolve
from dgdr_controller.hardware.status import shown, used
from dgdr_controller.kinds import NODES


def node(product: str = "NVIDIA-H200", **devices: str) -> NodeGpus:
    manifest: dict[str, Any] = {
        "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": "143771"}},
        "status": {
            "allocatable": {"nvidia.com/gpu": "8", "cpu": "96"} | {f"rdma/{k}": v for k, v in devices.items()},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    found = read_node(NODES.decode(msgspec.json.encode(strip_unused_fields(manifest))))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("nodes", "resource", "per_node"),
    [
        ([node(ib="8"), node(ib="4")], "rdma/ib", 4),
        ([node(hca_shared="1k")], "rdma/hca_shared", 1000),
        ([node(ib="8", roce="2")], "rdma/ib", 8),
        ([node(ib="8"), node()], None, 0),
        ([node(ib="8"), node(roce="8")], None, 0),
        ([node(ib="0")], None, 0),
        ([node()], None, 0),
    ],
)
def test_pod_must_find_a_place_on_any_node(nodes: list[NodeGpus], resource: str | None, per_node: int) -> None:
    found = resolve(Hardware(), nodes)
    assert (found.rdma_resource, found.rdma_per_node) == (resource, per_node)
    assert used(shown(found)) == found


def test_rdma_that_is_switched_off_is_none() -> None:
    assert resolve(Hardware(rdma=False), [node(ib="8")]).rdma_resource is None


def test_products_are_told_apart_where_there_are_others() -> None:
    alone = resolve(Hardware(), [node(), node("NVIDIA-H200-141GB")])
    assert alone.products == ()
    mixed = resolve(Hardware(gpu_sku="h200_sxm"), [node(), node("NVIDIA-H200-141GB"), node("Tesla-T4")])
    assert mixed.products == ("NVIDIA-H200", "NVIDIA-H200-141GB")
    assert used(shown(mixed)) == mixed
