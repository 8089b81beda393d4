"""KV router, planner, mocker: what each adds to the deployment, and what it takes away."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.curves import DecodeCurve, PrefillCurve, WorkerCurve
from dgdr_api.v1beta1 import Backend, DgdrSpec, Features
from dgdr_controller.deployment.compose import Composed, compose
from dgdr_controller.deployment.render.planner_settings import validate_settings
from dgdr_controller.manifest import Manifest
from dgdr_controller.settings import DynamoSettings, Settings

Make = Callable[..., Any]


def worker(role: Role, **shape: int) -> Worker:
    return Worker(role=role, parallelism=Parallelism(**shape), count=1, batch=16, max_num_tokens=4096)


def candidate(backend: Backend = Backend.VLLM, *workers: Worker, ttft: float = 250, itl: float = 20) -> Candidate:
    workers = workers or (worker(Role.PREFILL, tp=2), worker(Role.DECODE, tp=4))
    mode = Mode.AGGREGATED if len(workers) == 1 else Mode.DISAGGREGATED
    performance = Performance(
        ttft=ttft, itl=itl, e2e=ttft + 999 * itl, tokens_per_s=1, tokens_per_s_per_gpu=1, tokens_per_s_per_user=1,
        concurrency=1, request_rate=1,
    )  # fmt: skip
    return Candidate(
        backend=backend, backend_version="1", mode=mode, workers=workers, replicas=1, context_length=8192,
        performance=performance, source=Source.MIXED,
    )  # fmt: skip


AGGREGATED = worker(Role.AGGREGATED, tp=2)


def composed(request: Any, of: Candidate | None = None) -> Composed:
    return compose(of or candidate(), request, Settings())


def components(request: Any, of: Candidate | None = None) -> dict[str, Manifest]:
    return {component["name"]: component for component in composed(request, of).graph["spec"]["components"]}


def main_of(component: Manifest) -> Manifest:
    (container,) = component["podTemplate"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


def env_of(component: Manifest) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in main_of(component).get("env", ())}


def flag(component: Manifest, name: str) -> str | None:
    args = main_of(component)["args"]
    return args[args.index(name) + 1] if name in args else None


# KV router


@pytest.mark.parametrize(
    ("backend", "events"),
    [
        (Backend.VLLM, {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": "tcp://*:5557"}),
        (Backend.SGLANG, {"publisher": "zmq", "topic": "kv-events", "endpoint": "tcp://*:5557"}),
    ],
)
def test_router_is_told_what_the_workers_hold(graph_request: Make, backend: Backend, events: Manifest) -> None:
    found = components(graph_request(features={"kvRouter": True}), candidate(backend))
    assert env_of(found["Frontend"])["DYN_ROUTER_MODE"] == "kv"
    assert json.loads(flag(found["prefill"], "--kv-events-config") or "") == events
    assert flag(found["decode"], "--kv-events-config") is None  # no prefix is looked up there
    together = components(graph_request(features={"kvRouter": {"enabled": True}}), candidate(backend, AGGREGATED))
    assert json.loads(flag(together["worker"], "--kv-events-config") or "") == events


def test_tensorrt_llm_publishes_events_by_a_switch(graph_request: Make) -> None:
    found = components(graph_request(features={"kvRouter": True}), candidate(Backend.TRTLLM))
    assert "--publish-kv-events" in main_of(found["prefill"])["args"]
    assert "--publish-kv-events" not in main_of(found["decode"])["args"]


@pytest.mark.parametrize("features", [None, {"kvRouter": False}, {"kvRouter": {"enabled": False}}])
def test_workers_publish_nothing_without_a_router(graph_request: Make, features: Any) -> None:
    text = json.dumps(composed(graph_request(features=features)).graph)
    assert "ROUTER" not in text
    assert "events" not in text


# Code of the model's repository

OWN_CODE = {"ownCode": True, "architecture": "PrivateForCausalLM"}
TRUST = {
    Backend.VLLM: ["--trust-remote-code"],
    Backend.SGLANG: ["--trust-remote-code"],
    Backend.TRTLLM: ["--trtllm.trust_remote_code", "true"],
}


def trusting(request: Any, of: Candidate, settings: Settings | None = None) -> set[bool]:
    """Whether the engines of a graph run code of the model's: that of each."""
    graph = compose(of, request, settings or Settings()).graph
    wanted, found = TRUST[of.backend], set()
    for component in graph["spec"]["components"]:
        args = main_of(component)["args"]
        trusts = any(args[at : at + len(wanted)] == wanted for at in range(len(args)))
        if component["name"] == "Frontend":
            assert not trusts  # it reads tokenizers without running any code
        else:
            found.add(trusts)
    return found


