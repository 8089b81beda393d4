"""The hardware of a request as its status shows it, and back: what was resolved once is not resolved again."""

from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.v1beta1 import HardwareSources, HardwareStatus


def shown(hardware: HardwareUsed) -> HardwareStatus:
    """Return resolved hardware as the status shows it."""
    return HardwareStatus(
        gpu_sku=hardware.gpu_sku,
        vram_mb=hardware.vram_mib.value,
        num_gpus_per_node=hardware.num_gpus_per_node.value,
        total_gpus=hardware.total_gpus.value,
        interconnect=hardware.interconnect,
        rdma=hardware.rdma,
        rdma_resource=hardware.rdma_resource,
        rdma_per_node=hardware.rdma_per_node or None,
        gpu_products=hardware.products or None,
        multinode=hardware.multinode,
        sources=HardwareSources(
            gpu_sku=hardware.gpu_sku_source,
            vram_mb=hardware.vram_mib.source,
            num_gpus_per_node=hardware.num_gpus_per_node.source,
            total_gpus=hardware.total_gpus.source,
            interconnect=hardware.interconnect_source,
            rdma=hardware.rdma_source,
        ),
    )


def used(status: HardwareStatus | None) -> HardwareUsed | None:
    """Return the hardware that a status shows; None when it does not show all of it."""
    if status is None or status.sources is None or status.gpu_sku is None:
        return None
    sources = status.sources
    total = _resolved(status.total_gpus, sources.total_gpus)
    per_node = _resolved(status.num_gpus_per_node, sources.num_gpus_per_node)
    vram = _resolved(status.vram_mb, sources.vram_mb)
    if total is None or per_node is None or vram is None or sources.gpu_sku is None:
        return None
    return HardwareUsed(
        gpu_sku=status.gpu_sku,
        gpu_sku_source=sources.gpu_sku,
        total_gpus=total,
        num_gpus_per_node=per_node,
        vram_mib=vram,
        products=status.gpu_products or (),
        rdma_resource=status.rdma_resource,
        rdma_per_node=status.rdma_per_node or 0,
        interconnect=status.interconnect,
        interconnect_source=sources.interconnect,
        rdma=status.rdma,
        rdma_source=sources.rdma,
        multinode=status.multinode is not False,
    )


def _resolved(value: float | None, source: ValueSource | None) -> Resolved | None:
    return None if value is None or source is None else Resolved(value=int(value), source=source)
