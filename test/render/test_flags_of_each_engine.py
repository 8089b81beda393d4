"""Each engine's whole command line, role by role.

The flags were read in the argument code of the engines that Dynamo 1.6.1 pins; see the modules of ``render``.
"""

import shlex

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, render, unrenderable, version_note
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


def request(image: str | None = None, version: str | None = None) -> GraphRequest:
    return GraphRequest("r", None, None, "org/m", "org/m", image, version)


def command_lines(backend: Backend, *workers: Worker) -> dict[str, str]:
    graph = render(candidate(backend, *workers), request(), Settings())
    mains = {c.name: c.pod_template.spec.containers[0] for c in graph.spec.components}
    return {name: shlex.join([*main.command, *main.args]) for name, main in mains.items()}


VLLM = "python3 -m dynamo.vllm --model org/m --served-model-name org/m --tensor-parallel-size 4"
SGLANG = "python3 -m dynamo.sglang --model-path org/m --served-model-name org/m --tp-size 4"
TRTLLM = "python3 -m dynamo.trtllm --model org/m --served-model-name org/m --tensor-parallel-size 4"
NIXL = '--kv-transfer-config \'{{"kv_connector":"NixlConnector","kv_role":"{}"}}\''
BOOTSTRAP = "--disaggregation-transfer-backend nixl --disaggregation-bootstrap-port 12345 --host 0.0.0.0"
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
                f"--chunked-prefill-size 5504 --max-prefill-tokens 5504 --disaggregation-mode prefill {BOOTSTRAP}",
                "decode": f"{SGLANG} --context-length 10000 --max-running-requests 224 --page-size 16 "
                f"--cuda-graph-max-bs-decode 224 --disaggregation-mode decode {BOOTSTRAP}",
            },
        ),
        (
            Backend.TRTLLM,
            {
                "worker": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 96 --max-num-tokens 5632 "
                "--trtllm.enable_chunked_prefill true",
                "prefill": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 1 --max-num-tokens 5504 "
                "--trtllm.enable_chunked_prefill true --disaggregation-mode prefill "
                f"--trtllm.disable_overlap_scheduler true {TRANSCEIVER}",
                "decode": f"{TRTLLM} --max-seq-len 10000 --max-batch-size 224 --max-num-tokens 512 "
                f"--disaggregation-mode decode {TRANSCEIVER}",
            },
        ),
    ],
)
def test_command_lines_by_role(backend: Backend, lines: dict[str, str]) -> None:
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
def test_an_8_bit_kv_cache_is_asked_for_in_each_engines_words(backend: Backend, flag: str) -> None:
    assert flag in command_lines(backend, worker(Role.AGGREGATED, KvCacheDtype.FP8))["worker"]
    assert "dtype" not in command_lines(backend, worker(Role.AGGREGATED))["worker"]


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
def test_a_pipeline_is_written_where_it_exists(backend: Backend) -> None:
    (line,) = [v for k, v in command_lines(backend, worker(Role.AGGREGATED, pp=2)).items() if k == "worker"]
    assert "--pp-size 2" in line or "--pipeline-parallel-size 2" in line


def test_vllm_gets_a_token_budget_of_at_least_its_sequences() -> None:
    small = worker(Role.DECODE).model_copy(update={"max_num_tokens": 64})
    assert "--max-num-batched-tokens 224" in command_lines(Backend.VLLM, worker(Role.PREFILL), small)["decode"]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"tp": 16}, "one aggregated worker needs 16 GPUs and a node has 8"),
        ({"dp": 2}, "attention data parallelism is not rendered yet"),
        ({"moe_ep": 4}, "expert parallelism is not rendered yet"),
        ({"cp": 2}, "sglang has no flag for context parallelism"),
        ({"moe_tp": 2}, "experts and attention have different tensor parallel sizes"),
    ],
)
def test_what_the_flags_cannot_say_is_not_rendered(shape: dict[str, int], reason: str) -> None:
    shaped = worker(Role.AGGREGATED).model_copy(update={"parallelism": Parallelism(**({"tp": 4} | shape))})
    assert unrenderable(candidate(Backend.SGLANG, shaped), 8) == reason


def test_experts_under_tensor_parallelism_are_rendered() -> None:
    assert unrenderable(candidate(Backend.VLLM, worker(Role.AGGREGATED, moe_tp=4)), 8) is None


def test_a_disaggregated_pipeline_is_not_rendered() -> None:
    split = candidate(Backend.VLLM, worker(Role.PREFILL, pp=2), worker(Role.DECODE))
    assert unrenderable(split, 8) == "vllm cannot hand over the KV cache of a pipeline"


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
def test_images_share_the_requests_registry_and_tag(image: str | None, version: str | None, expected: str) -> None:
    graph = render(candidate(Backend.VLLM, worker(Role.AGGREGATED)), request(image, version), Settings())
    assert {c.pod_template.spec.containers[0].image for c in graph.spec.components} == {expected}
    assert {c.runtime_version_override for c in graph.spec.components} == {version}


def test_images_come_from_the_settings_where_the_request_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGDR_DYNAMO__REGISTRY", "mirror.example/dynamo")
    monkeypatch.setenv("DGDR_DYNAMO__VERSION", "1.6.0")
    assert Settings().dynamo == DynamoSettings(registry="mirror.example/dynamo", version="1.6.0")
    graph = render(candidate(Backend.TRTLLM, worker(Role.AGGREGATED)), request(), Settings())
    image = graph.spec.components[0].pod_template.spec.containers[0].image
    assert image == "mirror.example/dynamo/tensorrtllm-runtime:1.6.0"


@pytest.mark.parametrize(
    ("image", "version", "note"),
    [
        (None, None, None),
        ("r.io/vllm-runtime:1.6.1", None, None),
        ("r.io/vllm-runtime:nightly", "1.6.1", None),
        ("r.io/vllm-runtime:1.1.0", None, "The images are Dynamo 1.1.0; the flags were checked against 1.6.1"),
        (
            None,
            "1.3.0",
            "spec.runtimeVersionOverride is 1.3.0, but without spec.image the images are 1.6.1: name an image",
        ),
    ],
)
def test_images_of_another_version_are_noted(image: str | None, version: str | None, note: str | None) -> None:
    said = version_note(request(image, version), Settings())
    assert (said or "").startswith(note or "")
    assert (said is None) == (note is None)


def test_a_rendering_whose_gpus_do_not_add_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "gpus", 3)
    wrong = candidate(Backend.VLLM, worker(Role.AGGREGATED))
    with pytest.raises(ValueError, match=f"rendered 8 GPUs for candidate {wrong.id} of 6"):
        render(wrong, request(), Settings())


def test_pods_start_without_the_token_secret() -> None:
    graph = render(candidate(Backend.SGLANG, worker(Role.AGGREGATED)), request(), Settings())
    sources = [c.pod_template.spec.containers[0].env_from for c in graph.spec.components]
    refs = [source.secret_ref for each in sources for source in each or ()]
    assert len(refs) == 2
    assert all(ref.name == "hf-token-secret" and ref.optional for ref in refs)
