"""The GPUs that a request may name: one table, one line per SKU.

Memory is what the device reports, in MiB (``nvidia-smi``, GFD label ``nvidia.com/gpu.memory``), rounded as the
vendor states it; GPUs per node are those of the vendor's reference server. ``aic_system`` is AIConfigurator's
name for the same device, absent where AIC 0.12 knows no such system; whether it carries performance data for one
is asked of AIC itself.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal

from dgdr_api.errors import FieldError

Vendor = Literal["nvidia", "amd", "intel"]
FormFactor = Literal["sxm", "pcie", "nvl", "superchip", "oam"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU SKU.

    Attributes:
        sku: Name in ``spec.hardware.gpuSku``, lower-case with underscores.
        vram_mib: Memory of one GPU in MiB.
        gpus_per_node: GPUs of the vendor's reference server, used when nobody says otherwise.
        form_factor: How the device is attached.
        aic_system: AIConfigurator's system name, or None where it has none.
        deprecated: Other names of it that are accepted with a warning.
        vendor: Who makes it; decides the resource name and the images.
        capability: NVIDIA's compute capability, which decides what engines can run (developer.nvidia.com/cuda-gpus).
        nvlink_nodes: Whether NVLink joins several nodes.
        products: What its product name contains, as drivers and node labels write it, each a set of words; none:
            the SKU's own words.
    """

    sku: str
    vram_mib: int
    gpus_per_node: int
    form_factor: FormFactor
    aic_system: str | None = None
    deprecated: tuple[str, ...] = ()
    vendor: Vendor = "nvidia"
    products: tuple[str, ...] = ()
    capability: tuple[int, int] | None = None
    nvlink_nodes: bool = False


GPUS: tuple[Gpu, ...] = (
    Gpu("vr_nvl72", 294912, 4, "superchip", products=("VR200",), nvlink_nodes=True),
    Gpu("gb300", 284208, 4, "superchip", "gb300", capability=(10, 3), nvlink_nodes=True),
    Gpu("gb200", 189471, 4, "superchip", "gb200", deprecated=("gb200_sxm",), capability=(10, 0), nvlink_nodes=True),
    Gpu("b300_sxm", 275040, 8, "sxm", "b300_sxm", products=("B300",), capability=(10, 3)),
    Gpu("b200_sxm", 183359, 8, "sxm", "b200_sxm", products=("B200",), capability=(10, 0)),
    Gpu("h200_sxm", 143771, 8, "sxm", "h200_sxm", products=("H200",), capability=(9, 0)),
    Gpu("h200_nvl", 143771, 8, "nvl", capability=(9, 0)),
    Gpu("h100_sxm", 81559, 8, "sxm", "h100_sxm", products=("H100",), capability=(9, 0)),
    Gpu(
        *("h100_pcie", 81559, 8, "pcie", "h100_pcie"),
        products=("H100 PCIE", "H100 80GB HBM2E"),
        capability=(9, 0),
    ),
    Gpu("h100_nvl", 95830, 8, "nvl", capability=(9, 0)),
    Gpu("h20_sxm", 97871, 8, "sxm", products=("H20",), capability=(9, 0)),
    Gpu("gh200", 97871, 1, "superchip", capability=(9, 0)),
    Gpu("a100_sxm", 81920, 8, "sxm", "a100_sxm", products=("A100",), capability=(8, 0)),
    Gpu("a100_pcie", 81920, 8, "pcie", "a100_pcie", capability=(8, 0)),
    Gpu("a30", 24576, 4, "pcie", "a30", capability=(8, 0)),
    Gpu("a10", 23028, 4, "pcie", products=("A10", "A10G"), capability=(8, 6)),
    Gpu("l40s", 46068, 8, "pcie", "l40s", capability=(8, 9)),
    Gpu("l40", 46068, 8, "pcie", capability=(8, 9)),
    Gpu("l4", 23034, 8, "pcie", "l4", capability=(8, 9)),
    Gpu(
        "rtx_pro_6000_server",
        97887,
        8,
        "pcie",
        "rtx_pro_6000_server",
        products=("RTX PRO 6000 SERVER",),
        capability=(12, 0),
    ),
    Gpu("v100_sxm", 32768, 8, "sxm", products=("V100",), capability=(7, 0)),
    Gpu("v100_pcie", 32768, 8, "pcie", products=("V100 PCIE", "V100 FHHL", "V100S PCIE"), capability=(7, 0)),
    Gpu("t4", 15360, 4, "pcie", capability=(7, 5)),
    Gpu("gb10", 122880, 1, "superchip", capability=(12, 1)),
    Gpu("mi200", 65536, 8, "oam", vendor="amd", products=("MI200", "MI210", "MI250", "MI250X")),
    Gpu("mi300", 196592, 8, "oam", vendor="amd", products=("MI300", "MI300X", "MI300A")),
    Gpu("b60", 24480, 8, "pcie", "b60", vendor="intel"),
)
"""Every known SKU, newest first: the order in which an error message lists them."""