@pytest.mark.parametrize("backend", TRUST)
@pytest.mark.parametrize(
    ("facts", "said", "everywhere", "trusted"),
    [
        ({}, True, False, True),  # who says so means it
        (OWN_CODE, None, False, False),
        (OWN_CODE, None, True, True),
        ({}, None, True, False),  # there is no code to run
        (OWN_CODE, False, True, False),
        (OWN_CODE | {"inCache": True}, None, False, True),
        (OWN_CODE | {"inCache": True}, False, False, False),
        (OWN_CODE | {"inCache": False}, None, False, False),
    ],
)
def test_code_of_the_model_runs_where_somebody_answers_for_it(
    graph_request: Make, backend: Backend, facts: Any, *, said: bool | None, everywhere: bool, trusted: bool
) -> None:
    overrides = None if said is None else {"trustRemoteCode": said}
    request = graph_request(facts=facts, overrides=overrides)
    installation = Settings(dynamo=DynamoSettings(trust_remote_code=everywhere))
    for of in (candidate(backend), candidate(backend, AGGREGATED)):
        assert trusting(request, of, installation) == {trusted}
        notes = compose(of, request, installation).notes
        needed = facts.get("ownCode", False) and not trusted
        assert any("set spec.overrides.trustRemoteCode to true" in note for note in notes) == needed


# Planner


def config_of(request: Any, of: Candidate | None = None) -> Manifest:
    made = composed(request, of)
    (config_map,) = (
        manifest for manifest in made.config_maps if manifest["metadata"]["name"].startswith("planner-config-")
    )
    return json.loads(config_map["data"]["planner_config.json"])  # type: ignore[no-any-return]


def test_planner_gets_the_plan_not_defaults(graph_request: Make) -> None:
    request = graph_request(features={"planner": True}, sla={"ttft": 300, "itl": 15})
    assert config_of(request, candidate(Backend.SGLANG)) == {
        "model_name": "org/m",
        "backend": "sglang",
        "mode": "disagg",
        "max_gpu_budget": 32,
        "prefill_engine_num_gpu": 2,
        "decode_engine_num_gpu": 4,
        "optimization_target": "sla",
        "ttft_ms": 300.0,
        "itl_ms": 15.0,
    }


def test_planner_keeps_its_own_aim_without_a_target(graph_request: Make) -> None:
    assert "optimization_target" not in config_of(graph_request(features={"planner": True}))


def test_latency_of_the_whole_request_is_shared_out(graph_request: Make) -> None:
    config = config_of(graph_request(features={"planner": True}, sla={"e2eLatency": 30_000}, workload={"osl": 1000}))
    assert config["optimization_target"] == "sla"
    assert config["ttft_ms"] + 999 * config["itl_ms"] == pytest.approx(30_000, rel=1e-3)
    # As in the plan: 250 ms, then 999 times 20 ms.
    assert config["ttft_ms"] / config["itl_ms"] == pytest.approx(250 / 20, rel=1e-3)


@pytest.mark.parametrize(
    ("written", "ttft", "itl"), [({"ttft": 5000}, 5000, 25_000 / 999), ({"itl_ms": 20}, 30_000 - 20 * 999, 20)]
)
def test_latency_that_is_written_leaves_the_rest_to_the_other(
    graph_request: Make, written: Manifest, ttft: float, itl: float
) -> None:
    request = graph_request(features={"planner": written}, sla={"e2eLatency": 30_000}, workload={"osl": 1000})
    config = config_of(request)
    assert (config["ttft_ms"], config["itl_ms"]) == (pytest.approx(ttft), pytest.approx(itl))


