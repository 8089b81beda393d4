"""The programs of a deployment, and what asking each one's parser takes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hack.engines.wheels import NEWEST, RELEASES, Release, Wheel

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
            program's own packages are third-party code; those of its own are kernels, servers and model code. A
            release imports some of them.
        emptied: Packages of its own whose ``__init__`` is not run.
        sample: The shortest command line that its parser accepts.
        open_prefix: Flags that begin so take one value each, whatever follows the prefix; no parser knows them.
        kept: The flags that are kept of what it knows; None: all.
    """

    module: str
    wheels: tuple[Wheel, ...]
    sample: tuple[str, ...]
    stand_ins: dict[str, str] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()
    open_prefix: str | None = None
    kept: tuple[str, ...] | None = None


# The lower bounds of vLLM's and SGLang's own requirements: their code compares these two.
_TENSORS = {"torch": "2.13.0", "transformers": "5.10.4"}

_WITHOUT_OPEN_PREFIX = ("1.0.2",)
"""Releases whose parser of TensorRT-LLM's flags knows them all: there ``--override-engine-args`` takes the others."""

_ANSWERS = ("--dyn-tool-call-parser", "--dyn-reasoning-parser")

RENDERED = {
    "dynamo.vllm": (
        *("--data-parallel-size", "--disaggregation-mode", "--enable-expert-parallel", "--kv-cache-dtype"),
        *("--kv-events-config", "--kv-transfer-config", "--max-cudagraph-capture-size", "--max-model-len"),
        *("--max-num-batched-tokens", "--max-num-seqs", "--model", "--pipeline-parallel-size"),
        *("--served-model-name", "--speculative-config"),
        *("--tensor-parallel-size", "--trust-remote-code", "--enable-multimodal", "--enable-mm-embeds"),
        *_ANSWERS,
    ),
    "dynamo.sglang": (
        *("--chunked-prefill-size", "--context-length", "--cuda-graph-max-bs", "--cuda-graph-max-bs-decode"),
        *("--disaggregation-bootstrap-port", "--disaggregation-mode", "--disaggregation-transfer-backend"),
        *("--dp-size", "--enable-dp-attention", "--enable-mixed-chunk", "--ep-size", "--host", "--kv-cache-dtype"),
        *("--kv-events-config", "--max-prefill-tokens", "--max-running-requests", "--mem-fraction-static"),
        *("--model-path", "--page-size", "--pp-size", "--served-model-name", "--speculative-algorithm"),
        *("--speculative-eagle-topk", "--speculative-num-draft-tokens", "--speculative-num-steps", "--tp-size"),
        *("--trust-remote-code", "--enable-multimodal", "--cuda-graph-backend-prefill", "--moe-a2a-backend"),
        *_ANSWERS,
    ),
    "dynamo.trtllm": (
        *("--disaggregation-mode", "--enable-attention-dp", "--expert-parallel-size", "--max-batch-size"),
        *("--max-num-tokens", "--max-seq-len", "--model", "--override-engine-args", "--pipeline-parallel-size"),
        *("--publish-events-and-metrics", "--publish-kv-events", "--served-model-name", "--tensor-parallel-size"),
        *("--enable-multimodal", "--kv-block-size", "--modality", *_ANSWERS),
    ),
    "dynamo.mocker": (
        *("--aic-attention-dp-size", "--aic-backend", "--aic-moe-ep-size", "--aic-moe-tp-size", "--aic-perf-model"),
        *("--aic-system", "--aic-tp-size", "--ais-attention-dp-size", "--ais-backend", "--ais-moe-ep-size"),
        *("--ais-moe-tp-size", "--ais-perf-model", "--ais-system", "--ais-tp-size", "--data-parallel-size"),
        *("--disaggregation-mode", "--engine-type", "--kv-cache-dtype", "--max-model-len"),
        *("--max-num-batched-tokens", "--max-num-seqs", "--model-name", "--model-path"),
    ),
    "dynamo.frontend": ("--router-mode",),
    "dynamo.planner": ("--config",),
}
"""The flags that may be rendered for any release: what is kept of an older one."""


