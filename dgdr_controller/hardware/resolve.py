"""The hardware of a request: what its author wrote, then what the nodes offer, then the SKU's line in the table."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dgdr_api.errors import InvalidRequestError
from dgdr_api.gpus import Gpu, find_gpu, unknown_gpu
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.v1beta1 import Hardware
from dgdr_controller.hardware.nodes import NodeGpus, by_product

DISCOVERED_CAP = 32
"""GPUs that a request uses at most when it does not say how many, as with Dynamo; a written number is not capped."""


class HardwareNotFoundError(Exception):
    """The hardware cannot be resolved now; nodes may still come. The message says what was looked for and found."""


def resolve(spec: Hardware, nodes: Sequence[NodeGpus], *, multinode: bool = True) -> HardwareUsed:
    """Return everything about the hardware, with sources.

    Args:
        spec: What the request says; never replaced.
        nodes: The cluster's nodes with GPUs.
        multinode: Whether the cluster can run an engine over several nodes.

    Raises:
        InvalidRequestError: The request names an unknown GPU.
        HardwareNotFoundError: Something is not written and the nodes do not tell it.
    """
    usable = [node for node in nodes if not node.out and node.count]
    gpu, source = (_named(spec.gpu_sku), ValueSource.SPEC) if spec.gpu_sku else _most(usable, nodes)
    offered = [node for node in usable if node.gpu == gpu]
    return HardwareUsed(
        gpu_sku=gpu.sku,
        gpu_sku_source=source,
        total_gpus=_first(spec.total_gpus, min(sum(node.count for node in offered), DISCOVERED_CAP))
        or _missing(gpu, nodes),
        num_gpus_per_node=_first(spec.num_gpus_per_node, _usual([node.count for node in offered]))
        or Resolved(value=gpu.gpus_per_node, source=ValueSource.SKU_TABLE),
        vram_mib=_first(
            int(spec.vram_mb) if spec.vram_mb else None,
            min((node.vram_mib for node in offered if node.vram_mib), default=None),
        )
        or Resolved(value=gpu.vram_mib, source=ValueSource.SKU_TABLE),
        products=_products(offered, nodes),
        **(_rdma([node.rdma for node in offered]) if spec.rdma is not False else {}),
        multinode=multinode,
    )


def _products(offered: Sequence[NodeGpus], nodes: Sequence[NodeGpus]) -> tuple[str, ...]:
    """Return the labels that tell the nodes that are meant from others; none where there are no others."""
    wanted = {node.product for node in offered if node.product}
    others = {node.product for node in nodes} - wanted
    return tuple(sorted(wanted)) if others else ()


def _rdma(offered: Sequence[tuple[str, int] | None]) -> dict[str, Any]:
    """Return the resource that every node offers, and the fewest of a node: a pod must find a place on any."""
    names = {rdma[0] if rdma else None for rdma in offered}
    if len(names) != 1 or None in names:
        return {}
    return {"rdma_resource": names.pop(), "rdma_per_node": min(rdma[1] for rdma in offered if rdma)}


def _first(written: int | None, discovered: int | None) -> Resolved | None:
    if written:
        return Resolved(value=written, source=ValueSource.SPEC)
    return Resolved(value=discovered, source=ValueSource.NODE_LABELS) if discovered else None


def _usual(counts: Sequence[int]) -> int | None:
    """Return the most common number, the larger one of a tie."""
    return max(Counter(sorted(counts, reverse=True)).items(), key=lambda item: item[1])[0] if counts else None


def _named(sku: str) -> Gpu:
    gpu = find_gpu(sku)
    if gpu is None:
        raise InvalidRequestError([unknown_gpu("spec.hardware.gpuSku", sku)])
    return gpu


def _most(usable: Sequence[NodeGpus], nodes: Sequence[NodeGpus]) -> tuple[Gpu, ValueSource]:
    """Return the SKU with the most whole GPUs; of a tie the one with more memory."""
    gpus = {node.gpu.sku: node.gpu for node in usable if node.gpu}
    if not gpus:
        raise HardwareNotFoundError(_sentence("spec.hardware.gpuSku", nodes))
    groups = by_product([node for node in usable if node.gpu])

    def offer(sku: str) -> tuple[int, int, str]:
        # The table's memory, not a label's: that may be missing, and which node comes first must not matter.
        return sum(node.count for node in groups[sku]), gpus[sku].vram_mib, sku

    return gpus[max(gpus, key=offer)], ValueSource.NODE_LABELS


def _missing(gpu: Gpu, nodes: Sequence[NodeGpus]) -> Resolved:
    raise HardwareNotFoundError(_sentence(f"spec.hardware.totalGpus (of {gpu.sku})", nodes))


def _sentence(what: str, nodes: Sequence[NodeGpus]) -> str:
    """Name what is missing, what the nodes offer instead, and the way out. The first sentence is upstream's."""
    seen = [
        f"{node.node}: {node.count} × {node.product or 'GPUs without product label'}"
        + (f" ({node.out})" if node.out else "")
        for node in nodes
    ]
    return (
        f"GPU hardware info required but auto-discovery failed. {what} is not set, and of the cluster's nodes "
        f"{'none has GPUs' if not seen else 'none fits: ' + '; '.join(seen[:5])}. Set "
        "spec.hardware.{gpuSku,totalGpus,numGpusPerNode} explicitly, or label the nodes (GPU Feature Discovery)"
    )