@pytest.mark.parametrize("written", [{"adjustment-interval": 60}, {"load-predictor": "prophet"}, {"kalmanR": 2.0}])
def test_load_forecast_that_is_written_has_latencies_held(graph_request: Make, written: Manifest) -> None:
    assert config_of(graph_request(features={"planner": written}))["optimization_target"] == "sla"


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"ttft": "fast"}, 'ttft: Invalid value: "fast": must be a number'),
        ({"max_gpu_budget": 4.5}, "max_gpu_budget: Invalid value: 4.5: must be an integer"),
        ({"advisory": "true"}, 'advisory: Invalid value: "true": must be a boolean'),
        ({"min_endpoint": True}, "min_endpoint: Invalid value: true: must be an integer"),
        ({"loadPredictor": "magic"}, 'loadPredictor: Invalid value: "magic": must be one of constant, arima'),
        ({"scheduling": []}, "scheduling: Invalid value: []: must be an object"),
        ({"ttft": 1, "ttft_ms": 2}, "ttft_ms: Invalid value: 2: is an alias of ttft"),
    ],
)
def test_settings_that_the_planner_would_die_of_are_refused(written: Manifest, wrong: str) -> None:
    asked = DgdrSpec(model="m", features=Features(planner=written))
    (fault,) = validate_settings(asked)
    assert str(fault).startswith(f"spec.features.planner.{wrong}")


@pytest.mark.parametrize("planner", [True, False, None, {}, {"enabled": False}, {"ttft": 1, "itl": 2.5, "mode": "agg"}])
def test_settings_that_the_planner_takes_are_not_refused(planner: Any) -> None:
    assert validate_settings(DgdrSpec(model="m", features=Features(planner=planner))) == []


def test_setting_without_a_value_is_as_good_as_none(graph_request: Make) -> None:
    assert "itl_ms" in config_of(graph_request(features={"planner": {"itl": None}}))


@pytest.mark.parametrize(("budget", "told"), [(64, "64 GPUs"), (-1, "any number of GPUs"), (32, "")])
def test_planner_that_may_outgrow_the_budget_is_told_of(graph_request: Make, budget: int, told: str) -> None:
    notes = composed(graph_request(features={"planner": {"max_gpu_budget": budget}})).notes
    assert [note for note in notes if "lets the planner use" in note] == (
        [f"spec.features.planner lets the planner use {told}; the budget of the request is 32"] if told else []
    )


def test_planner_settings_of_the_user_stay(graph_request: Make) -> None:
    written = {"max_gpu_budget": 16, "optimization_target": "load", "ttft_ms": 1.0, "backend": "mocker"}
    config = config_of(graph_request(features={"planner": written}, sla={"ttft": 300}))
    assert config.items() >= written.items()


@pytest.mark.parametrize(
    ("written", "today"),
    [
        ({"adjustment_interval": 60}, {"throughput_adjustment_interval_seconds": 60}),
        ({"planner_min_endpoint": 2}, {"min_endpoint": 2}),
        ({"plannerMinEndpoint": 2}, {"min_endpoint": 2}),
        ({"load-predictor": "kalman", "kalman-q-level": 2.0}, {"load_predictor": "kalman", "kalman_q_level": 2.0}),
        ({"no_operation": True}, {"advisory": True}),
        ({"loadPredictionWindowSize": 10}, {"prophet_window_size": 10}),
        ({"ttft": 80.0}, {"ttft_ms": 80.0, "optimization_target": "sla"}),
        ({"enabled": True, "load_predictor_warmup_trace": "/t"}, {"load_predictor_warmup_trace": "/t"}),
    ],
)
def test_settings_of_the_guide_have_todays_names(graph_request: Make, written: Manifest, today: Manifest) -> None:
    config = config_of(graph_request(features={"planner": written}))
    assert config.items() >= today.items()
    assert not written.keys() & config.keys() - today.keys()


