"""What vLLM and SGLang would start with, of all that is rendered for the requests of the matrix and the recipes.

An engine that accepts a command line may still refuse it, or change it, when it meets the model and the GPU. So the
engines themselves work out their configs here (``hack.engines.validate`` says what of them is real), and what comes out
is compared with the plan. The plans are in ``hack/engines/plans``, since planning them takes an hour.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from dgdr_api.candidate import Candidate, Role
from dgdr_api.gpus import find_gpu
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes, unrenderable
from dgdr_controller.deployment.render.families import needs_own_code
from dgdr_controller.settings import Settings
from hack.cluster.layout import CHECKOUT
from hack.engines import plans
from hack.engines.containers import Container, containers
from hack.engines.validate import Start, Started, device, validate

pytestmark = pytest.mark.engines

REQUESTS = ("test/matrix/requests.yaml", "hack/recipes/requests.yaml")
MODULES = ("dynamo.vllm", "dynamo.sglang")
DRAFTING = ("DeepseekV3ForCausalLM", "Qwen3_5MoeForConditionalGeneration", "GlmMoeDsaForCausalLM")
"""Models with layers that draft, of which drafts are judged, too: no request asks for any."""

EXPECTED: dict[str, dict[str, Callable[[Container], object]]] = {
    "dynamo.vllm": {
        "tensor_parallel_size": lambda c: c.worker.parallelism.tp,
        "pipeline_parallel_size": lambda c: c.worker.parallelism.pp,
        "data_parallel_size": lambda c: c.worker.parallelism.dp,
        "enable_expert_parallel": lambda c: c.worker.parallelism.moe_ep > 1,
        "max_model_len": lambda c: c.candidate.context_length,
        "max_num_seqs": lambda c: c.worker.batch,
        "max_num_batched_tokens": lambda c: max(c.worker.max_num_tokens, c.worker.batch),
        "enable_chunked_prefill": lambda _: True,
        "enable_prefix_caching": lambda _: True,
        "cache_dtype": lambda c: c.worker.kv_cache_dtype.value,
        "num_speculative_tokens": lambda c: c.candidate.draft_tokens or None,
        "kv_role": lambda c: {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}.get(c.worker.role),
    },
    "dynamo.sglang": {
        "tp_size": lambda c: c.worker.parallelism.tp * c.worker.parallelism.dp,
        "pp_size": lambda c: c.worker.parallelism.pp,
        "dp_size": lambda c: c.worker.parallelism.dp,
        "enable_dp_attention": lambda c: c.worker.parallelism.dp > 1,
        "ep_size": lambda c: c.worker.parallelism.moe_ep,
        "context_length": lambda c: c.candidate.context_length,
        "kv_cache_dtype": lambda c: {"fp8": "fp8_e4m3"}.get(c.worker.kv_cache_dtype.value, "auto"),
        "speculative_num_steps": lambda c: c.candidate.draft_tokens or None,
        "disaggregation_mode": lambda c: "null" if c.worker.role is Role.AGGREGATED else c.worker.role.value,
        "disable_radix_cache": lambda c: c.worker.role is Role.DECODE,
        "enable_mixed_chunk": lambda c: "--enable-mixed-chunk" in c.start.words,
    },
}
"""What each engine is to start with: its own name of a setting, and the value."""

GRAPHS = {"dynamo.vllm": "max_cudagraph_capture_size", "dynamo.sglang": "decode_graph"}
"""Where each says of how many tokens or requests the largest step is that it captures."""

STAND_INS: dict[str, str] = {
    r"does not appear to have a file named \w+\.py": "the hub that is stood in for has configs and no code",
}
"""Objections that come from what is stood in for, each with the reason: regular expression to reason."""


def candidates(plan: Any) -> Iterator[Candidate]:
    yield from plan.candidates
    if plan.model_facts.architecture in DRAFTING:
        drafting = (with_drafts(c, 2) for c in plan.candidates if c.backend in (Backend.VLLM, Backend.SGLANG))
        nodes = Nodes.of(plan.hardware)
        yield from (c for c in drafting if unrenderable(c, nodes, plan.model_facts) is None)


def with_drafts(candidate: Candidate, tokens: int) -> Candidate:
    """The candidate as it is searched with drafts: steps have room for them."""
    workers = tuple(
        worker.model_copy(update={"max_num_tokens": max(worker.max_num_tokens, worker.batch * (1 + tokens))})
        for worker in candidate.workers
    )
    return candidate.model_copy(update={"draft_tokens": tokens, "workers": workers})


@cache
def rendered() -> tuple[Container, ...]:
    entries = [entry for file in REQUESTS for entry in yaml.safe_load((CHECKOUT / file).read_text(encoding="utf-8"))]
    configs = {entry["id"]: entry.get("config") for entry in entries}
    found: dict[Any, Container] = {}
    for file in sorted(plans.FOLDER.glob("*.json")):
        plan = plans.read(file)
        plan = plan.model_copy(update={"candidates": tuple(candidates(plan))})
        for container in containers(plan, configs[file.stem]):
            key = (container.module, container.sku, container.start.words, tuple(container.start.env.items()))
            found.setdefault(key, container)
    return tuple(found.values())


def by_hardware(module: str) -> dict[tuple[str, int], list[Container]]:
    """The containers of an engine by SKU and GPUs of a node: what one process judges."""
    found: dict[tuple[str, int], list[Container]] = {}
    for container in rendered():
        gpu = find_gpu(container.sku)
        if (
            container.module == module and gpu is not None and gpu.capability
        ):  # the GPU that is stood in for is NVIDIA's
            per_node = container.request.hardware.num_gpus_per_node.value
            found.setdefault((container.sku, per_node), []).append(container)
    return found


def may_not_load(container: Container) -> bool:
    """Whether the user is told that engines refuse the model unless they may run its code."""
    return needs_own_code(container.request.facts) and not container.request.trusts_code(Settings())


def decoded(container: Container) -> int:
    """What a step in which every request decodes takes: vLLM counts tokens and SGLang requests."""
    drafts = container.candidate.draft_tokens if container.module == "dynamo.vllm" else 0
    return 0 if container.worker.role is Role.PREFILL else container.worker.batch * (1 + drafts)


def objections(container: Container, started: Started) -> Iterator[str]:
    """What is wrong with a config, or with the lack of one."""
    if started.refusal is not None:
        if not may_not_load(container) and not any(re.search(known, started.refusal) for known in STAND_INS):
            yield f"refused: {started.refusal}"
        return
    for name, value in EXPECTED[container.module].items():
        if started.settings.get(name) != value(container):
            yield f"{name} is {started.settings.get(name)}, not {value(container)}"
    captured = started.settings[GRAPHS[container.module]]
    if captured < decoded(container):
        yield f"steps of {captured} are captured, not of {decoded(container)}"


@pytest.mark.parametrize("module", MODULES)
def test_engine_starts_with_what_was_planned(module: str) -> None:
    groups = by_hardware(module)
    assert sum(map(len, groups.values())) > 100
    found = [
        f"{objection} ({sku}): {' '.join(container.start.words)}"
        for (sku, per_node), own in groups.items()
        for container, started in zip(
            own, validate(module, [container.start for container in own], device(sku, per_node)), strict=True
        )
        for objection in objections(container, started)
    ]
    assert not found, f"{len(found)} objections:\n" + "\n".join(found)


REFUSED = {
    "dynamo.vllm": {
        "--tensor-parallel-size 3": "divisible by tensor parallel size",
        "--tensor-parallel-size 16": "larger than the number of available GPUs",
        "--max-num-seqs 96 --max-num-batched-tokens 64": "max_num_batched_tokens",
        "--max-model-len 50000": "max_model_len",
        "--kv-cache-dtype fp7": "fp7",
    },
    "dynamo.sglang": {
        "--page-size 16 --chunked-prefill-size 1000": "page_size",
        "--context-length 50000": "context",
        "--kv-cache-dtype fp7": "fp7",
    },
}
"""What each engine does not start with, and a part of what it says."""


@pytest.mark.parametrize("module", MODULES)
def test_engine_refuses_what_it_cannot_start_with(module: str) -> None:
    flag = "--model" if module == "dynamo.vllm" else "--model-path"
    starts = [Start((flag, "Qwen/Qwen3-32B", *words.split())) for words in REFUSED[module]]
    refusals = [started.refusal or "" for started in validate(module, starts, device("h200_sxm"))]
    assert [part in refusal for part, refusal in zip(REFUSED[module].values(), refusals, strict=True)] == [True] * len(
        refusals
    ), refusals
