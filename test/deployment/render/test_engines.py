"""Each engine's whole command line, role by role.

The flags were read in the argument code of the engines that Dynamo 1.6.1 pins; see the modules of ``render``.
"""

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes, render, unpairable, unrenderable, version_note
from dgdr_controller.settings import DynamoSettings, Settings

ZERO = Performance(
    ttft=0,
    itl=0,
    e2e=0,
    tokens_per_s=0,
    tokens_per_s_per_gpu=0,
    tokens_per_s_per_user=0,
    concurrency=0,
    request_rate=0,
)
KV_ROLE = {Role.PREFILL: "kv_producer", Role.DECODE: "kv_consumer"}


def worker(role: Role, dtype: KvCacheDtype = KvCacheDtype.AUTO, **shape: int) -> Worker:
    batch, tokens = {Role.AGGREGATED: (96, 5632), Role.PREFILL: (1, 5504), Role.DECODE: (224, 512)}[role]
    return Worker(
        role=role,
        parallelism=Parallelism(**({"tp": 4} | shape)),
        count=1,
        batch=batch,
        max_num_tokens=tokens,
        kv_cache_dtype=dtype,
    )


def candidate(backend: Backend, *workers: Worker) -> Candidate:
    return Candidate(
        backend=backend,
        backend_version="1",
        mode=Mode.AGGREGATED if len(workers) == 1 else Mode.DISAGGREGATED,
        workers=workers,
        replicas=2,
        context_length=10_000,
        performance=ZERO,
        source=Source.MIXED,
    )


def shaped(**shape: int) -> Worker:
    return worker(Role.AGGREGATED, KvCacheDtype.AUTO, **shape)


Lines = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def command_lines(graph_request: Any) -> Lines:
    """Render workers; return the command line of each component."""

    def lines(backend: Backend, *workers: Worker, **spec: Any) -> dict[str, str]:
        graph = render(candidate(backend, *workers), graph_request(**spec), Settings()).graph
        mains = {c.name: c.pod_template.spec.containers[0] for c in graph.spec.components}
        return {name: shlex.join([*main.command, *main.args]) for name, main in mains.items()}

    return lines


VLLM = "python3 -m dynamo.vllm --model org/m --served-model-name org/m --tensor-parallel-size 4"
SGLANG = "python3 -m dynamo.sglang --model-path org/m --served-model-name org/m --tp-size 4"
TRTLLM = "python3 -m dynamo.trtllm --model org/m --served-model-name org/m --tensor-parallel-size 4"
NIXL = '--kv-transfer-config \'{{"kv_connector":"NixlConnector","kv_role":"{}"}}\''
BOOTSTRAP = "--disaggregation-transfer-backend nixl --disaggregation-bootstrap-port 12345 --host 0.0.0.0"
GRAPHS = "--trtllm.cuda_graph_config.enable_padding true --trtllm.cuda_graph_config.max_batch_size"
TRANSCEIVER = (
    "--trtllm.cache_transceiver_config.backend DEFAULT --trtllm.cache_transceiver_config.max_tokens_in_buffer 10000"
)


@pytest.mark.parametrize(
    ("backend", "lines"),
    [
        (
            Backend.VLLM,
            {
                "worker": f"{VLLM} --max-model-len 10000 --max-num-seqs 96 --max-num-batched-tokens 5632",
                "prefill": f"{VLLM} --max-model-len 10000 --max-num-seqs 1 --max-num-batched-tokens 5504 "
                f"--disaggregation-mode prefill {NIXL.format('kv_producer')}",
                "decode": f"{VLLM} --max-model-len 10000 --max-num-seqs 224 --max-num-batched-tokens 512 "
                f"--disaggregation-mode decode {NIXL.format('kv_consumer')}",
            },
        ),
        (
            Backend.SGLANG,
            {
                "worker": f"{SGLANG} --context-length 10000 --max-running-requests 96 --page-size 16 "
                "--chunked-prefill-size 5632 --max-prefill-tokens 5632 --enable-mixed-chunk "
                "--cuda-graph-max-bs-decode 96",
                "prefill": f"{SGLANG} --context-length 10000 --page-size 16 "
                f"--chunked-prefill-size 5632 --max-prefill-tokens 5632 --disaggregation-mode prefill {BOOTSTRAP}",
                "decode": f"{SGLANG} --context-length 10000 --max-running-requests 224 --page-size 16 "
                f"--cuda-graph-max-bs-decode 224 --disaggregation-mode decode {BOOTSTRAP}",
            },
        ),
        (
            Backend.TRTLLM,
            {
                "worker": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 96 --max-num-tokens 5632 "
                f"--trtllm.enable_chunked_prefill true {GRAPHS} 96",
                "prefill": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 1 --max-num-tokens 5504 "
                "--trtllm.enable_chunked_prefill true --disaggregation-mode prefill "
                f"--trtllm.disable_overlap_scheduler true {TRANSCEIVER}",
                "decode": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 224 --max-num-tokens 512 {GRAPHS} 224 "
                f"--disaggregation-mode decode {TRANSCEIVER}",
            },
        ),
    ],
)
def test_command_lines_by_role(command_lines: Lines, backend: Backend, lines: dict[str, str]) -> None:
    frontend = {"Frontend": "python3 -m dynamo.frontend"}
    together = command_lines(backend, worker(Role.AGGREGATED))
    apart = command_lines(backend, worker(Role.PREFILL), worker(Role.DECODE))
    assert together == frontend | {"worker": lines["worker"]}
    assert apart == frontend | {"prefill": lines["prefill"], "decode": lines["decode"]}


