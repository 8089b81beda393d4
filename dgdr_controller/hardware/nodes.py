"""What one node offers, as its labels and its allocatable resources say.

Labels are those of NVIDIA's GPU Feature Discovery, AMD's labeller and Node Feature Discovery.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dgdr_api.dgd import GPU_RESOURCES
from dgdr_api.gpus import Gpu, find_product
from dgdr_api.hardware import ValueSource
from dgdr_controller.hardware.dcgm import Measured
from dgdr_controller.kinds import Node, Taint, Toleration

_PRODUCTS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name", "beta.amd.com/gpu.product-name")
_NVIDIA_MEMORY = "nvidia.com/gpu.memory"
"""In MiB."""
_AMD_MEMORY = ("amd.com/gpu.vram", "beta.amd.com/gpu.vram")
"""With a unit, of 1024 each: 192G."""
_AMD_COUNTED = tuple(f"{name}." for name in (*_PRODUCTS[1:], *_AMD_MEMORY))
"""What labels begin with that have the value in their name, and as value how many GPUs have it: AMD's labeller writes
them beside the others, or instead of them where GPUs differ; its older releases wrote no other ones."""
_AMD_PARTITION = "amd.com/compute-memory-partition"
"""How AMD's GPUs are partitioned: spx_nps1 is whole ones; of a GPU in dpx, tpx, qpx or cpx each part is a device."""
_REPLICAS = "nvidia.com/gpu.replicas"
"""How many pods share a GPU: more than one when it is time-sliced, or shared by MPS."""
_RDMA = "rdma/"
"""What the names begin with by which device plugins offer RDMA (k8s-rdma-shared-dev-plugin, network operator)."""
_RDMA_LABELS = (
    "nvidia.com/rdma.present",
    "feature.node.kubernetes.io/rdma.available",
    "feature.node.kubernetes.io/network-sriov.capable",
)
_LABELS = frozenset({*_PRODUCTS, _NVIDIA_MEMORY, *_AMD_MEMORY, _AMD_PARTITION, _REPLICAS, *_RDMA_LABELS})
_KEEPS_AWAY = {"NoSchedule", "NoExecute"}
_UNITS_MIB = {"M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True, slots=True)
class NodeGpus:
    """GPUs of a node.

    Attributes:
        node: Name of the node.
        product: Product name, as labelled.
        gpu: The SKU, or None when the product is unknown.
        count: Whole GPUs that pods can get.
        vram_mib: Memory of one in MiB, or None when nothing says it.
        out: Why none of them can be used by any pod now, or empty.
        taints: What keeps pods away that do not tolerate it.
        rdma: Resource by which the node offers RDMA devices, and how many; None: there is none.
        has_rdma: Whether the node reaches others by RDMA; None: nothing says it.
        interconnect: Between its GPUs, "nvlink" or "pcie"; None: nothing says it.
        used: GPUs that pods on it have requested; None: not known.
        gpu_source: What says the SKU.
        vram_source: What says the memory.
        problem: Why its DCGM exporter says nothing, or empty.
    """

    node: str
    product: str
    gpu: Gpu | None
    count: int
    vram_mib: int | None
    out: str = ""
    taints: tuple[Taint, ...] = ()
    rdma: tuple[str, int] | None = None
    has_rdma: bool | None = None
    interconnect: str | None = None
    used: int | None = None
    gpu_source: ValueSource = ValueSource.NODE_LABELS
    vram_source: ValueSource = ValueSource.NODE_LABELS
    problem: str = ""


def strip_unused_fields(node: dict[str, Any]) -> dict[str, Any]:
    """Keep of a node what is read here: images, addresses and volumes make up most of it."""
    metadata, spec, status = (node.get(part) or {} for part in ("metadata", "spec", "status"))
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if _is_read(name)}
    kept = {name: metadata[name] for name in ("name", "uid", "resourceVersion") if name in metadata}
    offered = (status.get("allocatable") or {}).items()
    gpus = set(GPU_RESOURCES.values())
    devices = {name: value for name, value in offered if name in gpus or name.startswith((_RDMA, _MIG_RESOURCE))}
    ready = [condition for condition in status.get("conditions") or () if condition.get("type") == "Ready"]
    return {
        "metadata": kept | {"labels": labels},
        "spec": {name: spec[name] for name in ("unschedulable", "taints") if name in spec},
        "status": {"allocatable": devices, "conditions": ready},
    }


_MIG_RESOURCE = "nvidia.com/mig-"


def _is_read(label: str) -> bool:
    return label in _LABELS or label.startswith(_AMD_COUNTED)


