"""What DCGM exporters answer, of several kinds of nodes."""

HEAD = """\
# HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).
# TYPE DCGM_FI_DEV_SM_CLOCK gauge
"""


def line(name: str, gpu: int, model: str, value: float, **more: str) -> str:
    labels = {
        "gpu": str(gpu), "UUID": f"GPU-{gpu}", "pci_bus_id": "00000000:07:00.0", "device": f"nvidia{gpu}",
        "modelName": model, "Hostname": "node-1", "DCGM_FI_DRIVER_VERSION": "580.65.06", **more,
    }  # fmt: skip
    written = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{written}}} {value}\n"


def exposition(model: str, count: int, *, free: int, used: int, reserved: int | None, **metrics: float) -> str:
    text = HEAD
    for gpu in range(count):
        text += line("DCGM_FI_DEV_SM_CLOCK", gpu, model, 1980)
        text += line("DCGM_FI_DEV_FB_FREE", gpu, model, free)
        text += line("DCGM_FI_DEV_FB_USED", gpu, model, used)
        if reserved is not None:
            text += line("DCGM_FI_DEV_FB_RESERVED", gpu, model, reserved)
        for name, value in metrics.items():
            text += line(name, gpu, model, value)
    return text


H100 = exposition("NVIDIA H100 80GB HBM3", 8, free=80_900, used=100, reserved=559, DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL=0)
L4 = exposition("NVIDIA L4", 2, free=22_500, used=4, reserved=530)
GB200 = exposition("NVIDIA GB200", 4, free=188_000, used=900, reserved=571, DCGM_FI_DEV_NVLINK_LINK_COUNT=18)
A100_PCIE = exposition(
    "NVIDIA A100 80GB PCIe", 4, free=80_000, used=1000, reserved=None, DCGM_FI_DEV_NVLINK_LINK_COUNT=0
)
MIG = HEAD + "".join(
    line("DCGM_FI_DEV_FB_FREE", gpu, "NVIDIA A100-SXM4-80GB", 9_900, GPU_I_PROFILE="1g.10gb", GPU_I_ID=str(instance))
    for gpu in range(2)
    for instance in range(7)
)
