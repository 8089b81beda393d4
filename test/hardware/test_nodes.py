from typing import Any

import msgspec
import pytest

from dgdr_controller.hardware.nodes import NodeGpus, by_product, read_node, strip_unused_fields, untolerated
from dgdr_controller.kinds import NODES

READY = {"type": "Ready", "status": "True"}


def node(
    product: str | None = "NVIDIA-H200",
    gpus: str | None = "8",
    *,
    ready: str = "True",
    labels: dict[str, str] | None = None,
    spec: dict[str, Any] | None = None,
) -> NodeGpus | None:
    """Read a node as the API server writes one."""
    named = {"nvidia.com/gpu.product": product} if product is not None else {}
    allocatable = {"cpu": "64", "pods": "110"} | ({"nvidia.com/gpu": gpus} if gpus is not None else {})
    manifest = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1", "labels": named | (labels or {})},
        "spec": spec or {},
        "status": {"allocatable": allocatable, "conditions": [READY | {"status": ready}]},
    }
    whole, kept = (
        NODES.decode(msgspec.json.encode(document)) for document in (manifest, strip_unused_fields(manifest))
    )
    assert read_node(kept) == read_node(whole)
    return read_node(whole)


def test_node_is_kept_without_what_is_not_read() -> None:
    images = [{"names": [f"registry/image:{number}"], "sizeBytes": 1} for number in range(50)]
    labels = {"kubernetes.io/hostname": "n1", "nvidia.com/gpu.product": "NVIDIA-H200"}
    manifest = {
        "metadata": {"name": "n1", "uid": "u", "resourceVersion": "7", "labels": labels},
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {"images": images, "allocatable": {"cpu": "8", "nvidia.com/gpu": "8"}},
    }
    assert strip_unused_fields(manifest) == {
        "metadata": {
            "name": "n1", "uid": "u", "resourceVersion": "7", "labels": {"nvidia.com/gpu.product": "NVIDIA-H200"},
        },
        "spec": {},
        "status": {"allocatable": {"nvidia.com/gpu": "8"}, "conditions": []},
    }  # fmt: skip


def test_whole_node_is_usable() -> None:
    found = node(labels={"nvidia.com/gpu.memory": "143771"})
    assert found is not None
    assert (found.node, found.product, found.count, found.vram_mib, found.out) == ("n1", "NVIDIA-H200", 8, 143771, "")
    assert found.gpu is not None
    assert found.gpu.sku == "h200_sxm"


def test_node_without_gpus_is_none() -> None:
    assert node(product=None, gpus=None) is None
    assert node(product=None, gpus="0") is None


def test_gpus_without_a_label_are_counted_but_have_no_sku() -> None:
    found = node(product=None)
    assert found is not None
    assert (found.gpu, found.count, found.product) == (None, 8, "")


