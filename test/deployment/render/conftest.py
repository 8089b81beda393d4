"""Command lines of representative candidates, as they stand in the rendered graphs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Role, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, Nodes, render, unrenderable
from dgdr_controller.settings import Settings

NODES = Nodes(gpus=8)
SHAPES = [
    {"tp": 1},
    {"tp": 4},
    {"tp": 2, "pp": 2},
    {"tp": 16},
    {"tp": 4, "moe_tp": 4},
    {"tp": 4, "moe_ep": 4},
    {"tp": 1, "dp": 8, "moe_ep": 8},
    {"tp": 2, "dp": 4, "moe_ep": 8},
    {"tp": 1, "dp": 8, "moe_tp": 8},
    {"tp": 4, "moe_tp": 2, "moe_ep": 2},
    {"tp": 1, "dp": 16, "moe_ep": 16},
]
"""Every kind of parallelism that the search knows; what cannot be rendered is left out, backend by backend."""

MODELS = [
    {"architecture": "Qwen3_5ForConditionalGeneration", "modelType": "qwen3_5", "takesImages": True},
    {"architecture": "MiniMaxM3SparseForCausalLM", "modelType": "minimax_m3_vl"},
    {"architecture": "DeepseekV4ForCausalLM", "modelType": "deepseek_v4"},
    {"architecture": "GlmMoeDsaForCausalLM", "modelType": "glm_moe_dsa"},
    {"architecture": "Lfm2ForCausalLM", "modelType": "lfm2"},
    {"architecture": "Gemma3ForConditionalGeneration", "modelType": "gemma3", "takesImages": True},
    {"architecture": "DeepseekV3ForCausalLM", "modelType": "kimi_k2", "inCache": True},
]
"""Models that need something of their own; each in a few shapes."""
FEATURES = [None, {"kvRouter": True, "planner": True}, {"mocker": True}]


@dataclass(frozen=True, slots=True)
class Line:
    """One container of a rendered graph.

    Attributes:
        module: What it runs after ``python3 -m``.
        words: What follows that.
        worker: The worker that it is, or None for what is no worker.
        candidate: The candidate that was rendered.
    """

    module: str
    words: tuple[str, ...]
    worker: Worker | None
    candidate: Candidate


@pytest.fixture
def lines(lines_of: Callable[..., list[Line]]) -> list[Line]:
    """Return the containers of the graph of every candidate that can be rendered, over all backends and features."""
    return lines_of()


@pytest.fixture
def lines_of(make_candidate: Any, graph_request: Any) -> Callable[..., list[Line]]:
    """Return what renders those lines for requests that say something more, for example another image."""
    return lambda **spec: _all_lines(make_candidate, graph_request, spec)


def _all_lines(make_candidate: Any, graph_request: Any, spec: Mapping[str, Any]) -> list[Line]:
    candidates = [
        make_candidate(
            backend=backend,
            mode=Mode.AGGREGATED if roles == (Role.AGGREGATED,) else Mode.DISAGGREGATED,
            workers=tuple(_worker(role, dtype, shape) for role in roles),
            draft_tokens=2 if dtype is KvCacheDtype.FP8 else 0,
        )
        for backend in (Backend.VLLM, Backend.SGLANG, Backend.TRTLLM)
        for roles in ((Role.AGGREGATED,), (Role.PREFILL, Role.DECODE))
        for dtype in KvCacheDtype
        for shape in SHAPES
    ]
    rendered = [candidate for candidate in candidates if unrenderable(candidate, NODES) is None]
    requests = [graph_request(features=features, **spec) for features in FEATURES]
    of_families = [graph_request(facts=facts, **spec) for facts in MODELS]
    few = [candidate for candidate in rendered if candidate.workers[0].parallelism.gpus in (1, 16)]
    pairs = [*((c, r) for c in rendered for r in requests), *((c, r) for c in few for r in of_families)]
    return [line for candidate, request in pairs for line in _lines(candidate, request)]


def _worker(role: Role, dtype: KvCacheDtype, shape: dict[str, int]) -> Worker:
    batch, tokens = {Role.AGGREGATED: (96, 5632), Role.PREFILL: (1, 5504), Role.DECODE: (224, 512)}[role]
    shaped = Parallelism(**shape)
    return Worker(role=role, parallelism=shaped, count=1, batch=batch, max_num_tokens=tokens, kv_cache_dtype=dtype)


def _lines(candidate: Candidate, request: GraphRequest) -> Iterator[Line]:
    workers = {"worker" if w.role is Role.AGGREGATED else w.role.value: w for w in candidate.workers}
    for component in render(candidate, request, Settings()).graph.spec.components:
        (main,) = component.pod_template.spec.containers
        words = [*main.command, *main.args]
        module = words.index("-m") + 1
        yield Line(words[module], tuple(words[module + 1 :]), workers.get(component.name), candidate)
