"""The hardware of a request: what its author wrote, then what the cluster tells, then the SKU's line in the table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dgdr_api.errors import InvalidRequestError
from dgdr_api.gpus import UNKNOWN_SKU, Gpu, find_gpu, unknown_gpu
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.v1beta1 import Hardware
from dgdr_controller.hardware.nodes import NodeGpus, by_product, untolerated
from dgdr_controller.kinds import Toleration

DISCOVERED_CAP = 32
"""GPUs that a request uses at most when it does not say how many, as with Dynamo; a written number is not capped."""
_NVLINKED = {"sxm", "superchip"}
_SHOWN = 5


class HardwareNotFoundError(Exception):
    """The hardware cannot be resolved now; nodes may still come. The message says what was looked for and found."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster's GPUs as one request may use them.

    Attributes:
        nodes: The nodes with GPUs.
        tolerations: What the request's pods tolerate.
    """

    nodes: Sequence[NodeGpus]
    tolerations: Sequence[Toleration] = ()

    def why_not(self, node: NodeGpus) -> str:
        """Say why none of a node's GPUs can be used, or nothing."""
        taint = untolerated(node, self.tolerations)
        return node.out or (f"it has taint {taint.key}" if taint else "")

    @property
    def usable(self) -> list[NodeGpus]:
        """Nodes with GPUs that can be used."""
        return [node for node in self.nodes if node.count and not self.why_not(node)]


def resolve(
    spec: Hardware, nodes: Sequence[NodeGpus], *, multinode: bool = True, tolerations: Sequence[Toleration] = ()
) -> HardwareUsed:
    """Return everything about the hardware, with sources.

    Args:
        spec: What the request says; never replaced.
        nodes: The cluster's nodes with GPUs.
        multinode: Whether the cluster can run an engine over several nodes.
        tolerations: What the request's pods tolerate.

    Raises:
        InvalidRequestError: The request names an unknown GPU.
        HardwareNotFoundError: Something is not written and the cluster does not tell it.
    """
    cluster = Cluster(nodes, tolerations)
    sku, offered, source = _offered(spec, cluster)
    gpu = find_gpu(sku)
    total = sum(node.count for node in offered)
    per_node = _usual([node.count for node in offered])
    found = ValueSource.NODE_ALLOCATABLE
    vram = _vram(spec, offered) or (gpu and Resolved(value=gpu.vram_mib, source=ValueSource.SKU_TABLE))
    return HardwareUsed(
        gpu_sku=sku,
        gpu_sku_source=source,
        total_gpus=_first(spec.total_gpus, min(total, DISCOVERED_CAP), found)
        or _missing(f"spec.hardware.totalGpus (of {sku})", cluster),
        num_gpus_per_node=_first(spec.num_gpus_per_node, per_node, found)
        or (Resolved(value=gpu.gpus_per_node, source=ValueSource.SKU_TABLE) if gpu else None)
        or _missing("spec.hardware.numGpusPerNode", cluster),
        vram_mib=vram or _missing("spec.hardware.vramMb", cluster),
        products=_products(offered, nodes),
        multinode=multinode,
        **_interconnect(spec, offered, gpu),
        **_rdma(spec, offered),
    )


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many GPUs of a SKU a cluster has for a request.

    Attributes:
        found: On nodes that can be used.
        free: Of these, not requested by any pod; None: not known.
        most_on_a_node: The same of the node that has most of them.
    """

    found: int
    free: int | None
    most_on_a_node: int | None = None


def capacity(sku: str, nodes: Sequence[NodeGpus], tolerations: Sequence[Toleration] = ()) -> Capacity:
    """Return how many GPUs of a SKU there are for a request, which may use fewer."""
    usable = Cluster(nodes, tolerations).usable
    own = [node for node in usable if (node.gpu.sku if node.gpu else UNKNOWN_SKU) == sku]
    free = [max(0, node.count - node.used) for node in own if node.used is not None]
    found = sum(node.count for node in own)
    return Capacity(found, sum(free), max(free)) if own and len(free) == len(own) else Capacity(found, None)


def _offered(spec: Hardware, cluster: Cluster) -> tuple[str, list[NodeGpus], ValueSource]:
    """Return the SKU, the nodes that offer it, and what says that.

    Discovered is the SKU with the most whole GPUs; of a tie the one with more memory. GPUs that are not in the table
    count only where there are no others.
    """
    usable = cluster.usable
    if spec.gpu_sku:
        gpu = find_gpu(spec.gpu_sku)
        if gpu is None:
            raise InvalidRequestError([unknown_gpu("spec.hardware.gpuSku", spec.gpu_sku)])
        return gpu.sku, [node for node in usable if node.gpu == gpu], ValueSource.SPEC
    known = {node.gpu.sku: node.gpu for node in usable if node.gpu}
    groups = by_product([node for node in usable if (node.gpu is not None) == bool(known)])
    if not groups:
        _missing("spec.hardware.gpuSku", cluster)

    def offer(name: str) -> tuple[int, int, str]:
        # The table's memory, not a label's: that may be missing, and which node comes first must not matter.
        return sum(node.count for node in groups[name]), known[name].vram_mib if known else 0, name

    best = max(groups, key=offer)
    return best if known else UNKNOWN_SKU, groups[best], _common(node.gpu_source for node in groups[best])


def _common(sources: Iterable[ValueSource]) -> ValueSource:
    """Return the source of several nodes: of different ones the less exact."""
    return ValueSource.NODE_LABELS if ValueSource.NODE_LABELS in (found := set(sources)) else found.pop()


def _products(offered: Sequence[NodeGpus], nodes: Sequence[NodeGpus]) -> tuple[str, ...]:
    """Return the labels that tell the nodes that are meant from others; none where there are no others."""
    wanted = {node.product for node in offered if node.product}
    others = {node.product for node in nodes} - wanted
    return tuple(sorted(wanted)) if others else ()


def _vram(spec: Hardware, offered: Sequence[NodeGpus]) -> Resolved | None:
    """Return the least memory of the nodes' GPUs, where the request does not say it."""
    known = [(node.vram_mib, node.vram_source) for node in offered if node.vram_mib]
    least, source = min(known, default=(None, ValueSource.NODE_LABELS))
    return _first(int(spec.vram_mb) if spec.vram_mb else None, least, source)


