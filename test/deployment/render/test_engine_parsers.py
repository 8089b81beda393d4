"""The real parsers of Dynamo and of the engines that it pins, at their versions, on the command lines that we render.

``hack.engines`` says what of them is real and what is stood in for.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dgdr_api.candidate import Mode, Role, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.compose import compose
from dgdr_controller.settings import Settings as DgdrSettings
from hack.engines.__main__ import main
from hack.engines.ask import parse
from hack.engines.wheels import RELEASES

pytestmark = pytest.mark.engines

Settings = dict[str, Any]
MEANT: dict[str, dict[str, Callable[[Worker], object]]] = {
    "dynamo.vllm": {
        "tensor_parallel_size": lambda w: w.parallelism.tp,
        "pipeline_parallel_size": lambda w: w.parallelism.pp,
        "data_parallel_size": lambda w: w.parallelism.dp,
        "enable_expert_parallel": lambda w: w.parallelism.moe_ep > 1,
        "max_num_seqs": lambda w: w.batch,
        "max_model_len": lambda _: 10_000,
    },
    "dynamo.sglang": {
        "tp_size": lambda w: w.parallelism.tp * w.parallelism.dp,
        "pp_size": lambda w: w.parallelism.pp,
        "dp_size": lambda w: w.parallelism.dp,
        "enable_dp_attention": lambda w: w.parallelism.dp > 1,
        "ep_size": lambda w: w.parallelism.moe_ep,
        # Of all ranks together; SGLang divides it.
        "max_running_requests": lambda w: None if w.role is Role.PREFILL else w.batch * w.parallelism.dp,
        "context_length": lambda _: 10_000,
    },
    "dynamo.trtllm": {
        "tensor_parallel_size": lambda w: w.parallelism.tp * w.parallelism.dp,
        "pipeline_parallel_size": lambda w: w.parallelism.pp,
        "expert_parallel_size": lambda w: w.parallelism.moe_ep if w.parallelism.moe_ep > 1 else None,
        "enable_attention_dp": lambda w: w.parallelism.dp > 1,
        "max_batch_size": lambda w: w.batch,
        "max_seq_len": lambda _: 10_000,
    },
}
"""What each engine is to make of a worker: its own name of a setting, and the value."""


def drafted(module: str, settings: Settings, words: Sequence[str]) -> int:
    """Return how many tokens an engine drafts in each step, as it understands its command line.

    TensorRT-LLM's options below ``--trtllm.`` are known when it runs alone: of them the words are looked at.
    """
    match module:
        case "dynamo.vllm":
            config = settings["speculative_config"] or {"method": "mtp", "num_speculative_tokens": 0}
            assert config["method"] == "mtp"
            return int(config["num_speculative_tokens"])
        case "dynamo.sglang":
            assert settings["speculative_algorithm"] in (None, "EAGLE")
            return int(settings["speculative_num_steps"] or 0)
        case _:
            options = dict(zip(words, [*words[1:], ""], strict=True))
            assert options.get("--trtllm.speculative_config.decoding_type", "MTP") == "MTP"
            return int(options.get("--trtllm.speculative_config.num_nextn_predict_layers", 0))


def gpus(module: str, settings: Settings) -> int:
    axes = {
        "dynamo.vllm": ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"),
        "dynamo.sglang": ("tp_size", "pp_size"),
        "dynamo.trtllm": ("tensor_parallel_size", "pipeline_parallel_size"),
    }
    total = 1
    for axis in axes[module]:
        total *= int(settings[axis])
    return total


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
def test_each_engine_understands_each_worker_as_it_is_meant(backend: Backend, lines: list[Any]) -> None:
    module = f"dynamo.{backend}"
    own = [line for line in lines if line.module == module]
    assert len(own) > 10
    for line, parsed in zip(own, parse(module, [line.words for line in own]), strict=True):
        assert parsed.refusal is None, f"{line.words}: {parsed.refusal}"
        meant = {name: value(line.worker) for name, value in MEANT[module].items()}
        assert {name: parsed.values[name] for name in meant} == meant
        assert drafted(module, parsed.values, line.words) == line.candidate.draft_tokens
        assert gpus(module, parsed.values) == line.worker.parallelism.gpus


@pytest.mark.parametrize("module", ["dynamo.frontend", "dynamo.mocker"])
def test_other_programs_accept_their_command_lines(module: str, lines: list[Any]) -> None:
    own = {line.words for line in lines if line.module == module}
    assert [answer.refusal for answer in parse(module, sorted(own))] == [None] * len(own)


def test_mocker_understands_the_plan(lines: list[Any]) -> None:
    own = [line for line in lines if line.module == "dynamo.mocker"]
    for line, parsed in zip(own, parse("dynamo.mocker", [line.words for line in own]), strict=True):
        shape = line.worker.parallelism
        assert parsed.values["engine_type"] == line.candidate.backend
        assert (parsed.values["max_num_seqs"], parsed.values["dp_size"] or 1) == (line.worker.batch, shape.dp)
        assert (parsed.values["ais_system"], parsed.values["ais_tp_size"]) == ("h200_sxm", shape.tp)
        if parsed.values["ais_moe_ep_size"] is not None:  # the mocker's own rule
            attention = shape.tp * (parsed.values["ais_attention_dp_size"] or 1)
            assert attention == parsed.values["ais_moe_tp_size"] * parsed.values["ais_moe_ep_size"]


def test_engines_refuse_what_we_think_that_they_refuse() -> None:
    vllm = parse(
        "dynamo.vllm",
        [
            ("--model", "m", "--disaggregation-mode", "prefill"),
            ("--model", "m", "--kv-transfer-config", '{"kv_connector":"NixlConnector","kv_role":"both"}'),
            ("--model", "m", "--max-batch-size", "4"),
        ],
    )
    assert [answer.refusal is None for answer in vllm] == [False, False, False]
    (plain,) = parse("dynamo.trtllm", [("--max-num-seqs", "4")])
    assert plain.refusal == "Unrecognized argument: --max-num-seqs"


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
@pytest.mark.parametrize("mocker", [False, True])
def test_planner_accepts_the_configuration_that_is_rendered(
    backend: Backend, mocker: Any, graph_request: Any, make_candidate: Any
) -> None:
    written = {"loadPredictor": "kalman", "adjustment_interval": 60, "no_operation": True, "planner_min_endpoint": 2}
    asked = [
        graph_request(features={"planner": planner, "mocker": mocker}, sla=sla)
        for planner in (True, written)
        for sla in (None, {"ttft": 300, "itl": 15}, {"e2eLatency": 20_000})
    ]
    together = make_candidate(backend=backend)
    prefill, decode = (together.workers[0].model_copy(update={"role": role}) for role in (Role.PREFILL, Role.DECODE))
    apart = make_candidate(backend=backend, mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    maps = [
        compose(candidate, request, DgdrSettings()).config_maps for candidate in (apart, together) for request in asked
    ]
    configs = [config_map["data"]["planner_config.json"] for (config_map,) in maps]
    parsed = parse("dynamo.planner", [("--config", config) for config in configs])
    assert [answer.refusal for answer in parsed] == [None] * len(configs)
    assert {answer.values["max_gpu_budget"] for answer in parsed} == {32}
    targets = [answer.values["optimization_target"] for answer in parsed]
    assert targets[:6] == ["throughput", *["sla"] * 5]
    assert targets[6:] == ["throughput", "latency", "latency", *["sla"] * 3]  # the last ones say how load is forecast
    assert [answer.values["enable_throughput_scaling"] for answer in parsed] == [target == "sla" for target in targets]
    parsed = parsed[:6]
    assert {answer.values["load_predictor"] for answer in parsed[3:]} == {"kalman"}
    assert {answer.values["throughput_adjustment_interval_seconds"] for answer in parsed[3:]} == {60}
    assert {answer.values["advisory"] for answer in parsed[3:]} == {True}


def test_planner_validates_a_configuration() -> None:
    good, bad = parse(
        "dynamo.planner",
        [
            ("--config", json.dumps({"mode": "agg", "optimization_target": "sla", "ttft": 900, "itl": 20})),
            ("--config", json.dumps({"mode": "agg", "prefill_min_endpoint": 1})),
        ],
    )
    assert good.refusal is None
    assert (good.values["ttft_ms"], good.values["enable_throughput_scaling"]) == (900, True)
    assert "use min_endpoint" in (bad.refusal or "")


@pytest.mark.parametrize("release", RELEASES)
def test_committed_facts_are_what_the_parsers_say(release: str) -> None:
    assert main(["check", release]) == 0


def test_parser_of_an_older_release_refuses_what_came_later() -> None:
    line = ("--model", "m", "--publish-events-and-metrics")
    written = [(*line, "--override-engine-args", "{}"), (*line, "--trtllm.enable_chunked_prefill", "true")]
    refusals = [answer.refusal for answer in parse("dynamo.trtllm", written, "1.0.2")]
    assert refusals == [None, "unrecognized arguments: --trtllm.enable_chunked_prefill true"]
