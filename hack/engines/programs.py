"""The programs of a deployment, and what asking each one's parser takes."""

from dataclasses import dataclass, field

from hack.engines.wheels import DYNAMO, RUNTIME, SGLANG, VLLM, Wheel

_ABSENT = "999"
"""Version of a stand-in whose version nothing depends on."""


def _absent(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, _ABSENT)


@dataclass(frozen=True, slots=True)
class Program:
    """A Python module that a container of a deployment runs.

    Attributes:
        module: Its name after ``python3 -m``.
        wheels: The packages with its argument code.
        stand_ins: Modules that are stood in for, with the version that each says it is. All but those of the
            program's own packages are third-party code; those of its own are kernels, servers and model code.
        emptied: Packages of its own whose ``__init__`` is not run.
        sample: The shortest command line that its parser accepts.
        open_prefix: Flags that begin so take one value each, whatever follows the prefix; no parser knows them.
    """

    module: str
    wheels: tuple[Wheel, ...]
    sample: tuple[str, ...]
    stand_ins: dict[str, str] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()
    open_prefix: str | None = None


# The lower bounds of vLLM's and SGLang's own requirements: their code compares these two.
_TENSORS = {"torch": "2.13.0", "transformers": "5.10.4"}

PROGRAMS = (
    Program(
        "dynamo.vllm",
        (DYNAMO, RUNTIME, VLLM),
        sample=("--model", "m"),
        stand_ins={
            **_TENSORS,
            **_absent("cachetools", "cbor2", "cloudpickle", "cpuinfo", "fastapi", "llguidance", "openai"),
            **_absent("openai_harmony", "partial_json_parser", "psutil", "pybase64", "requests", "safetensors"),
            **_absent("urllib3", "uvloop", "xgrammar", "zmq"),
            **_absent("vllm.v1.executor", "dynamo.vllm.state_agent"),
        },
    ),
    Program(
        "dynamo.sglang",
        (DYNAMO, RUNTIME, SGLANG),
        sample=("--model-path", "m"),
        stand_ins={
            **_TENSORS,
            **_absent("IPython", "orjson", "psutil", "pybase64", "requests", "starlette", "triton", "uvloop", "zmq"),
            **_absent("sglang.srt.configs", "sglang.srt.distributed", "sglang.srt.entrypoints"),
            **_absent("sglang.srt.observability"),
        },
        emptied=("sglang.kernels", "sglang.kernels.ops"),
    ),
    Program(
        "dynamo.trtllm",
        (DYNAMO, RUNTIME),
        sample=("--model", "m"),
        stand_ins=_absent("tensorrt_llm"),
        open_prefix="--trtllm.",
    ),
    Program("dynamo.mocker", (DYNAMO, RUNTIME), sample=("--model-path", "m")),
    Program("dynamo.frontend", (DYNAMO, RUNTIME), sample=(), stand_ins=_absent("uvloop")),
    Program(
        "dynamo.planner",
        (DYNAMO, RUNTIME),
        sample=("--config", "{}"),
        stand_ins=_absent("dynamo.planner.core"),
        emptied=("dynamo.planner", "dynamo.planner.plugins"),
    ),
)


def program(module: str) -> Program:
    """Return the program of a module.

    Raises:
        KeyError: No deployment runs this module.
    """
    return {entry.module: entry for entry in PROGRAMS}[module]
