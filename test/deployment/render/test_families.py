"""What families of models need of each engine; the flags are held against the engines' own parsers, too."""

from typing import Any

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Role, Source, Worker
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.compose import compose
from dgdr_controller.deployment.render import (
    Nodes,
    unpairable,
    unrenderable,
    unrenderable_worker,
    why_only_aggregated,
)
from dgdr_controller.deployment.render.engine import EngineWorker
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.deployment.render.families import NEEDS, needs_own_code
from dgdr_controller.deployment.render.parsers import ROWS, parsers
from dgdr_controller.deployment.render.releases import RELEASES, Release, command_line, release_of
from dgdr_controller.deployment.render.sglang import ENGINE as SGLANG
from dgdr_controller.settings import Settings
from hack.engines import known
from test.builders.trtllm import TRTLLM_FIELDS

FACTS = {
    "Nemotron-3": {"architecture": "NemotronHForCausalLM", "modelType": "nemotron_h"},
    "Qwen3.5": {"architecture": "Qwen3_5ForConditionalGeneration", "modelType": "qwen3_5", "takesImages": True},
    "Qwen3": {"architecture": "Qwen3ForCausalLM", "modelType": "qwen3"},
    "Qwen3-VL": {"architecture": "Qwen3VLMoeForConditionalGeneration", "takesImages": True},
    "Kimi-K2": {"architecture": "DeepseekV3ForCausalLM", "modelType": "kimi_k2", "ownCode": True},
    "DeepSeek-R1": {"architecture": "DeepseekV3ForCausalLM", "modelType": "deepseek_v3", "ownCode": True},
    "DeepSeek-V4": {"architecture": "DeepseekV4ForCausalLM", "modelType": "deepseek_v4"},
    "GLM-5": {"architecture": "GlmMoeDsaForCausalLM", "modelType": "glm_moe_dsa"},
    "MiniMax-M3": {"architecture": "MiniMaxM3SparseForCausalLM", "modelType": "minimax_m3_vl"},
    "gpt-oss": {"architecture": "GptOssForCausalLM", "modelType": "gpt_oss"},
    "LFM2": {"architecture": "Lfm2ForCausalLM", "modelType": "lfm2"},
    "Gemma 3": {"architecture": "Gemma3ForConditionalGeneration", "takesImages": True},
    "Gemma 4": {"architecture": "Gemma4ForConditionalGeneration", "takesImages": True},
    "Kimi-Linear": {"architecture": "KimiLinearForCausalLM", "modelType": "kimi_linear", "ownCode": True},
    "private": {"architecture": "PrivateForCausalLM", "modelType": "private", "ownCode": True},
}


def graph(
    graph_request: Any, backend: Backend, model: str, *roles: Role, spec: Any = None, **shape: int
) -> dict[str, tuple[str, str]]:
    """Render a model; return the command line and the variables of each worker, each as one text."""
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(**shape), count=1, batch=400, max_num_tokens=4032)
        for role in roles or (Role.PREFILL, Role.DECODE)
    )
    mode = Mode.AGGREGATED if len(workers) == 1 else Mode.DISAGGREGATED
    candidate = Candidate(
        backend=backend, backend_version="1", mode=mode, workers=workers, replicas=1, context_length=8192,
        source=Source.MIXED,
    )  # fmt: skip
    components = compose(candidate, graph_request(facts=FACTS[model], **(spec or {})), Settings()).graph["spec"][
        "components"
    ]
    return {
        component["name"]: (
            f" {' '.join(container['args'])} ",
            " ".join(f"{v['name']}={v['value']}" for v in container.get("env", ())),
        )
        for component in components
        for container in component["podTemplate"]["spec"]["containers"]
    }