@pytest.mark.parametrize(
    ("backend", "flag"),
    [
        (Backend.VLLM, "--kv-cache-dtype fp8"),
        (Backend.SGLANG, "--kv-cache-dtype fp8_e4m3"),
        (Backend.TRTLLM, "--trtllm.kv_cache_config.dtype fp8"),
    ],
)
def test_8_bit_kv_cache_is_asked_for_in_each_engines_words(command_lines: Lines, backend: Backend, flag: str) -> None:
    assert flag in command_lines(backend, worker(Role.AGGREGATED, KvCacheDtype.FP8))["worker"]
    assert "dtype" not in command_lines(backend, worker(Role.AGGREGATED))["worker"]


@pytest.mark.parametrize(
    ("batch", "drafts", "captured"),
    [(512, 0, None), (513, 0, 528), (1024, 0, 1024), (170, 2, None), (171, 2, 528), (224, 3, 896)],
)
def test_vllm_captures_graphs_of_all_steps_that_decode(
    graph_request: Any, batch: int, drafts: int, captured: int | None
) -> None:
    workers = (worker(Role.PREFILL), worker(Role.DECODE).model_copy(update={"batch": batch}))
    planned = candidate(Backend.VLLM, *workers).model_copy(update={"draft_tokens": drafts})
    components = render(planned, graph_request(), Settings()).graph.spec.components
    lines = {c.name: shlex.join(c.pod_template.spec.containers[0].args) for c in components}
    assert "cudagraph" not in lines["prefill"]
    assert ("--max-cudagraph-capture-size" in lines["decode"]) is (captured is not None)
    assert captured is None or f"--max-cudagraph-capture-size {captured} " in lines["decode"]


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
def test_pipeline_is_written_where_it_exists(command_lines: Lines, backend: Backend) -> None:
    (line,) = [v for k, v in command_lines(backend, worker(Role.AGGREGATED, pp=2)).items() if k == "worker"]
    assert "--pp-size 2" in line or "--pipeline-parallel-size 2" in line


def test_vllm_gets_a_token_budget_of_at_least_its_sequences(command_lines: Lines) -> None:
    small = worker(Role.DECODE).model_copy(update={"max_num_tokens": 64})
    assert "--max-num-batched-tokens 224" in command_lines(Backend.VLLM, worker(Role.PREFILL), small)["decode"]


V, S, T = Backend.VLLM, Backend.SGLANG, Backend.TRTLLM


@pytest.mark.parametrize(
    ("backend", "shape", "flags"),
    [
        (V, {"tp": 8, "moe_tp": 8}, "--tensor-parallel-size 8 --max"),
        (V, {"tp": 8, "moe_ep": 8}, "--tensor-parallel-size 8 --enable-expert-parallel --max"),
        (
            V,
            {"tp": 2, "dp": 4, "moe_ep": 8},
            "--tensor-parallel-size 2 --data-parallel-size 4 --enable-expert-parallel",
        ),
        (V, {"tp": 1, "dp": 2, "moe_tp": 2}, "--tensor-parallel-size 1 --data-parallel-size 2 --max"),
        (S, {"tp": 8, "moe_tp": 8}, "--tp-size 8 --context"),
        (S, {"tp": 8, "moe_ep": 8}, "--tp-size 8 --ep-size 8 --context"),
        (S, {"tp": 2, "dp": 4, "moe_ep": 8}, "--tp-size 8 --dp-size 4 --enable-dp-attention --ep-size 8 --context"),
        (S, {"tp": 1, "dp": 2, "moe_tp": 2}, "--tp-size 2 --dp-size 2 --enable-dp-attention --context"),
        (T, {"tp": 8, "moe_tp": 8}, "--tensor-parallel-size 8 --max"),
        (T, {"tp": 8, "moe_ep": 8}, "--tensor-parallel-size 8 --expert-parallel-size 8 --max"),
        (T, {"tp": 8, "moe_tp": 2, "moe_ep": 4}, "--tensor-parallel-size 8 --expert-parallel-size 4 --max"),
        (T, {"tp": 1, "dp": 8, "moe_ep": 8}, "--tensor-parallel-size 8 --expert-parallel-size 8 --enable-attention-dp"),
        (T, {"tp": 1, "dp": 2, "moe_tp": 2}, "--tensor-parallel-size 2 --enable-attention-dp"),
    ],
)
def test_mixture_of_experts_is_spread_as_planned(
    command_lines: Lines, backend: Backend, shape: dict[str, int], flags: str
) -> None:
    assert unrenderable(candidate(backend, shaped(**shape)), NODES) is None
    assert flags in command_lines(backend, shaped(**shape))["worker"]


