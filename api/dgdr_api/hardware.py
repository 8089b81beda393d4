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
    """GPUs of one node."""
    vram_mib: Resolved
    """Memory of one GPU in MiB."""