def read_node(node: Node) -> NodeGpus | None:
    """Return the GPUs of a node, or None for a node without."""
    labels = node.metadata.labels
    product = _product(labels)
    offered = node.status.allocatable
    count = sum(_whole(offered.get(resource, "0")) for resource in GPU_RESOURCES.values())
    slices = any(name.startswith(_MIG_RESOURCE) and _whole(number) for name, number in offered.items())
    if not product and not count and not slices:
        return None
    rdma = _rdma(node)
    return NodeGpus(
        node=node.metadata.name,
        product=product,
        gpu=find_product(product),
        count=count,
        vram_mib=_memory(labels),
        out=_out(node, product, count, slices=slices),
        taints=tuple(taint for taint in node.spec.taints if taint.effect in _KEEPS_AWAY),
        rdma=rdma,
        has_rdma=True if rdma else _labelled_rdma(labels),
    )


def with_measured(node: NodeGpus, measured: Measured | str | None) -> NodeGpus:
    """Return a node with what its DCGM exporter says: that is truer than labels, which somebody writes.

    Args:
        node: What the API server says.
        measured: What the exporter says, or why it says nothing; None: the node has no exporter.
    """
    if measured is None:
        return node
    if isinstance(measured, str):
        return replace(node, problem=measured)
    if measured.is_partitioned:
        return replace(node, out=node.out or _PARTITIONED)
    merged = replace(node, interconnect=measured.interconnect)
    if found := find_product(measured.product):
        merged = replace(merged, gpu=found, gpu_source=ValueSource.DCGM)
    if measured.vram_mib:
        merged = replace(merged, vram_mib=measured.vram_mib, vram_source=ValueSource.DCGM)
    return merged


_PARTITIONED = "its GPUs are partitioned into MIG instances"
_PARTS = ("dpx", "tpx", "qpx", "cpx")


def untolerated(node: NodeGpus, tolerations: Sequence[Toleration]) -> Taint | None:
    """Return a taint that keeps pods with these tolerations away, or None.

    The taint that GPU nodes carry by custom keeps none away: pods that request GPUs get its toleration from the
    admission plugin ExtendedResourceToleration, or from Dynamo.
    """
    customary = set(GPU_RESOURCES.values())
    kept_away = (taint for taint in node.taints if taint.key not in customary)
    return next((taint for taint in kept_away if not any(_tolerates(t, taint) for t in tolerations)), None)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Compare as the scheduler does: without a key all, without an effect each."""
    if toleration.effect not in ("", taint.effect):
        return False
    if toleration.operator == "Exists":
        return toleration.key in ("", taint.key)
    return toleration.key == taint.key and toleration.value == taint.value


def _product(labels: Mapping[str, str]) -> str:
    return _labelled(labels, _PRODUCTS)


def _memory(labels: Mapping[str, str]) -> int | None:
    if nvidia := _whole(labels.get(_NVIDIA_MEMORY, "0")):
        return nvidia
    if found := re.fullmatch(r"(\d{1,9})([MGT])i?", _labelled(labels, _AMD_MEMORY)):
        return int(found[1]) * _UNITS_MIB[found[2]] or None
    return None


def _labelled(labels: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the value of the first of these labels; without any, one that a label has in its name."""
    counted = (
        label.removeprefix(f"{name}.") for name in names for label in sorted(labels) if label.startswith(f"{name}.")
    )
    return next((labels[name] for name in names if labels.get(name)), None) or next(counted, "")


def _rdma(node: Node) -> tuple[str, int] | None:
    """Return the resource by which a node offers RDMA; of several the first by name, so that nodes agree."""
    offered = ((name, _devices(count)) for name, count in node.status.allocatable.items() if name.startswith(_RDMA))
    return min(((name, count) for name, count in offered if count), default=None)


def _labelled_rdma(labels: Mapping[str, str]) -> bool | None:
    """Read what labels say; of several, one that says yes is right: each knows one kind of network."""
    values = [labels[name].lower() == "true" for name in _RDMA_LABELS if name in labels]
    return any(values) if values else None


def _devices(quantity: str) -> int:
    """Read a number of devices; shared ones come by the thousand, which Kubernetes writes as 1k."""
    return _whole(quantity.removesuffix("k")) * (1000 if quantity.endswith("k") else 1)


def _out(node: Node, product: str, count: int, *, slices: bool) -> str:
    """Say why no pod gets a whole GPU of a node: slices of a GPU are no GPUs."""
    if "-MIG-" in product.upper() or (slices and not count):
        return _PARTITIONED
    if (partition := node.metadata.labels.get(_AMD_PARTITION, "").lower()).startswith(_PARTS):
        return f"its GPUs are partitioned: {partition}"
    if product.endswith("-SHARED") or _whole(node.metadata.labels.get(_REPLICAS, "0")) > 1:
        return "its GPUs are time-sliced"
    if not any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions):
        return "it is not ready"
    return "it is cordoned" if node.spec.unschedulable else ""


def _whole(text: str) -> int:
    """Read a number from a label or a quantity; what is no whole number counts as none."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else 0


_DIGITS = 12


def by_product(found: Iterable[NodeGpus]) -> Mapping[str, list[NodeGpus]]:
    """Group nodes by SKU, or by product where the SKU is unknown."""
    groups: dict[str, list[NodeGpus]] = {}
    for node in found:
        groups.setdefault(node.gpu.sku if node.gpu else node.product, []).append(node)
    return groups