def test_sglang_reserves_memory_for_one_rank_not_for_all(command_lines: Lines) -> None:
    """SGLang's own reserve is for the undivided chunk: 44032 tokens would take 65 GiB of 140."""
    lines = command_lines(S, worker(Role.PREFILL, tp=1, dp=8, moe_ep=8), worker(Role.DECODE, tp=1, dp=8, moe_ep=8))
    shares = {
        name: float(line.split("--mem-fraction-static ")[1].split()[0])
        for name, line in lines.items()
        if name != "Frontend"
    }
    assert shares == {"prefill": pytest.approx(0.92, abs=0.02), "decode": pytest.approx(0.92, abs=0.03)}
    assert "mem-fraction" not in command_lines(S, worker(Role.AGGREGATED))["worker"]


@pytest.mark.parametrize(
    ("backend", "prefill", "decode", "heads", "fits"),
    [
        (V, 8, 4, 4, False),
        (V, 8, 8, 4, True),
        (V, 4, 2, 4, True),
        (V, 4, 8, 4, True),
        (V, 8, 4, None, True),  # latent attention has no heads
        (V, 6, 4, 12, False),
        (S, 8, 4, 4, True),
    ],
)
def test_workers_that_cannot_meet_are_no_pair(
    backend: Backend, prefill: int, decode: int, heads: int | None, *, fits: bool
) -> None:
    assert (unpairable(backend, Parallelism(tp=prefill), Parallelism(tp=decode), heads) is None) is fits


def test_ranks_share_what_sglang_counts_for_all_of_them(command_lines: Lines) -> None:
    lines = command_lines(S, worker(Role.PREFILL, tp=1, dp=8, moe_ep=8), worker(Role.DECODE, tp=1, dp=8, moe_ep=8))
    assert "--chunked-prefill-size 45056 --max-prefill-tokens 5632" in lines["prefill"]
    assert "--max-running-requests 1792 " in lines["decode"]
    assert "--cuda-graph-max-bs-decode 224" in lines["decode"]


NODES = Nodes(gpus=8)
ALONE = Nodes(gpus=8, apart="needs Grove or LWS, which this cluster does not have")


@pytest.mark.parametrize(
    ("backend", "shape", "nodes", "reason"),
    [
        (
            *(S, {"tp": 16}, ALONE),
            "needs Grove or LWS, which this cluster does not have: one aggregated worker takes 16 GPUs and a node has 8",
        ),
        (S, {"tp": 9}, NODES, "the 9 GPUs of one aggregated worker do not spread evenly over 2 nodes of 8"),
        (S, {"dp": 2}, NODES, "attention data parallelism is for mixtures of experts"),
        (V, {"moe_ep": 2}, NODES, "experts are spread over 2 GPUs and attention over 4"),
        (S, {"cp": 2}, NODES, "sglang has no flag for context parallelism"),
        (V, {"moe_tp": 2, "moe_ep": 2}, NODES, "vllm does not combine expert and tensor parallelism for experts"),
        (S, {"moe_tp": 2, "moe_ep": 2}, NODES, "sglang does not combine expert and tensor parallelism for experts"),
        (T, {"dp": 2, "moe_ep": 8}, NODES, "trtllm does not combine tensor and data parallelism for attention"),
        (V, {"tp": 16, "dp": 2, "moe_ep": 32}, NODES, "vllm does not support data-parallel ranks that span nodes"),
    ],
)
def test_candidate_that_the_flags_cannot_say_is_not_rendered(
    backend: Backend, shape: dict[str, int], nodes: Nodes, reason: str
) -> None:
    assert (unrenderable(candidate(backend, shaped(**shape)), nodes) or "").startswith(reason)