@pytest.mark.parametrize(("model", "needed"), [("Nemotron-3", True), ("Qwen3.5", True), ("Qwen3", False)])
def test_vllm_hands_states_of_hybrids_over_in_the_layout_that_it_asserts(
    graph_request: Any, model: str, *, needed: bool
) -> None:
    apart = graph(graph_request, Backend.VLLM, model)
    assert {"VLLM_SSM_CONV_STATE_LAYOUT=DS" in apart[name][1] for name in ("prefill", "decode")} == {needed}
    assert "SSM" not in graph(graph_request, Backend.VLLM, model, Role.AGGREGATED)["worker"][1]


@pytest.mark.parametrize(
    ("backend", "model", "release", "equal"),
    [
        (Backend.VLLM, "Nemotron-3", (1, 6), True),
        (Backend.VLLM, "Qwen3", (1, 6), False),
        (Backend.SGLANG, "Nemotron-3", (1, 6), False),
        (Backend.SGLANG, "Nemotron-3", (1, 1), True),
        (Backend.SGLANG, "gpt-oss", (1, 6), True),
        (Backend.VLLM, "gpt-oss", (1, 6), False),
        (Backend.SGLANG, "MiniMax-M3", (1, 6), True),
    ],
)
def test_some_caches_go_only_between_equal_sizes(
    backend: Backend, model: str, release: tuple[int, int], *, equal: bool
) -> None:
    facts = ModelFacts.model_validate(FACTS[model])
    small, large = Parallelism(tp=2), Parallelism(tp=4)
    reason = f"{backend} transfers the caches of this model only between equal tensor parallel sizes"
    assert unpairable(backend, small, large, 8, facts, release_of(release)) == (reason if equal else None)
    assert unpairable(backend, small, small, 8, facts, release_of(release)) is None


def test_candidate_with_unequal_sizes_is_not_offered(make_candidate: Any) -> None:
    hybrid, plain = (ModelFacts.model_validate(FACTS[name]) for name in ("Nemotron-3", "Qwen3"))
    sizes = Parallelism(tp=2), Parallelism(tp=4)
    reason = "vllm transfers the caches of this model only between equal tensor parallel sizes"
    worker = make_candidate().workers[0]
    roles = zip((Role.PREFILL, Role.DECODE), sizes, strict=True)
    workers = tuple(worker.model_copy(update={"role": role, "parallelism": size}) for role, size in roles)
    apart = make_candidate(mode=Mode.DISAGGREGATED, workers=workers)
    assert unrenderable(apart, Nodes(8), hybrid) == reason
    assert unrenderable(apart, Nodes(8), plain) is None


@pytest.mark.parametrize(
    ("backend", "model", "together"),
    [
        (Backend.VLLM, "LFM2", True),
        (Backend.SGLANG, "LFM2", False),
        (Backend.TRTLLM, "Gemma 4", True),
        (Backend.VLLM, "Gemma 4", False),
        (Backend.VLLM, "Qwen3", False),
    ],
)
def test_model_whose_caches_cannot_be_transferred_is_not_offered_apart(
    make_candidate: Any, backend: Backend, model: str, *, together: bool
) -> None:
    facts = ModelFacts.model_validate(FACTS[model])
    assert bool(why_only_aggregated(backend, facts)) is together
    worker = make_candidate().workers[0]
    workers = tuple(worker.model_copy(update={"role": role}) for role in (Role.PREFILL, Role.DECODE))
    apart = make_candidate(backend=backend, mode=Mode.DISAGGREGATED, workers=workers)
    assert bool(unrenderable(apart, Nodes(8), facts)) is together
    assert unrenderable(make_candidate(backend=backend), Nodes(8), facts) is None


@pytest.mark.parametrize(
    ("model", "release", "page"),
    [
        ("Nemotron-3", "1.0.2", False),
        ("Nemotron-3", "1.1.1", False),
        ("Nemotron-3", "1.2.1", True),
        ("Kimi-Linear", "1.3.1", False),
        ("Kimi-Linear", "1.4.2", True),
        ("Qwen3", "1.0.2", True),
    ],
)
def test_sglang_of_older_releases_gets_no_page_size_for_hybrids(
    graph_request: Any, model: str, release: str, *, page: bool
) -> None:
    made = graph(
        graph_request, Backend.SGLANG, model, Role.AGGREGATED, spec={"image": f"r.io/sglang-runtime:{release}"}
    )
    assert (" --page-size 16 " in made["worker"][0]) is page