def test_settings_that_no_longer_exist_are_told(graph_request: Make) -> None:
    request = graph_request(features={"planner": {"isl": 3000, "noCorrection": True}})
    assert not config_of(request).keys() & {"isl", "no_correction", "noCorrection"}
    assert "spec.features.planner.isl has no effect: the planner observes it" in composed(request).notes
    assert any(note.startswith("spec.features.planner.noCorrection has no effect") for note in composed(request).notes)


def test_settings_that_the_planner_would_pass_over_are_told(graph_request: Make) -> None:
    notes = composed(
        graph_request(features={"planner": {"maxGpuBugdet": 4}}), candidate(Backend.VLLM, AGGREGATED)
    ).notes
    assert notes == ("spec.features.planner.maxGpuBugdet is not a setting of Dynamo's planner and has no effect",)


def test_planner_without_curves_is_told_of(graph_request: Make) -> None:
    assert any("starts without estimates" in note for note in composed(graph_request(features={"planner": True})).notes)


def test_planner_is_a_component_that_mounts_its_configuration(graph_request: Make) -> None:
    request = graph_request(features={"planner": True})
    found, (config_map,) = components(request), composed(request).config_maps
    planner = found["Planner"]
    assert (planner["type"], planner["replicas"]) == ("planner", 1)
    main = main_of(planner)
    assert main["command"] == ["python3", "-m", "dynamo.planner"]
    (mount,), (volume,) = main["volumeMounts"], planner["podTemplate"]["spec"]["volumes"]
    assert main["args"] == ["--config", f"{mount['mountPath']}/planner_config.json"]
    assert volume == {"name": mount["name"], "configMap": {"name": config_map["metadata"]["name"]}}
    assert env_of(planner)["PROMETHEUS_ENDPOINT"].startswith("http://prometheus-kube-prometheus-prometheus.monitoring")
    assert main["image"].endswith("/dynamo-planner:1.6.1")
    assert all(found[name]["scalingAdapter"] == {} for name in ("prefill", "decode"))
    assert env_of(found["prefill"]) == {"DYN_FORWARDPASS_METRIC_PORT": "20380", "DYN_BENCHMARK_MODE": "prefill"}


def test_planner_scales_the_type_that_it_knows_of_engines_that_do_both(graph_request: Make) -> None:
    request = graph_request(features={"planner": True})
    found = components(request, candidate(Backend.SGLANG, AGGREGATED))
    assert found["worker"]["type"] == "decode"
    assert "--disaggregation-mode" not in main_of(found["worker"])["args"]
    assert env_of(found["worker"]) == {"DYN_FORWARDPASS_METRIC_PORT": "20380"}
    config = config_of(request, candidate(Backend.SGLANG, AGGREGATED))
    assert (config["mode"], config["decode_engine_num_gpu"]) == ("agg", 2)
    assert "prefill_engine_num_gpu" not in config


def test_planner_that_only_advises_gets_no_hold_of_the_workers(graph_request: Make) -> None:
    found = components(graph_request(features={"planner": {"advisory": True}}))
    assert "scalingAdapter" not in found["decode"]


def test_configurations_of_two_requests_do_not_meet(graph_request: Make) -> None:
    names = {
        config_map["metadata"]["name"]
        for uid in ("a", "b")
        for config_map in composed(graph_request(uid=uid, features={"planner": True})).config_maps
    }
    assert len(names) == 2


def curve(role: Role, **shape: int) -> WorkerCurve:
    prefill = PrefillCurve(isl=(100, 200), ttft=(5.0, 9.0), tokens_per_s_per_gpu=(10.0, 11.0))
    decode = DecodeCurve(
        kv_usage=(0.1, 0.9), context_length=(1000, 1000), itl=(7.0, 12.0), tokens_per_s_per_gpu=(3.0, 4.0),
        max_kv_tokens=50_000,
    )  # fmt: skip
    of = {"prefill": prefill} if role is Role.PREFILL else {"decode": decode}
    return WorkerCurve(
        backend=Backend.VLLM, role=role, parallelism=Parallelism(**shape), kv_cache_dtype=KvCacheDtype.AUTO, **of
    )


