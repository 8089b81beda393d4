"""What one node offers, as the labels of NVIDIA's GPU Feature Discovery and its allocatable resources say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dgdr_api.dgd import GPU_RESOURCE
from dgdr_api.gpus import Gpu, find_product
from dgdr_controller.kinds import Node

_PRODUCT = "nvidia.com/gpu.product"
_MEMORY = "nvidia.com/gpu.memory"
_RDMA = "rdma/"
"""What the names begin with by which device plugins offer RDMA (k8s-rdma-shared-dev-plugin, network operator)."""
_KEEPS_AWAY = {"NoSchedule", "NoExecute"}


@dataclass(frozen=True, slots=True)
class NodeGpus:
    """GPUs of a node.

    Attributes:
        node: Name of the node.
        product: Product name, as labelled.
        gpu: The SKU, or None when the product is unknown.
        count: Whole GPUs that pods can get.
        vram_mib: Memory of one in MiB, or None when no label says it.
        out: Why none of them can be used now, or empty.
        rdma: Resource by which the node offers RDMA devices, and how many; None: there is none.
    """

    node: str
    product: str
    gpu: Gpu | None
    count: int
    vram_mib: int | None
    out: str = ""
    rdma: tuple[str, int] | None = None


def strip_unused_fields(node: dict[str, Any]) -> dict[str, Any]:
    """Keep of a node what is read here: images, addresses and volumes make up most of it."""
    metadata, spec, status = (node.get(part) or {} for part in ("metadata", "spec", "status"))
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name in (_PRODUCT, _MEMORY)}
    kept = {name: metadata[name] for name in ("name", "uid", "resourceVersion") if name in metadata}
    offered = (status.get("allocatable") or {}).items()
    devices = {name: value for name, value in offered if name == GPU_RESOURCE or name.startswith(_RDMA)}
    ready = [condition for condition in status.get("conditions") or () if condition.get("type") == "Ready"]
    return {
        "metadata": kept | {"labels": labels},
        "spec": {name: spec[name] for name in ("unschedulable", "taints") if name in spec},
        "status": {"allocatable": devices, "conditions": ready},
    }


def read_node(node: Node) -> NodeGpus | None:
    """Return the GPUs of a node, or None for a node without."""
    labels = node.metadata.labels
    product = labels.get(_PRODUCT, "")
    count = _whole(node.status.allocatable.get(GPU_RESOURCE, "0"))
    if not product and not count:
        return None
    return NodeGpus(
        node=node.metadata.name,
        product=product,
        gpu=find_product(product),
        count=count,
        vram_mib=_whole(labels.get(_MEMORY, "0")) or None,
        out=_out(node, product),
        rdma=_rdma(node),
    )


def _rdma(node: Node) -> tuple[str, int] | None:
    """Return the resource by which a node offers RDMA; of several the first by name, so that nodes agree."""
    offered = ((name, _devices(count)) for name, count in node.status.allocatable.items() if name.startswith(_RDMA))
    return min(((name, count) for name, count in offered if count), default=None)


def _devices(quantity: str) -> int:
    """Read a number of devices; shared ones come by the thousand, which Kubernetes writes as 1k."""
    return _whole(quantity.removesuffix("k")) * (1000 if quantity.endswith("k") else 1)


def _out(node: Node, product: str) -> str:
    """Say why a node's GPUs do not count: slices of a GPU are no GPUs, and pods must get there."""
    if "-MIG-" in product:
        return "its GPUs are partitioned into MIG instances"
    if product.endswith("-SHARED"):
        return "its GPUs are time-sliced"
    if not any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions):
        return "it is not ready"
    if node.spec.unschedulable:
        return "it is cordoned"
    # The taint that GPU nodes carry by custom; pods with GPUs get its toleration from an admission plugin.
    taints = [taint for taint in node.spec.taints if taint.effect in _KEEPS_AWAY and taint.key != GPU_RESOURCE]
    return f"it has taint {taints[0].key}" if taints else ""


def _whole(text: str) -> int:
    """Read a number from a label or a quantity; what is no whole number counts as none."""
    return int(text) if text.isdecimal() else 0


def by_product(found: Sequence[NodeGpus]) -> Mapping[str, list[NodeGpus]]:
    """Group nodes by SKU, or by product where the SKU is unknown."""
    groups: dict[str, list[NodeGpus]] = {}
    for node in found:
        groups.setdefault(node.gpu.sku if node.gpu else node.product, []).append(node)
    return groups
