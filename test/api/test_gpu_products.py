"""Product names of GPUs as drivers, exporters and node labels write them: which SKU each is, or None for no known one.

NVIDIA's GPU Feature Discovery writes the driver's name with dashes for spaces into label ``nvidia.com/gpu.product``;
the DCGM exporter writes it as it is into ``modelName``; AMD's labeller writes it with underscores.
"""

import pytest

from dgdr_api.gpus import find_product

# The driver's names: NVIDIA/open-gpu-kernel-modules, README.md. Those of Volta and older, which that does not support:
# ai-dynamo/dynamo, deploy/operator/internal/webhook/validation/dynamographdeployment_helpers.go (powerRanges).
DRIVER = {
    "NVIDIA A10": "a10",
    "NVIDIA A10G": "a10",
    "NVIDIA A10M": None,
    "NVIDIA A100-PCIE-40GB": "a100_pcie",
    "NVIDIA A100 80GB PCIe": "a100_pcie",
    "NVIDIA A100-SXM4-40GB": "a100_sxm",
    "NVIDIA A100-SXM4-80GB": "a100_sxm",
    "NVIDIA A100-SXM-64GB": "a100_sxm",
    "NVIDIA A100-PG509-200": "a100_sxm",
    "NVIDIA PG509-210": None,
    "NVIDIA PG506-232": None,
    "NVIDIA A800-SXM4-80GB": None,
    "NVIDIA A800 80GB PCIe": None,
    "NVIDIA A800 40GB Active": None,
    "NVIDIA AX800": None,
    "NVIDIA A2": None,
    "NVIDIA A16": None,
    "NVIDIA A30": "a30",
    "NVIDIA A40": None,
    "NVIDIA B200": "b200_sxm",
    "NVIDIA B300 SXM6 AC": "b300_sxm",
    "NVIDIA GB10": "gb10",
    "NVIDIA GB200": "gb200",
    "NVIDIA GB300": "gb300",
    "NVIDIA GH200 120GB": "gh200",
    "NVIDIA GH200 480GB": "gh200",
    "NVIDIA GH200 144G HBM3e": "gh200",
    "NVIDIA H20": "h20_sxm",
    "NVIDIA H20-3e": "h20_sxm",
    "NVIDIA H20 NVL16": "h20_sxm",
    "NVIDIA H100": "h100_sxm",  # with 64 GB, of 700 W
    "NVIDIA H100 80GB HBM3": "h100_sxm",
    "NVIDIA H100 NVL": "h100_nvl",
    "NVIDIA H100 PCIe": "h100_pcie",
    "NVIDIA H200": "h200_sxm",
    "NVIDIA H200 NVL": "h200_nvl",
    "NVIDIA H800": None,
    "NVIDIA H800 PCIe": None,
    "NVIDIA H800 NVL": None,
    "NVIDIA L2": None,
    "NVIDIA L4": "l4",
    "NVIDIA L20": None,
    "NVIDIA L40": "l40",
    "NVIDIA L40G": None,
    "NVIDIA L40S": "l40s",
    "NVIDIA RTX 6000 Ada Generation": None,
    "NVIDIA RTX 6000D": None,
    "NVIDIA RTX A6000": None,
    "NVIDIA RTX PRO 4500 Blackwell Server Edition": None,
    "NVIDIA RTX PRO 5000 72GB Blackwell": None,
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": None,
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx_pro_6000_server",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": None,
    "NVIDIA T400": None,
    "NVIDIA T400 4GB": None,
    "NVIDIA GeForce RTX 4090": None,
    "NVIDIA GeForce RTX 5090": None,
    "NVIDIA DGX Display": None,
    "Quadro GP100": None,
    "Quadro RTX 8000": None,
    "Tesla P100-PCIE-16GB": None,
    "Tesla T4": "t4",
    "Tesla V100-PCIE-32GB": "v100_pcie",
    "Tesla V100-SXM2-16GB": "v100_sxm",
    "Tesla V100-SXM3-32GB": "v100_sxm",
}
DESIGN = {
    # what the design of hardware discovery lists
    "NVIDIA-H100-80GB-HBM3": "h100_sxm",
    "NVIDIA-H100-NVL": "h100_nvl",
    "NVIDIA-H200": "h200_sxm",
    "NVIDIA-H200-NVL": "h200_nvl",
    "NVIDIA-GH200-480GB": "gh200",
    "NVIDIA-A100-SXM4-40GB": "a100_sxm",
    "NVIDIA-A100-80GB-PCIe": "a100_pcie",
    "NVIDIA-B200": "b200_sxm",
    "NVIDIA-GB200": "gb200",
    "NVIDIA-GB300": "gb300",
    "NVIDIA-L40S": "l40s",
    "NVIDIA-L40": "l40",
    "NVIDIA-L4": "l4",
    "Tesla-V100-SXM2-32GB": "v100_sxm",
    "Tesla-T4": "t4",
    "NVIDIA-T400": None,
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": "rtx_pro_6000_server",
    "NVIDIA-H20": "h20_sxm",
    "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb": "a100_sxm",
    "AMD-Instinct-MI300X": "mi300",
    "": None,
    "Some-Accelerator": None,
}
LABELS = {
    # NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery/README.md; older drivers write no vendor
    "A100-SXM4-40GB": "a100_sxm",
    "A100-SXM4-40GB-MIG-1g.5gb": "a100_sxm",
    "A100-SXM4-40GB-MIG-1g.5gb-SHARED": "a100_sxm",
    "GeForce-GT-710": None,
    # ai-dynamo/dynamo, deploy/operator/internal/gpu/discovery_test.go; a chip alone is SXM here, not PCIe
    "H100-SXM5-80GB": "h100_sxm",
    "h100-sxm5-80gb": "h100_sxm",
    "H100 SXM5 80GB": "h100_sxm",
    "H100SXM580GB": "h100_sxm",
    "  H100   PCIe ": "h100_pcie",
    "HGX GB200": "gb200",
    "GB200-SXM": "gb200",
    "B200 SXM": "b200_sxm",
    "A100-sXm": "a100_sxm",
    "A100 PCIe": "a100_pcie",
    "V100 SXM": "v100_sxm",
    "V100 PCIe": "v100_pcie",
    "T4": "t4",
    "MI300": "mi300",
    "MI250": "mi200",
    "MI200": "mi200",
    "random-gpu": None,
    # skypilot-org/skypilot, tests/unit_tests/kubernetes/test_gpu_label_formatters.py
    "NVIDIA-L4-24GB": "l4",
    "NVIDIA-L40-48GB": "l40",
    "NVIDIA-L40S-48GB": "l40s",
    "NVIDIA-L400": None,
    "NVIDIA-H100-SXM-80GB": "h100_sxm",
    "NVIDIA-A100-PCIE-80GB": "a100_pcie",
    "NVIDIA-A100-80GB": "a100_sxm",
    "NVIDIA-B100": None,
    "NVIDIA-V100-SXM2-32GB": "v100_sxm",
    "NVIDIA-QUADRO-P5000": None,
    "NVIDIA-RTX-6000": None,
    # NVIDIA Cloud Functions, documentation of the cluster agent
    "NVIDIA-H200-MIG-7g.141gb": "h200_sxm",
    "NVIDIA-H200-mig-7G.141GB": "h200_sxm",
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-2g.48gb": "rtx_pro_6000_server",
    "TU106-GeForce-RTX-2070-Rev.-A": None,
    # node selectors and labels of nodes in manifests, read-outs and tests of public repositories
    "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb": "h100_sxm",
    "NVIDIA-H100-PCIe-MIG-2g.20gb": "h100_pcie",
    "NVIDIA-H100-PCIE-80GB": "h100_pcie",
    "NVIDIA H100 80GB HBM2e": "h100_pcie",  # early drivers; no other H100 of 80 GB has this memory
    "NVIDIA-H200-SXM5-141GB": "h200_sxm",
    "NVIDIA H200 141GB HBM3e": "h200_sxm",
    "NVIDIA B200 180GB HBM3e": "b200_sxm",
    "NVIDIA B200 MIG 1g.23gb": "b200_sxm",
    "NVIDIA-B300-SXM6-PC": "b300_sxm",
    "NVIDIA-RTX-PRO-6000-Blackwell": None,  # of which there are four
    "NVIDIA-L40S-SHARED": "l40s",
    "NVIDIA-A10G-SHARED": "a10",
    "Tesla-T4-SHARED": "t4",
    "NVIDIA-Tesla-V100-SXM2-32GB": "v100_sxm",
    "Tesla-V100-DGXS-32GB": "v100_sxm",  # four with NVLink in a DGX Station
    "Tesla-V100-FHHL-16GB": "v100_pcie",
    "Tesla-V100S-PCIE-32GB": "v100_pcie",
    "Tesla-K80": None,
    "NVIDIA-GeForce-RTX-3070": None,
    "Intel(R) Arc(TM) Pro B60 Graphics": "b60",
    # of a virtual GPU the name ends with its memory: a whole card's, or a part
    "NVIDIA-A10-24Q": "a10",
    "NVIDIA-A10-24Q-SHARED": "a10",
    "NVIDIA-A10-4Q": None,
    "NVIDIA-L40S-48C": "l40s",
    "NVIDIA-L40S-12Q": None,
    "NVIDIA H100XM-80C": None,
    "NVIDIA-H100L-23C-SHARED": None,
    "GRID-A100-10C": None,
    "GRID-V100-8C": None,
    "GRID-V100DX-8Q": None,
}
AMD = {
    # ROCm/k8s-device-plugin, cmd/k8s-node-labeller/amdgpu.ids and main_test.go
    "Instinct_MI210": "mi200",
    "AMD_Instinct_MI100": None,
    "AMD_Instinct_MI210": "mi200",
    "AMD_Instinct_MI250X": "mi200",
    "AMD Instinct MI250X / MI250": "mi200",
    "AMD_Instinct_MI300A": "mi300",
    "AMD_Instinct_MI300X": "mi300",
    "AMD_Instinct_MI300X_HF": "mi300",
    "AMD_Instinct_MI300X_VF": "mi300",
    "AMD_Instinct_MI308X": None,
    "AMD_Instinct_MI325X": None,
    "AMD_Instinct_MI325X_VF": None,
    "AMD_Instinct_MI350X": None,
    "AMD_Instinct_MI355X": None,
    "AMD_Instinct_MI60_/_MI50": None,
    "AMD_Radeon_Pro_W7900": None,
    "AMD_Radeon_8060S_Graphics": None,
    # labels of nodes in public repositories
    "AMD_Instinct_MI300X_OAM": "mi300",
    "AMD-Instinct-MI300X-OAM": "mi300",
    "AMD_Instinct_MI250X_MI250": "mi200",
    "AMD-Instinct-MI250X-MI250": "mi200",
    "AMD_Instinct_MI325_OAM": None,
    "AMD_Instinct_MI355_OAM": None,
    "AMD-MI300X-192G": "mi300",
}


def sku(product: str) -> str | None:
    found = find_product(product)
    return found.sku if found else None


@pytest.mark.parametrize(("product", "expected"), (DESIGN | DRIVER | LABELS | AMD).items())
def test_product_is_of_its_sku(product: str, expected: str | None) -> None:
    assert sku(product) == expected


@pytest.mark.parametrize(("product", "expected"), DRIVER.items())
def test_label_of_a_product_means_what_its_name_means(product: str, expected: str | None) -> None:
    label = product.replace(" ", "-")
    assert sku(label) == sku(f"{label}-SHARED") == sku(f"{label}-MIG-1g.10gb") == expected