def test_planner_begins_with_the_curves_of_its_own_workers(graph_request: Make) -> None:
    known = (curve(Role.PREFILL, tp=8), curve(Role.PREFILL, tp=2), curve(Role.DECODE, tp=4))
    request = graph_request(features={"planner": True}, curves=known)
    config, data = composed(request).config_maps
    assert data["metadata"]["name"].startswith("planner-profile-data-")
    prefill, decode = (json.loads(data["data"][f"{phase}_raw_data.json"]) for phase in ("prefill", "decode"))
    assert prefill == {"prefill_isl": [100, 200], "prefill_ttft": [5.0, 9.0], "prefill_thpt_per_gpu": [10.0, 11.0]}
    assert decode == {
        "x_kv_usage": [0.1, 0.9],
        "y_context_length": [1000, 1000],
        "z_itl": [7.0, 12.0],
        "z_thpt_per_gpu": [3.0, 4.0],
        "max_kv_tokens": 50_000,
    }
    mounts = {m["name"]: m["mountPath"] for m in main_of(components(request)["Planner"])["volumeMounts"]}
    assert json.loads(config["data"]["planner_config.json"])["profile_results_dir"] in mounts.values()
    others = graph_request(features={"planner": True}, curves=known[:2])
    assert len(composed(others).config_maps) == 1  # one of the two is missing


# Mocker


def test_simulated_workers_have_the_plan_and_no_gpus(graph_request: Make) -> None:
    cache = {"pvcName": "claim", "pvcModelPath": "m"}
    request = graph_request(model="/opt/model-cache/m", features={"mocker": True}, modelCache=cache)
    of = candidate(Backend.TRTLLM, worker(Role.PREFILL, tp=2, moe_ep=2), worker(Role.DECODE, tp=1, dp=4, moe_ep=4))
    found = components(request, of)
    assert composed(request, of).graph["spec"]["backendFramework"] == "trtllm"
    decode = found["decode"]
    assert main_of(decode)["command"] == ["python3", "-m", "dynamo.mocker"]
    wanted = {
        "--model-path": "/opt/model-cache/m", "--model-name": "org/m", "--engine-type": "trtllm",
        "--data-parallel-size": "4", "--max-model-len": "8192", "--max-num-seqs": "16",
        "--max-num-batched-tokens": "4096", "--ais-system": "h200_sxm", "--ais-backend": "trtllm",
        "--ais-tp-size": "1", "--ais-attention-dp-size": "4", "--ais-moe-tp-size": "1", "--ais-moe-ep-size": "4",
        "--disaggregation-mode": "decode",
    }  # fmt: skip
    assert {name: flag(decode, name) for name in wanted} == wanted
    assert flag(found["prefill"], "--disaggregation-mode") == "prefill"
    assert all("resources" not in main_of(component) for component in found.values())
    assert all("multinode" not in component and "sharedMemorySize" not in component for component in found.values())
    assert main_of(decode)["volumeMounts"][0]["mountPath"] == "/opt/model-cache"
    assert main_of(decode)["image"].endswith("/dynamo-planner:1.6.1")
    assert any("simulated" in note for note in composed(request, of).notes)


def test_dense_model_has_no_experts_to_simulate(graph_request: Make) -> None:
    found = components(graph_request(features={"mocker": True}))
    assert "--ais-tp-size" in main_of(found["decode"])["args"]
    assert "--ais-moe-tp-size" not in main_of(found["decode"])["args"]


def test_gpu_that_the_simulator_does_not_know_has_the_mockers_own_times(graph_request: Make, hardware: Any) -> None:
    on = hardware.model_copy(update={"gpu_sku": "l40"})
    args = main_of(components(graph_request(on=on, features={"mocker": True}))["decode"])["args"]
    assert not [arg for arg in args if arg.startswith("--ais")]


def test_planner_of_simulated_workers_knows_that_they_are(graph_request: Make) -> None:
    request = graph_request(features={"mocker": True, "planner": True})
    assert config_of(request)["backend"] == "mocker"
    assert env_of(components(request)["decode"]) == {}