@pytest.mark.parametrize("backend", [V, S, T])
def test_disaggregated_pipeline_is_not_rendered(backend: Backend) -> None:
    split = candidate(backend, worker(Role.PREFILL, pp=2), worker(Role.DECODE))
    assert (unrenderable(split, NODES) or "").endswith("KV cache transfer with pipeline parallelism")


@pytest.mark.parametrize(
    ("backend", "drafts", "reason"), [(Backend.SGLANG, 2, True), (Backend.SGLANG, 0, False), (Backend.VLLM, 2, False)]
)
def test_sglang_drafts_no_tokens_in_a_pipeline(backend: Backend, drafts: int, reason: bool) -> None:  # noqa: FBT001
    deep = candidate(backend, shaped(tp=4, pp=2)).model_copy(update={"draft_tokens": drafts})
    assert (unrenderable(deep, NODES) is not None) is reason


@pytest.mark.parametrize(
    ("image", "version", "expected"),
    [
        (None, None, "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.6.1"),
        ("registry.local:5000/mirror/dynamo-planner:1.5.0", None, "registry.local:5000/mirror/vllm-runtime:1.5.0"),
        ("dynamo-frontend:v1.2.3", None, "vllm-runtime:v1.2.3"),
        ("r.io/dynamo-planner:1.6.1@sha256:" + "0" * 64, None, "r.io/vllm-runtime:1.6.1"),
        ("r.io/dynamo-planner@sha256:" + "0" * 64, "1.6.0", "r.io/vllm-runtime:1.6.0"),
        ("r.io/dynamo-planner:nightly", "1.6.0", "r.io/vllm-runtime:nightly"),
    ],
)
def test_images_share_the_requests_registry_and_tag(
    graph_request: Any, image: str | None, version: str | None, expected: str
) -> None:
    request = graph_request(image=image, runtimeVersionOverride=version)
    graph = render(candidate(Backend.VLLM, worker(Role.AGGREGATED)), request, Settings()).graph
    assert {c.pod_template.spec.containers[0].image for c in graph.spec.components} == {expected}
    assert {c.runtime_version_override for c in graph.spec.components} == {version}


def test_images_come_from_the_settings_where_the_request_names_none(
    graph_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DGDR_DYNAMO__REGISTRY", "mirror.example/dynamo")
    monkeypatch.setenv("DGDR_DYNAMO__VERSION", "1.6.0")
    assert Settings().dynamo == DynamoSettings(registry="mirror.example/dynamo", version="1.6.0")
    graph = render(candidate(Backend.TRTLLM, worker(Role.AGGREGATED)), graph_request(), Settings()).graph
    image = graph.spec.components[0].pod_template.spec.containers[0].image
    assert image == "mirror.example/dynamo/tensorrtllm-runtime:1.6.0"


@pytest.mark.parametrize(
    ("image", "version", "note"),
    [
        (None, None, None),
        ("r.io/vllm-runtime:1.6.1", None, None),
        ("r.io/vllm-runtime:nightly", "1.6.1", None),
        ("r.io/vllm-runtime:1.1.0", None, None),
        (
            "r.io/vllm-runtime:1.7.0",
            None,
            "The images are Dynamo 1.7; their flags are those of 1.6, and were not checked",
        ),
        (
            None,
            "1.3.0",
            "spec.runtimeVersionOverride is 1.3.0, but without spec.image the images are 1.6.1: name an image",
        ),
    ],
)
def test_images_of_another_version_are_noted(
    graph_request: Any, image: str | None, version: str | None, note: str | None
) -> None:
    said = version_note(graph_request(image=image, runtimeVersionOverride=version), Settings())
    assert (said or "").startswith(note or "")
    assert (said is None) == (note is None)


def test_rendering_whose_gpus_do_not_add_up_is_refused(graph_request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "gpus", 3)
    wrong = candidate(Backend.VLLM, worker(Role.AGGREGATED))
    with pytest.raises(ValueError, match=f"rendered 8 GPUs for candidate {wrong.id} of 6"):
        render(wrong, graph_request(), Settings())


def test_pods_start_without_the_token_secret(graph_request: Any) -> None:
    graph = render(candidate(Backend.SGLANG, worker(Role.AGGREGATED)), graph_request(), Settings()).graph
    sources = [c.pod_template.spec.containers[0].env_from for c in graph.spec.components]
    refs = [source.secret_ref for env_from in sources for source in env_from or ()]
    assert len(refs) == 2
    assert all(ref.name == "hf-token-secret" and ref.optional for ref in refs)
