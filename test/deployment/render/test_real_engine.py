"""Dynamo's frontend and vLLM itself, started from a rendered graph: what they answer, and what they made of their flags.

``hack.engines.cpu`` says what of them is real on a machine without a GPU, and what differs from a cluster.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.results import Results
from dgdr_controller.deployment.compose import compose
from dgdr_controller.results.content import graph_request
from dgdr_controller.settings import Settings
from hack.engines.cpu import model
from hack.engines.cpu.serve import Served, serve
from test.builders.command_line import run, serve_simulator

pytestmark = [pytest.mark.engines, pytest.mark.aic]

NAME = "acme/tiny"
QUESTION = "Tell me of the sea and of the land. " * 20
TOKENS = 8

Plan = Callable[..., Results]
Card = dict[str, Any]

CACHED = "vllm:prefix_cache_hits_total"
PROMPTS = "vllm:prompt_tokens_by_source_total"
TRANSFERS = "vllm:nixl_xfer_time_seconds_count"
EVENTS = "dynamo_component_kv_cache_events_applied"
CHOSEN_FOR = "dynamo_component_router_kv_selected_cached_prefix_tokens_total"
"""Tokens that the router knew to be in the cache of the worker that it chose."""


@pytest.fixture
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> Plan:
    """Plan a request for a small model that is on this machine, where its model cache would be mounted."""
    serve_simulator(request)
    model.write(tmp_path / "cache" / "tiny")

    def make(**features: bool) -> Results:
        cache = {"pvcName": "weights", "pvcModelPath": "tiny", "pvcMountPath": str(tmp_path / "cache")}
        hardware = {"gpuSku": "h200_sxm", "totalGpus": 2, "numGpusPerNode": 8}
        spec = {"model": NAME, "backend": "vllm", "modelCache": cache, "hardware": hardware, "features": features}
        spec |= {"workload": {"isl": 512, "osl": 64}}
        manifest = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest", "spec": spec}
        (tmp_path / "dgdr.yaml").write_text(yaml.safe_dump(manifest | {"metadata": {"name": "tiny"}}))
        planned = run("plan", "-f", "dgdr.yaml", "--model-cache", "cache", "-o", "out", folder=tmp_path)
        assert planned.returncode == 0, planned.stderr
        return Results.model_validate_json((tmp_path / "out" / "results.json").read_text())

    return make


def served(results: Results, mode: Mode) -> tuple[Candidate, Served]:
    """Serve the best candidate of a mode; ask it the same question twice."""
    candidate = next(c for c in results.candidates if c.is_offered and c.mode is mode)
    graph = compose(candidate, graph_request(results), Settings()).graph
    return candidate, serve(graph, NAME, [QUESTION, QUESTION], TOKENS)


def text_of(result: Served, number: int) -> str:
    answer = result.answers[number]
    assert answer["usage"]["completion_tokens"] == TOKENS
    assert answer["choices"][0]["finish_reason"] == "length"
    return str(answer["choices"][0]["message"])


def measured(result: Served, component: str, name: str, **labels: str) -> float:
    """Return the sum of a component's metric over everything that has these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in result.metrics[component].splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.split()[-1]) for line in lines if all(label in line for label in wanted))


def parsers(card: Card) -> tuple[str, str]:
    return card["runtime_config"]["tool_call_parser"], card["runtime_config"]["reasoning_parser"]


def assert_meant(candidate: Candidate, role: Role, card: Card, log: str) -> None:
    """Compare with the plan what an engine has resolved: what it tells the frontend, and what it logs."""
    (worker,) = (worker for worker in candidate.workers if worker.role is role)
    shape, runtime = worker.parallelism, card["runtime_config"]
    assert (card["display_name"], card["context_length"]) == (NAME, candidate.context_length)
    assert runtime["max_num_seqs"] == worker.batch
    assert runtime["max_num_batched_tokens"] == max(worker.max_num_tokens, worker.batch)
    assert runtime["data_parallel_size"] == shape.dp
    (resolved,) = re.findall(r"Initializing a V1 LLM engine .*", log)
    assert f" tensor_parallel_size={shape.tp}, pipeline_parallel_size={shape.pp}," in resolved
    assert f" kv_cache_dtype={worker.kv_cache_dtype}, device_config=cpu," in resolved
    assert " speculative_config=None," in resolved


@pytest.mark.parametrize("routed", [False, True])
def test_engine_serves_as_it_is_planned(plan: Plan, routed: bool) -> None:  # noqa: FBT001
    candidate, result = served(plan(kvRouter=routed), Mode.AGGREGATED)
    assert text_of(result, 0) == text_of(result, 1)
    card = result.cards["backend"]
    assert_meant(candidate, Role.AGGREGATED, card, result.logs["worker"])
    assert card["worker_type"] == "aggregated"
    assert parsers(card) == ("hermes", "qwen3")
    assert card["runtime_config"]["kv_event_publishing_enabled"] is routed
    assert measured(result, "worker", CACHED) > 0, "prefixes are cached with and without a router"
    assert (measured(result, "Frontend", EVENTS, status="ok") > 0) is routed
    assert (measured(result, "Frontend", CHOSEN_FOR) > 0) is routed


def test_prefill_and_decode_share_the_work(plan: Plan) -> None:
    candidate, result = served(plan(kvRouter=True), Mode.DISAGGREGATED)
    assert text_of(result, 0) == text_of(result, 1)
    prefill, decode = result.cards["prefill"], result.cards["backend"]
    assert_meant(candidate, Role.PREFILL, prefill, result.logs["prefill"])
    assert_meant(candidate, Role.DECODE, decode, result.logs["decode"])
    assert (prefill["worker_type"], decode["worker_type"]) == ("prefill", "decode")
    assert parsers(decode) == ("hermes", "qwen3")
    assert measured(result, "prefill", PROMPTS, source="local_compute") > 0
    assert measured(result, "decode", PROMPTS, source="local_compute") == 0, "decode computes no prompt again"
    assert measured(result, "decode", PROMPTS, source="external_kv_transfer") > 0
    assert measured(result, "decode", TRANSFERS) > 0
    assert measured(result, "Frontend", EVENTS, dynamo_component="prefill", status="ok") > 0
    assert measured(result, "Frontend", CHOSEN_FOR, phase="prefill") > 0
