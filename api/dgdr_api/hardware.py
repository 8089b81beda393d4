"""The hardware that a request is planned for: each value with who said it."""

from enum import StrEnum

from dgdr_api.model import ApiModel


class ValueSource(StrEnum):
    """Who said what the hardware is."""

    SPEC = "spec"
    DCGM = "dcgm"
    NODE_LABELS = "node-labels"
    NODE_ALLOCATABLE = "node-allocatable"
    COMMAND_LINE = "command-line"
    SKU_TABLE = "sku-table"


class Resolved(ApiModel):
    """A property of the hardware and who said so."""

    value: int
    source: ValueSource


class HardwareUsed(ApiModel):
    """The hardware that the search was run for."""

    gpu_sku: str
    """SKU, canonical name."""
    gpu_sku_source: ValueSource
    total_gpus: Resolved
    """GPUs that may be used: the budget."""
    num_gpus_per_node: Resolved
    """Number of GPUs per node."""
    vram_mib: Resolved
    """Memory of one GPU in MiB."""
    products: tuple[str, ...] = ()
    """Product labels of its nodes, where the cluster has other GPUs too: pods must be kept to these nodes."""
    rdma_resource: str | None = None
    """Extended resource by which each of its nodes offers RDMA devices; None where there is none or it is unknown."""
    rdma_per_node: int = 0
    """Devices of that resource on each node."""
    interconnect: str | None = None
    """Between the GPUs of a node; None: unknown."""
    interconnect_source: ValueSource | None = None
    rdma: bool | None = None
    """Whether nodes reach each other by RDMA; None: unknown."""
    rdma_source: ValueSource | None = None
    multinode: bool = True
    """Whether an engine may span nodes: Grove or LWS is installed. Without a cluster it is assumed."""
