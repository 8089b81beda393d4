"""What a machine without GPUs lacks: GPUs that the scheduler counts and the labels that describe them.

The labels are those that NVIDIA's GPU Feature Discovery and AMD's node labeller write; what a cluster makes of MIG and
of time slicing shows in them and in the resources of NVIDIA's device plugin.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hack.cluster.api import Client

DRIVER = "580.95.05"
_COMPUTE_SLICES = 7
_MIB_PER_GB = 1e9 / 2**20
_MIG_OVERHEAD = 0.95
"""An instance named 10gb reports 9728 MiB, 0.95 of 10 GiB."""

_ARCHITECTURES = {
    ("blackwell", 12, 1): {"GB10"},
    ("blackwell", 12, 0): {"BLACKWELL"},
    ("blackwell", 10, 3): {"B300", "GB300"},
    ("blackwell", 10, 0): {"B200", "GB200"},
    ("hopper", 9, 0): {"H100", "H200", "H20", "GH200"},
    ("ada-lovelace", 8, 9): {"L4", "L40", "L40S"},
    ("ampere", 8, 6): {"A10", "A10G", "A40"},
    ("ampere", 8, 0): {"A100", "A30"},
    ("turing", 7, 5): {"T4"},
    ("volta", 7, 0): {"V100"},
}
"""Words of product names, and family and compute capability; a product that is not here has no such labels."""

_AMD_DEVICES = {"MI300X": ("74a1", 304), "MI210": ("740f", 104)}
"""Device id and compute units, where known."""

_VENDORS = ("nvidia.com", "amd.com")


@dataclass(frozen=True, slots=True)
class FakeGpus:
    """GPUs of one node, as the vendor's device plugin and labeller would show them.

    Attributes:
        count: GPUs of the node.
        product: Product name as in label ``nvidia.com/gpu.product``, or ``amd.com/gpu.product-name`` when it begins
            with AMD.
        memory_mib: Memory of one GPU in MiB.
        replicas: Into how many a GPU is time-sliced; 1: it is not.
        mig: Profile of the MIG instances that every GPU is cut into, such as ``1g.10gb``; empty: none.
        mig_mixed: Whether instances are a resource of their own (strategy mixed) and do not pass for GPUs (single).
    """

    count: int
    product: str
    memory_mib: int
    replicas: int = 1
    mig: str = ""
    mig_mixed: bool = False

    @property
    def is_amd(self) -> bool:
        """Whether AMD made them."""
        return self.product.upper().startswith("AMD")

    @property
    def instances(self) -> int:
        """MIG instances of one GPU: as many as its compute slices and its memory allow."""
        slices, gigabytes = (int(number) for number in re.findall(r"\d+", self.mig))
        return min(_COMPUTE_SLICES // slices, int(self.memory_mib / (gigabytes * _MIB_PER_GB)))

    @property
    def instance_mib(self) -> int:
        """Memory of one MIG instance in MiB, about."""
        return int(int(re.findall(r"\d+", self.mig)[1]) * 1024 * _MIG_OVERHEAD)

    @property
    def resource(self) -> str:
        """Name of the resource that a pod asks for."""
        if self.is_amd:
            return "amd.com/gpu"
        return f"nvidia.com/mig-{self.mig}" if self.mig_mixed else "nvidia.com/gpu"

    @property
    def resources(self) -> dict[str, str]:
        """What the node offers."""
        whole = {"nvidia.com/gpu": "0"} if self.mig_mixed else {}
        units = self.count * (self.instances if self.mig else 1) * self.replicas
        return whole | {self.resource: str(units)}

    @property
    def labels(self) -> dict[str, str]:
        """What the vendor's labeller says of the node."""
        return self._amd_labels() if self.is_amd else self._nvidia_labels()

    def _nvidia_labels(self) -> dict[str, str]:
        sliced = self.mig and not self.mig_mixed
        words = set(re.split(r"[-_ ]", self.product.upper()))
        found = next((known for known, names in _ARCHITECTURES.items() if names & words), None)
        labels = {
            "gpu.present": "true",
            "gpu.count": str(self.count * (self.instances if sliced else 1)),
            "gpu.product": self.product + (f"-MIG-{self.mig}" if sliced else "") + self._shared,
            "gpu.memory": str(self.instance_mib if sliced else self.memory_mib),
            "gpu.replicas": str(self.replicas),
            "gpu.sharing-strategy": "time-slicing" if self.replicas > 1 else "none",
            "gpu.machine": "Local-Cluster",
            "gpu.mode": "compute",
            "cuda.driver-version.full": DRIVER,
            "mig.capable": str(found is not None and found[1:] in {(8, 0), (9, 0), (10, 0), (10, 3)}).lower(),
            "mps.capable": "false",
            "vgpu.present": "false",
        }
        if found:
            family, major, minor = found
            labels |= {"gpu.family": family, "gpu.compute.major": str(major), "gpu.compute.minor": str(minor)}
        if self.mig:
            labels |= {
                "mig.strategy": "mixed" if self.mig_mixed else "single",
                "mig.config": f"all-{self.mig}",
                "mig.config.state": "success",
            }
            prefix = f"mig-{self.mig}" if self.mig_mixed else "gpu"
            labels |= {f"{prefix}.slices.gi": self.mig[0], f"{prefix}.slices.ci": self.mig[0]}
        if self.mig_mixed:
            labels |= {
                f"mig-{self.mig}.count": str(self.count * self.instances),
                f"mig-{self.mig}.product": f"{self.product}-MIG-{self.mig}{self._shared}",
                f"mig-{self.mig}.memory": str(self.instance_mib),
            }
        return {f"nvidia.com/{key}": value for key, value in labels.items()}

    @property
    def _shared(self) -> str:
        return "-SHARED" if self.replicas > 1 else ""

    def _amd_labels(self) -> dict[str, str]:
        values = {"family": "AI", "product-name": self.product, "vram": f"{math.ceil(self.memory_mib / 1024)}G"}
        device = next((known for name, known in _AMD_DEVICES.items() if name in self.product.upper()), None)
        if device:
            values |= {"device-id": device[0], "cu-count": str(device[1]), "simd-count": str(device[1] * 4)}
        labels = {f"amd.com/gpu.{key}": value for key, value in values.items()}
        # The older prefix is still written, and it alone says how many there are.
        labels |= {f"beta.amd.com/gpu.{key}": value for key, value in values.items()}
        return labels | {f"beta.amd.com/gpu.{key}.{value}": str(self.count) for key, value in values.items()}


def offer_gpus(api: Client, node: str, gpus: FakeGpus | None) -> None:
    """Give a node these GPUs alone: capacity, which the kubelet keeps and the scheduler enforces, and labels."""
    found = api.request("GET", f"/api/v1/nodes/{node}")
    offered = _gone(found["status"].get("capacity", {})) | (gpus.resources if gpus else {})
    labels = _gone(found["metadata"].get("labels", {})) | (gpus.labels if gpus else {})
    api.patch_node(node, {"status": {"capacity": offered, "allocatable": offered}}, "/status")
    api.patch_node(node, {"metadata": {"labels": labels}})


def _gone(present: Mapping[str, str]) -> dict[str, str | None]:
    """Return a merge that takes away what is a vendor's of GPUs."""
    return {key: None for key in present if key.partition("/")[0].endswith(_VENDORS)}