def _interconnect(spec: Hardware, offered: Sequence[NodeGpus], gpu: Gpu | None) -> dict[str, Any]:
    if spec.interconnect:
        return {"interconnect": spec.interconnect, "interconnect_source": ValueSource.SPEC}
    measured = {node.interconnect for node in offered}
    if len(measured) == 1 and None not in measured:
        return {"interconnect": measured.pop(), "interconnect_source": ValueSource.DCGM}
    if gpu is not None and gpu.vendor == "nvidia" and gpu.form_factor in _NVLINKED:
        return {"interconnect": "nvlink", "interconnect_source": ValueSource.SKU_TABLE}
    return {}


def _rdma(spec: Hardware, offered: Sequence[NodeGpus]) -> dict[str, Any]:
    """Return whether there is RDMA, and the resource that every node offers with the fewest of a node.

    A pod must find a place on any of the nodes. What no label and no resource says stays unknown.
    """
    names = {node.rdma[0] if node.rdma else None for node in offered}
    devices: dict[str, Any] = {}
    if spec.rdma is not False and len(names) == 1 and None not in names:
        devices = {"rdma_resource": names.pop(), "rdma_per_node": min(node.rdma[1] for node in offered if node.rdma)}
    if spec.rdma is not None:
        return devices | {"rdma": spec.rdma, "rdma_source": ValueSource.SPEC}
    if devices:
        return devices | {"rdma": True, "rdma_source": ValueSource.NODE_ALLOCATABLE}
    labelled = {node.has_rdma for node in offered}
    if not labelled or (None in labelled and False not in labelled):
        return {}
    return {"rdma": labelled == {True}, "rdma_source": ValueSource.NODE_LABELS}


def _first(written: int | None, discovered: int | None, source: ValueSource) -> Resolved | None:
    if written:
        return Resolved(value=written, source=ValueSource.SPEC)
    return Resolved(value=discovered, source=source) if discovered else None


def _usual(counts: Sequence[int]) -> int | None:
    """Return the most common number, the larger one of a tie."""
    return max(Counter(sorted(counts, reverse=True)).items(), key=lambda item: item[1])[0] if counts else None


def _missing(what: str, cluster: Cluster) -> Any:
    raise HardwareNotFoundError(_sentence(what, cluster))


def _sentence(what: str, cluster: Cluster) -> str:
    """Name what is missing, what the nodes offer instead, and the way out. The first sentence is upstream's."""
    seen = [_seen(node, cluster.why_not(node)) for node in cluster.nodes]
    return (
        f"GPU hardware info required but auto-discovery failed. {what} is not set, and of the cluster's nodes "
        f"{'none has GPUs' if not seen else 'none fits: ' + '; '.join(seen[:_SHOWN])}. Set "
        "spec.hardware.{gpuSku,vramMb,totalGpus,numGpusPerNode} explicitly, label the nodes (GPU Feature Discovery), "
        "or run a DCGM exporter"
    )


def _seen(node: NodeGpus, why_not: str) -> str:
    reasons = [reason for reason in (why_not, node.problem) if reason]
    counted = f"{node.node}: {node.count} × {node.product or 'GPUs without product label'}"
    return f"{counted} ({'; '.join(reasons)})" if reasons else counted