UNKNOWN_SKU = "unknown"
"""What the status calls a GPU that is not in the table; nobody can ask for it by that name."""

_LONGEST_GUESSED = 60
_BY_NAME = {name: gpu for gpu in GPUS for name in (gpu.sku, *gpu.deprecated)}


def unknown_gpu(path: str, name: str) -> FieldError:
    """Return the error for a field that names no known SKU: the list of those that are known."""
    known = ", ".join(f'"{gpu.sku}"' for gpu in GPUS)
    close = " or ".join(f'"{sku}"' for sku in _resembling(name.lower().replace("-", "_").replace(" ", "_")))
    hint = f"did you mean {close}? " if close else ""
    return FieldError(path, f"Unsupported value: {json.dumps(name)}", f"{hint}supported values: {known}")


def _resembling(name: str) -> list[str]:
    """Return what a name may mean: the SKUs of that chip. A letter makes another one of it (h200, gh200)."""
    chip = name.partition("_")[0]
    product = find_product(name.replace("_", " ")) if len(name) <= _LONGEST_GUESSED else None
    skus = [gpu.sku for gpu in GPUS]
    same = [sku for sku in skus if sku.replace("_", "") == name.replace("_", "")]
    return same or [sku for sku in skus if sku.partition("_")[0] == chip] or ([product.sku] if product else [])


def find_product(product: str) -> Gpu | None:
    """Return the GPU of a product name, for example of node label ``nvidia.com/gpu.product``; None if it is unknown.

    Vendors order and join the words of one device differently: what counts is which words are there. Of the devices
    whose words all are, the one with most of them is meant (``NVIDIA-H200-NVL`` is no plain ``H200``). A virtual GPU
    with a part of the memory is none of them.
    """
    there = set(re.split(r"[-_ /]", _JOINED.sub(r" \1", product.upper())))
    there |= {"SXM" for word in there if word.startswith("SXM")}  # SXM2, SXM4, SXM5
    named = (
        (gpu, set(words.split())) for gpu in GPUS for words in gpu.products or (gpu.sku.upper().replace("_", " "),)
    )
    fitting = [(len(words), gpu) for gpu, words in named if words <= there]
    _, found = max(fitting, key=lambda fit: fit[0], default=(0, None))
    shares = (int(share[1]) for word in there if (share := _VIRTUAL.fullmatch(word)))
    return None if found and any(share * 1024 < found.vram_mib for share in shares) else found


_JOINED = re.compile(r"(?<=[0-9])(SXM|PCIE|NVL)")
"""How a device is attached, where it is written into the chip's name: H100SXM5."""
_VIRTUAL = re.compile(r"([0-9]{1,4})[ABCQ]")
"""How the name of one of NVIDIA's virtual GPUs ends: with its memory in GB, and what it is for."""


def find_gpu(name: str) -> Gpu | None:
    """Return the GPU of this SKU name, or None if no such SKU is known."""
    return _BY_NAME.get(name)
