"""What a machine without GPUs lacks: GPUs that the scheduler counts and the labels that describe them."""

from dataclasses import dataclass

from hack.cluster.api import Client


@dataclass(frozen=True, slots=True)
class FakeGpus:
    """GPUs of one node, as NVIDIA's device plugin and GPU Feature Discovery would show them.

    Attributes:
        count: GPUs of the node.
        product: Product name as in label ``nvidia.com/gpu.product``.
        memory_mib: Memory of one GPU in MiB.
    """

    count: int
    product: str
    memory_mib: int


def offer_gpus(api: Client, node: str, gpus: FakeGpus) -> None:
    """Give a node GPUs: capacity, which the kubelet keeps and the scheduler enforces, and labels."""
    capacity = {"nvidia.com/gpu": str(gpus.count)}
    api.patch_node(node, {"status": {"capacity": capacity, "allocatable": capacity}}, "/status")
    labels = {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(gpus.count),
        "nvidia.com/gpu.product": gpus.product,
        "nvidia.com/gpu.memory": str(gpus.memory_mib),
    }
    api.patch_node(node, {"metadata": {"labels": labels}})