def programs(release: Release) -> tuple[Program, ...]:
    """Return the programs of a release."""
    entries = tuple(_programs(release))
    return entries if release is NEWEST else tuple(replace(entry, kept=RENDERED[entry.module]) for entry in entries)


def _programs(release: Release) -> Iterator[Program]:
    own = (release.dynamo, release.runtime)
    yield Program(
        "dynamo.vllm",
        (*own, release.vllm),
        sample=("--model", "m"),
        stand_ins={
            **_TENSORS,
            **_absent("cachetools", "cbor2", "cloudpickle", "cpuinfo", "diskcache", "fastapi", "gguf", "llguidance"),
            **_absent("mistral_common", "openai", "openai_harmony", "partial_json_parser", "psutil", "pybase64"),
            **_absent("requests", "safetensors", "urllib3", "uvloop", "xgrammar", "zmq"),
            **_absent("vllm.v1.executor", "dynamo.vllm.state_agent"),
        },
    )
    yield Program(
        "dynamo.sglang",
        (*own, release.sglang),
        sample=("--model-path", "m"),
        stand_ins={
            **_TENSORS,
            **_absent("IPython", "orjson", "partial_json_parser", "psutil", "pybase64", "requests", "safetensors"),
            **_absent("starlette", "torchvision", "triton", "uvloop", "xgrammar", "zmq"),
            **_absent("sglang.kernels.ops.attention.fla", "sglang.srt.layers.attention.fla"),
            **_absent("sglang.srt.configs", "sglang.srt.distributed", "sglang.srt.entrypoints"),
            **_absent("sglang.srt.observability", "sglang.srt.utils.hf_transformers_patches"),
            **_absent("sglang.srt.utils.hf_transformers_utils"),
        },
        emptied=("sglang.kernels", "sglang.kernels.ops"),
    )
    yield Program(
        "dynamo.trtllm",
        own,
        sample=("--model", "m"),
        stand_ins=_absent("tensorrt_llm"),
        open_prefix=None if release.version in _WITHOUT_OPEN_PREFIX else "--trtllm.",
    )
    yield Program(
        "dynamo.mocker",
        own,
        sample=("--model-path", "m"),
        stand_ins=_absent("transformers"),
        emptied=("dynamo.planner",),
    )
    yield Program("dynamo.frontend", own, sample=(), stand_ins=_absent("uvloop"))
    yield Program(
        "dynamo.planner",
        own,
        sample=("--config", "{}"),
        stand_ins={
            **_absent("dynamo.planner.core", "dynamo.planner.utils.agg_planner", "dynamo.planner.utils.decode_planner"),
            **_absent("dynamo.planner.utils.disagg_planner", "dynamo.planner.utils.prefill_planner"),
        },
        emptied=("dynamo.planner", "dynamo.planner.plugins"),
    )


PROGRAMS = programs(NEWEST)


def program(module: str, release: str = NEWEST.version) -> Program:
    """Return the program of a module in a release.

    Raises:
        KeyError: No deployment runs this module, or nothing is known of this release.
    """
    return {entry.module: entry for entry in programs(RELEASES[release])}[module]


@dataclass(frozen=True, slots=True)
class Kernels:
    """What is stood in for where an engine works out what it would start with.

    Attributes:
        wheels: The packages with its code.
        stand_ins: Modules that are stood in for, with the version that each says it is.
    """

    wheels: tuple[Wheel, ...]
    stand_ins: dict[str, str] = field(default_factory=dict)


KERNELS = {
    "dynamo.vllm": Kernels(
        (NEWEST.dynamo, NEWEST.runtime, NEWEST.vllm),
        stand_ins=_absent(
            *("vllm._C_stable_libtorch", "vllm._moe_C_stable_libtorch", "vllm._deepselect_C"),
            *("vllm.vllm_flash_attn._vllm_fa2_C", "vllm.vllm_flash_attn._vllm_fa3_C"),
        ),
    ),
    "dynamo.sglang": Kernels(
        (NEWEST.dynamo, NEWEST.runtime, NEWEST.sglang),
        stand_ins=_absent("sgl_kernel", "deep_gemm", "deep_ep", "flashinfer", "sglang.kernels"),
    ),
}