@pytest.mark.parametrize(
    ("model", "release", "events"),
    [
        ("Nemotron-3", "1.0.2", False),
        ("Nemotron-3", "1.1.1", False),
        ("Nemotron-3", "1.2.1", True),
        ("Qwen3", "1.0.2", True),
    ],
)
def test_vllm_of_older_releases_publishes_no_events_of_hybrids(
    graph_request: Any, make_candidate: Any, model: str, release: str, *, events: bool
) -> None:
    of = {"image": f"r.io/vllm-runtime:{release}", "features": {"kvRouter": True}}
    worker, _ = graph(graph_request, Backend.VLLM, model, Role.AGGREGATED, spec=of)["worker"]
    assert ("--kv-events-config" in worker) is events
    notes = compose(make_candidate(), graph_request(facts=FACTS[model], **of), Settings()).notes
    assert any("cannot publish the KV events of NemotronHForCausalLM" in note for note in notes) is not events


@pytest.mark.parametrize(
    ("quantization", "offered"),
    [
        (None, True),
        ("fp8", True),
        ("w4afp8", True),
        ("", False),
        ("modelopt_fp4", False),
        ("compressed-tensors", False),
    ],
)
def test_sglang_spreads_only_experts_over_nodes_that_it_exchanges(
    make_candidate: Any, quantization: str | None, *, offered: bool
) -> None:
    facts = ModelFacts(quantization=quantization)
    worker = make_candidate().workers[0].model_copy(update={"parallelism": Parallelism(dp=16, moe_ep=16)})
    wide = make_candidate(backend=Backend.SGLANG, workers=(worker,))
    reason = unrenderable(wide, Nodes(8), facts)
    assert (reason is None) is offered
    assert offered or (reason or "").startswith("sglang does not exchange experts with ")
    assert unrenderable(wide, Nodes(16), facts) is None


@pytest.mark.parametrize(
    ("model", "page"), [("Qwen3", True), ("Nemotron-3", True), ("LFM2", False), ("MiniMax-M3", False)]
)
def test_sglang_gets_no_page_size_where_the_model_has_its_own(graph_request: Any, model: str, *, page: bool) -> None:
    worker, _ = graph(graph_request, Backend.SGLANG, model, Role.AGGREGATED)["worker"]
    assert (" --page-size 16 " in worker) is page
    apart = graph(graph_request, Backend.SGLANG, model)
    assert {" --page-size 16 " in apart[name][0] for name in ("prefill", "decode")} == {page}  # handed over as they are
    assert " --chunked-prefill-size 4096 " in worker  # whole pages of up to 256 tokens


def test_sglang_mixes_chunks_of_minimax_m3_with_graphs_that_allow_it(graph_request: Any) -> None:
    flag = " --cuda-graph-backend-prefill breakable "
    assert flag in graph(graph_request, Backend.SGLANG, "MiniMax-M3", Role.AGGREGATED)["worker"][0]
    assert flag not in graph(graph_request, Backend.SGLANG, "MiniMax-M3")["prefill"][0]
    assert flag not in graph(graph_request, Backend.SGLANG, "Qwen3", Role.AGGREGATED)["worker"][0]


def test_sglang_spreads_experts_over_nodes_by_deepep(graph_request: Any) -> None:
    wide = graph(graph_request, Backend.SGLANG, "DeepSeek-R1", tp=1, dp=16, moe_ep=16)
    for name in ("prefill", "decode"):
        assert " --moe-a2a-backend deepep " in wide[name][0]
    variable = "SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK"
    assert f"{variable}=400" in wide["decode"][1]
    assert variable not in wide["prefill"][1]
    within = graph(graph_request, Backend.SGLANG, "DeepSeek-R1", tp=1, dp=8, moe_ep=8)
    assert "deepep" not in within["decode"][0].lower() + within["decode"][1].lower()


