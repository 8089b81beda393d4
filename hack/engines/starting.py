"""Runs in a process of its own: lets an engine work out what it would start with, up to where it loads the model.

The request comes as JSON on the standard input, ``{"module", "roots", "device", "starts"}``; the answer goes as JSON to
the file that the first argument names. torch and transformers are real here; ``gpu`` answers for the GPU.
"""

import argparse
import asyncio
import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hack.engines import gpu, stand_in
from hack.engines.programs import KERNELS

Check = Callable[[Sequence[str]], dict[str, object]]
"""Returns the settings that an engine would start with, by its own names."""


def _vllm() -> Check:
    torch: Any = importlib.import_module("torch")
    for name, supported in _capabilities().items():
        setattr(torch.ops._C, name, supported)  # noqa: SLF001 - where vLLM looks them up
    platforms = importlib.import_module("vllm.platforms")
    platforms.__dict__["_current_platform"] = importlib.import_module("vllm.platforms.cuda").NonNvmlCudaPlatform()
    # vLLM looks at a model's class in another process, where there would be no GPU.
    importlib.import_module("vllm.model_executor.models.registry").__dict__["_run_in_subprocess"] = lambda look: look()
    args = importlib.import_module("dynamo.vllm.args")
    context = importlib.import_module("vllm.usage.usage_lib").UsageContext.OPENAI_API_SERVER

    def check(line: Sequence[str]) -> dict[str, object]:
        return _vllm_settings(args.parse_args(list(line)).engine_args.create_engine_config(usage_context=context))

    return check


_VLLM_SETTINGS = {
    "model_config": ("max_model_len", "quantization"),
    "parallel_config": (
        *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel"),
        *("data_parallel_size_local", "nnodes"),
    ),
    "scheduler_config": ("max_num_seqs", "max_num_batched_tokens", "enable_chunked_prefill", "async_scheduling"),
    "cache_config": ("cache_dtype", "block_size", "enable_prefix_caching"),
    "speculative_config": ("method", "num_speculative_tokens"),
    "kv_transfer_config": ("kv_connector", "kv_role"),
    "kv_events_config": ("enable_kv_cache_events", "publisher"),
    "compilation_config": ("max_cudagraph_capture_size", "cudagraph_mode"),
}
"""By the part of its config that has them."""


def _vllm_settings(config: Any) -> dict[str, object]:
    return {
        name: _plain(getattr(part, name))
        for part_name, names in _VLLM_SETTINGS.items()
        if (part := getattr(config, part_name)) is not None
        for name in names
    }


def _plain(value: object) -> object:
    """Return a setting as JSON can hold it."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _capabilities() -> dict[str, Callable[[int], bool]]:
    """Return what vLLM's kernels say that they can do on a compute capability (``csrc``, ``_supported`` functions)."""
    return {
        "cutlass_scaled_mm_supports_fp8": lambda capability: capability >= 89,  # noqa: PLR2004
        "cutlass_scaled_mm_supports_block_fp8": lambda capability: capability >= 90,  # noqa: PLR2004
        "cutlass_scaled_mm_supports_fp4": lambda capability: capability >= 100,  # noqa: PLR2004
        "cutlass_group_gemm_supported": lambda capability: 90 <= capability < 110,  # noqa: PLR2004
        "mxfp4_experts_quant_supported": lambda capability: 100 <= capability < 120,  # noqa: PLR2004
    }


_SGLANG_SETTINGS = (
    *("tp_size", "pp_size", "dp_size", "ep_size", "enable_dp_attention", "moe_a2a_backend", "nnodes"),
    *("context_length", "max_running_requests", "chunked_prefill_size", "max_prefill_tokens", "enable_mixed_chunk"),
    *("page_size", "kv_cache_dtype", "quantization", "disable_radix_cache", "mem_fraction_static"),
    *("attention_backend", "moe_runner_backend", "disable_overlap_schedule"),
    *("speculative_algorithm", "speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens"),
    *("disaggregation_mode", "disaggregation_transfer_backend", "kv_events_config", "enable_multimodal"),
)


def _sglang() -> Check:
    kernels = importlib.import_module("sglang.kernels.ops.attention.fla.chunk_delta_h")
    kernels.__dict__["CHUNK_SIZE"] = 64  # what is stood in for has no numbers; overrides.py has this one, too
    args = importlib.import_module("dynamo.sglang.args")
    model_config = importlib.import_module("sglang.srt.configs.model_config").ModelConfig

    async def already_there(path: str, **_: object) -> str:
        return path

    args.__dict__["fetch_model"] = already_there  # the parser downloads the model

    def check(line: Sequence[str]) -> dict[str, object]:
        server_args = asyncio.run(args.parse_args(list(line))).server_args
        server_args.resolve_once()
        server_args.check_server_args()
        model_config.from_server_args(server_args)  # what each of its processes does next
        resolved = server_args.resolved_dict()
        graphs = resolved["cuda_graph_config"]["decode"]
        return {
            **{name: _plain(resolved[name]) for name in _SGLANG_SETTINGS},
            "decode_graph": graphs["max_bs"] if graphs["backend"] != "disabled" else 0,
        }

    return check


CHECKS: dict[str, Callable[[], Check]] = {"dynamo.vllm": _vllm, "dynamo.sglang": _sglang}


_LOGGERS = ("", "vllm")
"""Of all programs, and of one that passes nothing on to the first."""


@contextmanager
def _noting(messages: list[str]) -> Iterator[None]:
    """Note warnings, errors and what an argument parser objects to."""
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]

    def refuse(_: argparse.ArgumentParser, message: str) -> None:
        messages.append(message)
        sys.exit(2)

    for name in _LOGGERS:
        logging.getLogger(name).addHandler(listener)
    try:
        with mock.patch.object(argparse.ArgumentParser, "error", refuse):
            yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(listener)


def _attempt(check: Check, start: Mapping[str, Any], roots: Sequence[str]) -> dict[str, object]:
    messages: list[str] = []
    refusal: str | None = None
    settings: dict[str, object] = {}
    with _noting(messages), mock.patch.dict(os.environ, start["env"]):
        try:
            settings = check(start["words"])
        except SystemExit:
            refusal = messages[-1] if messages else "the program ended without a word"
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is its answer
            refusal = f"{type(error).__name__}: {error} ({_source(error, roots)})"
    return {"refusal": refusal, "settings": settings, "warnings": messages}


def _source(error: BaseException, roots: Sequence[str]) -> str:
    """Return where an engine raised an error: file below the package's folder, and line."""
    own = [
        (frame.filename.removeprefix(f"{root}/"), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        for root in roots
        if frame.filename.startswith(f"{root}/")
    ]
    return ":".join(map(str, own[-1])) if own else ""


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    device = gpu.Device(**{**request["device"], "capability": tuple(request["device"]["capability"])})
    sys.path[:0] = request["roots"]
    gpu.install(device)
    stand_in.install(KERNELS[request["module"]].stand_ins)
    check = CHECKS[request["module"]]()
    answers = [_attempt(check, start, request["roots"]) for start in request["starts"]]
    Path(sys.argv[1]).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main()
