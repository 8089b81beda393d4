"""A GPU that this machine lacks, as far as an engine asks for it before it loads a model: torch answers for it.

Nothing can be computed on it. What is asked of the driver itself comes to torch as well, where engines fall back on it.
"""

import importlib
import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Device:
    """What engines ask of a GPU.

    Attributes:
        name: As the driver says it.
        capability: Its compute capability.
        memory_mib: Its memory.
        processors: Its streaming multiprocessors.
        count: GPUs of a node.
    """

    name: str
    capability: tuple[int, int]
    memory_mib: int
    processors: int
    count: int = 8


def install(device: Device) -> None:
    """Let torch answer for GPUs of one kind. To be called before an engine is imported: engines ask while they load."""
    # Triton finds no driver. Without a visible GPU vLLM takes that for one of a process that gets its GPU later.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    cuda: Any = importlib.import_module("torch.cuda")
    memory = device.memory_mib * _MIB
    properties = SimpleNamespace(
        name=device.name,
        major=device.capability[0],
        minor=device.capability[1],
        total_memory=memory,
        multi_processor_count=device.processors,
        is_integrated=False,
        gcnArchName="",
        shared_memory_per_block_optin=232_448,
        warp_size=32,
        L2_cache_size=50 * _MIB,
    )
    answers: dict[str, object] = {
        "is_available": True,
        "device_count": device.count,
        "_device_count_nvml": device.count,
        "current_device": 0,
        "get_device_capability": device.capability,
        "get_device_name": device.name,
        "get_device_properties": properties,
        "mem_get_info": (memory, memory),
        "is_bf16_supported": device.capability >= (8, 0),
        "get_arch_list": [f"sm_{device.capability[0]}{device.capability[1]}"],
        "set_device": None,
        "synchronize": None,
        "empty_cache": None,
    }
    for name, answer in answers.items():
        setattr(cuda, name, _constant(answer))
    torch: Any = importlib.import_module("torch")
    torch.cuda = cuda
    _let_triton_answer(device)


def _let_triton_answer(device: Device) -> None:
    """Let Triton say what it would compile for: its own driver looks for CUDA's library."""
    target = importlib.import_module("triton.backends.compiler").GPUTarget
    major, minor = device.capability
    answers = {"get_current_target": target("cuda", 10 * major + minor, 32), "get_current_device": 0}
    driver = SimpleNamespace(**{name: _constant(answer) for name, answer in answers.items()})
    importlib.import_module("triton.runtime.driver").driver.set_active(driver)


def _constant(answer: object) -> Any:
    return lambda *_, **__: answer