def share(**other: Any) -> float:
    """The share of memory that SGLang is told to use, of a prefill worker with attention data parallelism."""
    worker = EngineWorker(
        backend=Backend.SGLANG, model="m", served_name="m", role=Role.PREFILL, shape=Parallelism(tp=1, dp=8, moe_ep=8),
        batch=8, max_num_tokens=16_384, context_length=8192, kv_cache_dtype=KvCacheDtype.AUTO, vram_mib=143_771, **other,
    )  # fmt: skip
    return float(dict(SGLANG.arguments(worker))["--mem-fraction-static"] or "")


def test_memory_of_sglang_leaves_room_for_deepep_and_for_images() -> None:
    plain = share()
    assert share(experts_span=True) == pytest.approx(plain - 1024 / 143_771, abs=0.001)
    small = ModelFacts(takes_images=True, vision_layers=24, vision_hidden=1024)
    large = ModelFacts(takes_images=True, vision_layers=45, vision_hidden=3200)
    assert share(facts=small) == pytest.approx(plain * 0.95, abs=0.001)
    assert share(facts=large) == pytest.approx(plain * 0.95 * 0.8, abs=0.001)


@pytest.mark.parametrize(
    ("backend", "model", "switch"),
    [
        (Backend.VLLM, "Qwen3-VL", True),
        (Backend.TRTLLM, "Qwen3-VL", True),
        (Backend.SGLANG, "Qwen3-VL", False),  # it takes them by itself
        (Backend.SGLANG, "Gemma 3", True),
        (Backend.VLLM, "Qwen3", False),
    ],
)
def test_images_are_taken(graph_request: Any, backend: Backend, model: str, *, switch: bool) -> None:
    for workers in (graph(graph_request, backend, model), graph(graph_request, backend, model, Role.AGGREGATED)):
        lines = [line for name, (line, _) in workers.items() if name != "Frontend"]
        assert {" --enable-multimodal " in line for line in lines} == {switch}


def test_images_of_qwen_are_handed_over_by_vllm(graph_request: Any) -> None:
    flag = " --enable-mm-embeds "
    assert all(
        flag in line for name, (line, _) in graph(graph_request, Backend.VLLM, "Qwen3-VL").items() if name != "Frontend"
    )
    assert flag not in graph(graph_request, Backend.VLLM, "Qwen3-VL", Role.AGGREGATED)["worker"][0]


@pytest.mark.parametrize(("model", "block"), [("DeepSeek-V4", 128), ("GLM-5", 64), ("Qwen3", None)])
def test_blocks_of_tensorrt_llm_are_those_of_the_model(graph_request: Any, model: str, block: int | None) -> None:
    worker, _ = graph(graph_request, Backend.TRTLLM, model, Role.AGGREGATED)["worker"]
    assert (f" --trtllm.kv_cache_config.tokens_per_block {block} " in worker) is (block is not None)
    assert (f" --kv-block-size {block} " in worker) is (block is not None)


@pytest.mark.parametrize(("model", "transceiver"), [("Nemotron-3", "NIXL"), ("Qwen3", "DEFAULT")])
def test_states_of_hybrids_take_their_own_transceiver_in_tensorrt_llm(
    graph_request: Any, model: str, transceiver: str
) -> None:
    worker, _ = graph(graph_request, Backend.TRTLLM, model)["decode"]
    assert worker.count(" --trtllm.cache_transceiver_config.backend ") == 1
    assert f" --trtllm.cache_transceiver_config.backend {transceiver} " in worker
    assert (" --trtllm.cache_transceiver_config.transceiver_runtime PYTHON " in worker) is (transceiver == "NIXL")