@pytest.mark.parametrize("label", ["", "many", "-4", "80 GB"])
def test_memory_that_is_no_number_is_not_known(label: str) -> None:
    found = node(labels={"nvidia.com/gpu.memory": label})
    assert found is not None
    assert found.vram_mib is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (node("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"), "its GPUs are partitioned into MIG instances"),
        (node("NVIDIA-H200-mig-7G.141GB"), "its GPUs are partitioned into MIG instances"),
        (node(None, labels={"amd.com/compute-memory-partition": "cpx_nps4"}), "its GPUs are partitioned: cpx_nps4"),
        (node(None, labels={"amd.com/compute-memory-partition": "spx_nps1"}), ""),
        (node("NVIDIA-A10G-SHARED"), "its GPUs are time-sliced"),
        (node("NVIDIA-A10G", labels={"nvidia.com/gpu.replicas": "4"}), "its GPUs are time-sliced"),
        (node("NVIDIA-A10G", labels={"nvidia.com/gpu.replicas": "1"}), ""),
        (node(ready="False"), "it is not ready"),
        (node(ready="Unknown"), "it is not ready"),
        (node(spec={"unschedulable": True}), "it is cordoned"),
        (node(spec={"taints": [{"key": "team", "effect": "NoSchedule"}]}), "it has taint team"),
        (node(spec={"taints": [{"key": "team", "value": "a", "effect": "NoExecute"}]}), "it has taint team"),
        (node(spec={"taints": [{"key": "team", "effect": "PreferNoSchedule"}]}), ""),
        (node(spec={"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]}), ""),
    ],
)
def test_node_says_what_keeps_it_out(found: NodeGpus | None, why: str) -> None:
    assert found is not None
    taint = untolerated(found, ())
    assert (found.out or (f"it has taint {taint.key}" if taint else "")) == why


def test_gpus_in_mig_mode_of_their_own_resources_are_seen_and_not_whole() -> None:
    manifest = {
        "metadata": {"name": "n1", "labels": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}},
        "status": {"allocatable": {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "7"}, "conditions": [READY]},
    }
    found = read_node(NODES.decode(msgspec.json.encode(strip_unused_fields(manifest))))
    assert found is not None
    assert (found.count, found.out) == (0, "its GPUs are partitioned into MIG instances")


@pytest.mark.parametrize(
    ("labels", "product", "vram"),
    [
        (
            {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"},
            "AMD_Instinct_MI300X_OAM",
            196_608,
        ),
        ({"beta.amd.com/gpu.product-name.MI300X": "8", "beta.amd.com/gpu.vram": "196608M"}, "MI300X", 196_608),
        ({"beta.amd.com/gpu.product-name.MI300X": "8", "beta.amd.com/gpu.vram.192G": "8"}, "MI300X", 196_608),
        ({"amd.com/gpu.product-name.Instinct_MI210": "4", "amd.com/gpu.vram.64G": "4"}, "Instinct_MI210", 65_536),
        ({"amd.com/gpu.product-name": "MI210", "amd.com/gpu.vram": "lots"}, "MI210", None),
    ],
)
def test_gpus_of_amd_are_read_off_its_labels(labels: dict[str, str], product: str, vram: int | None) -> None:
    manifest = {
        "metadata": {"name": "n1", "labels": labels},
        "status": {"allocatable": {"amd.com/gpu": "8"}, "conditions": [READY]},
    }
    found = read_node(NODES.decode(msgspec.json.encode(strip_unused_fields(manifest))))
    assert found is not None
    assert (found.product, found.count, found.vram_mib) == (product, 8, vram)
    assert found.gpu is not None
    assert found.gpu.vendor == "amd"


@pytest.mark.parametrize(
    ("labels", "has"),
    [
        ({}, None),
        ({"nvidia.com/rdma.present": "true"}, True),
        ({"feature.node.kubernetes.io/rdma.available": "false"}, False),
        ({"nvidia.com/rdma.present": "false", "feature.node.kubernetes.io/network-sriov.capable": "true"}, True),
    ],
)
def test_rdma_that_no_label_tells_is_unknown(labels: dict[str, str], *, has: bool | None) -> None:
    found = node(labels=labels)
    assert found is not None
    assert found.has_rdma is has


def test_gpus_of_mixed_mig_are_none_though_the_product_is_plain() -> None:
    found = node("NVIDIA-A100-SXM4-80GB", gpus="0", labels={"nvidia.com/mig.strategy": "mixed"})
    assert found is not None
    assert found.count == 0


def test_nodes_of_one_sku_are_one_group_whatever_their_labels_say() -> None:
    found = [node("NVIDIA-H100-80GB-HBM3"), node("NVIDIA-H100"), node("Odd"), node("NVIDIA-L40S")]
    groups = by_product([node_gpus for node_gpus in found if node_gpus])
    assert {name: len(group) for name, group in groups.items()} == {"h100_sxm": 2, "Odd": 1, "l40s": 1}
