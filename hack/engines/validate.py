"""Lets an engine work out what it would start with, in a process of its own: the step after its command line is parsed.

What is real: Dynamo's and the engine's own code at the pinned versions, torch, transformers, and the model's published
config. What is stood in for: the GPU (``gpu``), the engines' kernels (``programs``), and all of the model but its
config (``hub``). An engine ends here where it would load weights.
"""

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dgdr_api.gpus import find_gpu
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError
from hack.engines import hub
from hack.engines.gpu import Device
from hack.engines.programs import KERNELS
from hack.engines.wheels import EngineError, sources
from hack.setup.environment import tool

_TIMEOUT_S = 3600
_MACHINE = "x86_64"
_PROCESSORS = {7: 40, 8: 108, 9: 132, 10: 148, 12: 188}
"""Of the largest GPU of each generation; only sizes of launches follow from it."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a container of an engine starts.

    Attributes:
        words: What follows ``python3 -m MODULE``.
        env: Its variables.
        model: The model among these words.
        config: The ``config.json`` of a model that the simulator does not know.
    """

    words: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    model: str = ""
    config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What an engine makes of a start.

    Attributes:
        refusal: What it objects to; None where it would go on to load the weights.
        settings: What it would start with then, by its own names.
        warnings: What it says meanwhile.
    """

    refusal: str | None
    settings: dict[str, Any]
    warnings: tuple[str, ...]


def device(sku: str, per_node: int | None = None) -> Device:
    """Return what engines see of a GPU of a SKU.

    Raises:
        KeyError: Its compute capability is not known here.
    """
    gpu = find_gpu(sku)
    if gpu is None or gpu.capability is None:
        raise KeyError(sku)
    name, processors = f"NVIDIA {sku.partition('_')[0].upper()}", _PROCESSORS[gpu.capability[0]]
    return Device(name, gpu.capability, gpu.vram_mib, processors, per_node or gpu.gpus_per_node)


def validate(module: str, starts: Sequence[Start], on: Device) -> list[Started]:
    """Let an engine work out what it would start with, for each container.

    Raises:
        EngineError: It cannot be asked.
    """
    if platform.machine() != _MACHINE:
        raise EngineError(f"engines check what they start with on {_MACHINE} alone, and this is {platform.machine()}")
    try:
        python = tool("engines")
    except ClusterError as error:
        raise EngineError(str(error)) from error
    with tempfile.TemporaryDirectory() as home:  # engines write caches and read settings there
        hub.write(Path(home) / "hub", hub.configs())
        result = Path(home) / "answer.json"
        request = {
            "module": module,
            "roots": [str(root) for root in sources(KERNELS[module].wheels)],
            "device": asdict(on),
            "starts": [{"words": _words(start, Path(home)), "env": start.env} for start in starts],
        }
        done = subprocess.run(  # noqa: S603 - our words
            [str(python), "-m", "hack.engines.starting", str(result)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env=_environment(home),
            cwd=home,
            check=False,
            timeout=_TIMEOUT_S,
        )
        if done.returncode or not result.exists():
            raise EngineError(f"{module} cannot work out what it would start with:\n{done.stderr[-2000:]}")
        answers = json.loads(result.read_text(encoding="utf-8"))
    return [Started(answer["refusal"], answer["settings"], tuple(answer["warnings"])) for answer in answers]


def _words(start: Start, home: Path) -> list[str]:
    """Return a command line whose model is there."""
    if start.config is None:
        return list(start.words)
    folder = home / "models" / start.model.replace("/", "--")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(start.config), encoding="utf-8")
    flag = start.words.index(start.model)
    return [*start.words[:flag], str(folder), *start.words[flag + 1 :]]


def _environment(home: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": home,
        "HF_HUB_CACHE": f"{home}/hub",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONHASHSEED": "0",
        "VLLM_NO_USAGE_STATS": "1",
    }