@pytest.mark.parametrize(
    ("model", "needed"),
    [("Kimi-K2", True), ("DeepSeek-R1", False), ("Nemotron-3", False), ("private", True), ("Qwen3", False)],
)
def test_code_is_needed_by_families_that_nobody_else_knows(model: str, *, needed: bool) -> None:
    assert needs_own_code(ModelFacts.model_validate(FACTS[model])) is needed


def test_every_need_is_in_the_words_of_its_engine() -> None:
    for need in NEEDS:
        flags = known.read(f"dynamo.{need.backend}").flags
        for flag in need.add:
            if flag.name.startswith("--trtllm."):
                assert flag.name.removeprefix("--trtllm.") in TRTLLM_FIELDS
            else:
                assert (flag.value is None) == (flags[flag.name].values == "none")
        assert need.source


@pytest.mark.parametrize(
    ("kind", "name", "tools", "thoughts"),
    [
        ("deepseek_v3", "nvidia/DeepSeek-R1-NVFP4", "deepseek_v3", "deepseek_r1"),
        ("deepseek_v3", "deepseek-ai/DeepSeek-V3.1", "deepseek_v3_1", None),
        ("deepseek_v3", "deepseek-ai/DeepSeek-V3", "deepseek_v3", None),
        ("qwen3", "Qwen/Qwen3-32B", "hermes", "qwen3"),
        ("qwen3", "databaseco/Qwen3-tuned", "hermes", "qwen3"),
        ("qwen3", "Qwen/Qwen3-8B-Base", "hermes", None),
        ("llama", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", None, "deepseek_r1"),
        ("glm4_moe", "zai-org/GLM-4.5", "glm45", "glm45"),
        ("glm4_moe", "zai-org/GLM-4.7", "glm47", "glm45"),
        ("qwen3_moe", "Qwen/Qwen3-235B-A22B-Instruct-2507", "hermes", None),
        ("qwen3_moe", "Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3_coder", None),
        ("llama", "meta-llama/Llama-3.3-70B-Instruct", "llama3_json", None),
        ("llama", "lmsys/vicuna-7b", None, None),
        ("private", "acme/private", None, None),
    ],
)
def test_parsers_are_those_of_the_model(kind: str, name: str, tools: str | None, thoughts: str | None) -> None:
    flags = {flag.name: flag.value for flag in parsers(ModelFacts(model_type=kind), name)}
    values = {flag: value(None) for flag, value in flags.items() if value}  # type: ignore[arg-type]
    wanted = {"--dyn-tool-call-parser": tools, "--dyn-reasoning-parser": thoughts}
    assert values == {flag: value for flag, value in wanted.items() if value}


def test_parsers_are_known_to_every_engine() -> None:
    for backend in ENGINES:
        flags = known.read(f"dynamo.{backend}").flags
        tools, thoughts = (flags[f"--dyn-{kind}-parser"].choices or () for kind in ("tool-call", "reasoning"))
        assert {row.tools for row in ROWS} - {""} <= set(tools)
        assert {row.reasoning for row in ROWS} - {""} <= set(thoughts)


@pytest.mark.parametrize("image", [None, "r.io/dynamo-planner:1.0.2"])
def test_parsers_are_written_for_workers_that_decode(graph_request: Any, image: str | None) -> None:
    lines = graph(graph_request, Backend.VLLM, "Qwen3", spec={"image": image, "model": "Qwen/Qwen3-32B"})
    assert "--dyn-tool-call-parser hermes --dyn-reasoning-parser qwen3" in lines["decode"][0]
    assert "parser" not in lines["prefill"][0] + lines["Frontend"][0]


@pytest.mark.parametrize(("image", "written"), [("r.io/vllm-runtime:1.2.1", False), ("r.io/vllm-runtime:1.3.1", True)])
def test_parser_that_came_later_is_not_written_for_an_older_release(
    graph_request: Any, image: str, *, written: bool
) -> None:
    lines = graph(graph_request, Backend.VLLM, "MiniMax-M3", spec={"image": image, "model": "MiniMaxAI/MiniMax-M3"})
    assert ("--dyn-tool-call-parser minimax_m3" in lines["decode"][0]) is written
    assert ("--dyn-reasoning-parser minimax_m3" in lines["decode"][0]) is written


@pytest.mark.parametrize("release", RELEASES, ids=str)
@pytest.mark.parametrize("backend", ENGINES)
def test_parsers_of_a_release_are_those_that_its_engines_know(backend: Backend, release: Release) -> None:
    flags = known.read(f"dynamo.{backend}", release.checked).flags
    for flag, names in (("--dyn-tool-call-parser", "tools"), ("--dyn-reasoning-parser", "reasoning")):
        ours = {getattr(row, names) for row in ROWS} - {""}
        choices = set(flags[flag].choices or ())
        lines = {name: command_line(f"dynamo.{backend}", [(flag, name)], release) for name in ours}
        assert {name for name in ours if lines[name] == (flag, name)} == ours & choices
        assert {line[1] for line in lines.values() if line} <= choices


def test_tool_parser_that_older_releases_do_not_know_has_a_stand_in() -> None:
    line = [("--dyn-tool-call-parser", "glm45"), ("--dyn-reasoning-parser", "glm45")]
    assert command_line("dynamo.vllm", line, release_of((1, 6))) == (
        *("--dyn-tool-call-parser", "glm45", "--dyn-reasoning-parser", "glm45"),
    )
    assert command_line("dynamo.vllm", line, release_of((1, 0))) == (
        *("--dyn-tool-call-parser", "glm47", "--dyn-reasoning-parser", "glm45"),
    )


@pytest.mark.parametrize(
    ("backend", "architecture", "shape", "offered"),
    [
        (Backend.TRTLLM, "Gemma4ForConditionalGeneration", {"pp": 2}, False),
        (Backend.VLLM, "Gemma4ForConditionalGeneration", {"pp": 2}, True),
        (Backend.VLLM, "Qwen4ExpForCausalLM", {"pp": 2}, False),
        (Backend.SGLANG, "InternS2MobiusForConditionalGeneration", {"tp": 2, "moe_ep": 2}, False),
        (Backend.SGLANG, "InternS2MobiusForConditionalGeneration", {"tp": 2, "moe_tp": 2}, True),
        (Backend.SGLANG, "MiniCPMSALAForCausalLM", {"dp": 2, "moe_ep": 2}, False),
    ],
)
def test_shape_in_which_an_engine_does_not_serve_a_family_is_not_offered(
    backend: Backend, architecture: str, shape: dict[str, int], *, offered: bool
) -> None:
    facts = ModelFacts(architecture=architecture)
    reason = unrenderable_worker(backend, Role.AGGREGATED, Parallelism(**shape), Nodes(8), facts)
    assert (reason is None) is offered
    assert unrenderable_worker(backend, Role.AGGREGATED, Parallelism(**shape), Nodes(8)) is None


def test_deepep_exchanges_drafts_too_as_far_as_its_buffers_allow(make_candidate: Any) -> None:
    worker = make_candidate(tp=1, dp=16, moe_ep=16, batch=256).workers[0]
    allowed, too_many = (
        make_candidate(backend=Backend.SGLANG, workers=(worker,), draft_tokens=drafts) for drafts in (3, 4)
    )
    assert unrenderable(allowed, Nodes(8)) is None
    assert (
        unrenderable(too_many, Nodes(8)) == "sglang exchanges at most 1024 tokens of a rank between nodes in one step"
    )
    assert unrenderable(too_many, Nodes(16)) is None
    (need,) = (need for need in NEEDS if need.env and need.backend is Backend.SGLANG)
    started = EngineWorker(
        backend=Backend.SGLANG, model="m", served_name="m", role=Role.DECODE, shape=worker.parallelism, batch=256,
        max_num_tokens=1, context_length=1, kv_cache_dtype=KvCacheDtype.AUTO, draft_tokens=3, experts_span=True,
    )  # fmt: skip
    assert [flag.value(started) for flag in need.env if flag.value] == [1024]
