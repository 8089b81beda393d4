"""The real command line with the real AIConfigurator."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.candidate import Source
from dgdr_api.results import Results

pytestmark = pytest.mark.aic

SAMPLES = Path(__file__).parents[2] / "config" / "samples"


def gpus(deployment: dict[str, Any]) -> int:
    components = deployment["spec"]["components"]
    mains = [(c["replicas"], c["podTemplate"]["spec"]["containers"][0]) for c in components]
    return sum(n * int(main.get("resources", {"limits": {}})["limits"].get("nvidia.com/gpu", 0)) for n, main in mains)


def outcome(folder: Path) -> tuple[Results, dict[str, Any]]:
    results = Results.model_validate_json((folder / "results.json").read_text())
    return results, yaml.safe_load((folder / "dgd.yaml").read_text())


def test_sample_on_every_backend(dgdr_process: Any, tmp_path: Path) -> None:
    run = dgdr_process("plan", "-f", str(SAMPLES / "qwen3-32b.yaml"), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, deployment = outcome(tmp_path / "out")
    choice = results.choice
    assert choice is not None
    assert gpus(deployment) == choice.gpus == 8
    assert {(s.backend, s.mode) for s in results.searches if s.candidates} == {
        (backend, mode) for backend in ("vllm", "sglang", "trtllm") for mode in ("aggregated", "disaggregated")
    }
    assert all(c.gpus <= 8 for c in results.candidates if c.id in results.pareto)
    assert results.warnings == ()
    sentence, *table = run.stdout.splitlines()
    assert sentence.startswith(f"Qwen/Qwen3-32B on 8 × h200_sxm: {choice.backend} {choice.mode}, {choice.shape}")
    assert any(line.startswith("→") and "selected" in line for line in table)
    assert "kubectl apply -f out/dgd.yaml" in run.stderr


def test_plan_of_the_same_request_has_the_same_bytes(
    dgdr: Any, dgdr_process: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    """In two processes: sets are in another order in each."""
    write(hardware={"gpuSku": "a100_sxm", "totalGpus": 2})
    for plan, folder in ((dgdr, "one"), (dgdr_process, "two")):
        assert plan("plan", "-f", "dgdr.yaml", "-o", folder).returncode == 0
    for name in ("dgd.yaml", "results.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"sla": {"ttft": 1, "itl": 1}, "hardware": {"gpuSku": "a100_sxm", "totalGpus": 8}},
            r"Cannot meet TTFT=1ms and ITL=1ms with this model/hardware\. Closest achievable: TTFT=\S+ms, ITL=\S+ms ",
        ),
        ({"sla": {"itl": 0.5}}, r"Cannot meet ITL=0\.5ms with this model/hardware\. Closest achievable: ITL=\S+ms "),
        ({"sla": {"e2eLatency": 10}}, r"Cannot meet E2E latency=10ms .* Closest achievable: E2E latency=\d+ms "),
        (
            {"workload": {"requestRate": 1000}},
            r"Cannot serve requestRate=1000/s with 1 GPU\. Closest achievable: less than 1% of it\.",
        ),
    ],
)
def test_targets_that_cannot_be_met_are_a_warning_with_a_deployment(
    dgdr: Any, write: Callable[..., str], tmp_path: Path, spec: dict[str, Any], expected: str
) -> None:
    run = dgdr("plan", "-f", write(**spec), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, deployment = outcome(tmp_path / "out")
    (warning,) = (warning for warning in results.warnings if warning.type == "SLAWarning")
    assert re.search(expected, warning.message), warning.message
    assert warning.message.endswith("Deploying with best available configuration")
    assert results.choice is not None
    assert gpus(deployment) == results.choice.gpus


def test_closest_ttft_is_found_by_prefill_workers_too(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    write(sla={"ttft": 1}, hardware={"gpuSku": "h100_sxm", "totalGpus": 8})
    assert dgdr("plan", "-f", "dgdr.yaml", "-o", "out").returncode == 0
    results, _ = outcome(tmp_path / "out")
    assert results.choice is not None
    lowest = {
        mode: min((c for c in results.candidates if c.mode == mode), key=lambda c: c.numbers.ttft)
        for mode in ("aggregated", "disaggregated")
    }
    assert results.choice.numbers.ttft <= 1.5 * min(c.numbers.ttft for c in lowest.values())
    # With the best throughput as the only aim, prefill would run on one GPU each; its shortest TTFT is at tp8 or tp4.
    assert lowest["disaggregated"].workers[0].parallelism.tp >= 4


def test_output_of_one_token_is_planned(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    run = dgdr("plan", "-f", write(workload={"isl": 4000, "osl": 1}), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, _ = outcome(tmp_path / "out")
    assert results.choice is not None
    assert results.choice.numbers.itl == 0
    for candidate in results.candidates:  # prompts are all the work: no correction makes engines read them much faster
        assert candidate.simulated is not None
        assert 0 < candidate.numbers.request_rate < 1.6 * candidate.simulated.request_rate
        numbers = candidate.numbers
        assert numbers.concurrency == pytest.approx(numbers.request_rate * numbers.e2e / 1000, rel=0.05)


def test_load_gets_the_fewest_gpus_that_serve_it(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    write(workload={"requestRate": 0.5}, hardware={"gpuSku": "a100_sxm", "totalGpus": 8})
    assert dgdr("plan", "-f", "dgdr.yaml", "-o", "out").returncode == 0
    results, deployment = outcome(tmp_path / "out")
    assert results.choice is not None
    assert results.choice.numbers.request_rate >= 0.5
    assert gpus(deployment) == results.choice.gpus == 1


def test_single_gpu_is_searched_aggregated_only(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    assert dgdr("plan", "-f", write(), "-o", "out").returncode == 0
    results, _ = outcome(tmp_path / "out")
    assert [s.mode for s in results.searches] == ["aggregated"]


def test_experts_are_deployed_only_as_the_flags_can_say(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    write(model="openai/gpt-oss-20b", hardware={"gpuSku": "h100_sxm", "totalGpus": 2})
    assert dgdr("plan", "-f", "dgdr.yaml", "-o", "out").returncode == 0
    results, deployment = outcome(tmp_path / "out")
    assert results.choice is not None
    for candidate in results.candidates:
        shapes = [worker.parallelism for worker in candidate.workers]
        mixed = any(s.moe_tp > 1 and s.moe_ep > 1 for s in shapes)
        assert candidate.verdict is not None
        assert mixed == (candidate.verdict.outcome == "not-renderable")
    shapes = [worker.parallelism for candidate in results.candidates for worker in candidate.workers]
    assert {(s.dp > 1, s.moe_ep > 1) for s in shapes} >= {(False, True), (True, True)}
    assert gpus(deployment) == results.choice.gpus
    assert any("mixtures of experts" in note for note in results.provenance.notes)


def test_ids_are_matched_whatever_their_case_and_served_as_written(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    assert dgdr("plan", "-f", write(model="META-llama/meta-llama-3.1-8b"), "-o", "out").returncode == 0
    _, deployment = outcome(tmp_path / "out")
    args = deployment["spec"]["components"][1]["podTemplate"]["spec"]["containers"][0]["args"]
    assert args[:4] == [
        "--model",
        "meta-llama/Meta-Llama-3.1-8B",
        "--served-model-name",
        "META-llama/meta-llama-3.1-8b",
    ]


def test_formats(dgdr: Any, dgdr_process: Any, write: Callable[..., str], tmp_path: Path) -> None:
    source = write()
    assert dgdr("plan", "-f", source, "-o", "out").returncode == 0
    as_yaml = dgdr("plan", "-f", source, "--format", "yaml")
    as_json = dgdr_process("plan", "-f", "-", "--format", "json", stdin=(tmp_path / source).read_text())
    assert as_yaml.stdout == (tmp_path / "out" / "dgd.yaml").read_text()
    assert "a range holds the truth in 80 % of cases" in as_yaml.stderr
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "out" / "results.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dgdr.yaml", "out"]


def test_options_stand_before_the_request_and_say_so(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    options = ("--gpu-sku", "a100_sxm", "--total-gpus", "2", "--gpus-per-node", "1")
    run = dgdr("plan", "-f", write(hardware={"gpuSku": "h100_sxm"}), "-o", "out", *options)
    assert run.returncode == 0, run.stderr
    results, _ = outcome(tmp_path / "out")
    assert results.hardware.gpu_sku == "a100_sxm"
    assert results.choice is not None
    assert {w.parallelism.gpus for w in results.choice.workers} == {1}
    assert "--gpu-sku a100_sxm replaces spec.hardware.gpuSku h100_sxm" in run.stdout


NOT_SIMULATED = "not supported by AIC. Generated DGD uses reasonable defaults but may not be SLA-optimized."


@pytest.mark.parametrize("spec", [{"hardware": {"gpuSku": "l40", "totalGpus": 4}, "backend": "auto"},
                                  {"hardware": {"gpuSku": "t4", "totalGpus": 4}}])  # fmt: skip
def test_memory_decides_without_performance_data(
    dgdr: Any, write: Callable[..., str], tmp_path: Path, spec: dict[str, Any]
) -> None:
    run = dgdr("plan", "-f", write(**spec), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, deployment = outcome(tmp_path / "out")
    assert results.choice is not None
    assert results.provenance.mode == "naive"
    assert gpus(deployment) == results.choice.gpus == 4
    assert f"Warning (ConfigurationWarning): Model 'meta-llama/Meta-Llama-3.1-8B' {NOT_SIMULATED}" in run.stdout
    assert "its performance is unknown" in run.stdout.splitlines()[0]


def test_limits_decide_without_measured_data(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    run = dgdr("plan", "-f", write(hardware={"gpuSku": "l4", "totalGpus": 4}), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, deployment = outcome(tmp_path / "out")
    assert results.choice is not None
    assert {candidate.source for candidate in results.candidates} == {Source.EMPIRICAL}
    assert gpus(deployment) == results.choice.gpus <= 4
    assert "Warning (ConfigurationWarning): AIC has no measured data for l4" in run.stdout
    assert (
        "Estimates by AIConfigurator 0.12.0. Numbers are computed from the bandwidth and peak rate of l4" in run.stdout
    )


def mistral(folder: Path, weights_gib: float = 13.5) -> None:
    """Put a model into a folder that the simulator cannot simulate; its weights take no space."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["MistralForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 32000,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "max_position_embeddings": 32768,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(weights_gib * 2**30))


def test_private_model_is_planned_from_its_cache_and_loaded_from_its_claim(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    mistral(tmp_path / "cache" / "models" / "mine")
    cache = {"pvcName": "claim", "pvcModelPath": "models/mine"}
    run = dgdr("plan", "-f", write(model="acme/mine", modelCache=cache), "--model-cache", "cache", "-o", "out")
    assert run.returncode == 0, run.stderr
    assert f"Model 'acme/mine' {NOT_SIMULATED}" in run.stdout
    assert "MistralForCausalLM is not supported" in run.stdout
    results, deployment = outcome(tmp_path / "out")
    assert results.model == "/opt/model-cache/models/mine"
    frontend, worker = (c["podTemplate"]["spec"] for c in deployment["spec"]["components"])
    for pod in (frontend, worker):
        assert pod["volumes"] == [
            {"name": "model-cache", "persistentVolumeClaim": {"claimName": "claim", "readOnly": True}}
        ]
        (mount,) = pod["containers"][0]["volumeMounts"]
        assert mount == {"name": "model-cache", "mountPath": "/opt/model-cache", "readOnly": True}
    args = worker["containers"][0]["args"]
    assert args[args.index("--model") + 1] == "/opt/model-cache/models/mine"
    assert args[args.index("--served-model-name") + 1] == "acme/mine"


def test_private_model_of_a_known_architecture_is_simulated(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    mistral(tmp_path / "cache" / "mine")
    config = tmp_path / "cache" / "mine" / "config.json"
    config.write_text(config.read_text().replace("Mistral", "Llama"))
    cache = {"pvcName": "claim", "pvcModelPath": "mine", "pvcMountPath": "/models"}
    run = dgdr("plan", "-f", write(model="mine", modelCache=cache), "--model-cache", "cache", "-o", "out")
    assert run.returncode == 0, run.stderr
    results, _ = outcome(tmp_path / "out")
    assert results.model == "/models/mine"
    assert results.provenance.mode == "rapid"
    assert results.choice is not None
    assert results.choice.performance is not None
    assert results.warnings == ()


def test_model_of_the_same_shape_is_simulated_and_loaded_by_its_own_name(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    run = dgdr("plan", "-f", write(model="meta-llama/Llama-3.1-8B-Instruct"), "-o", "out")
    assert run.returncode == 0, run.stderr
    results, _ = outcome(tmp_path / "out")
    assert results.model == "meta-llama/Llama-3.1-8B-Instruct"
    assert "Simulated as meta-llama/Meta-Llama-3.1-8B, which has the same shape." in results.provenance.notes


BASE = """
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata: {name: mine}
spec:
  services:
    Frontend: {componentType: frontend}
    Worker:
      componentType: worker
      extraPodSpec:
        nodeSelector: {rack: a}
        mainContainer: {image: registry.example/vllm:1.6.1}
"""


def test_plan_goes_into_a_base_deployment(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    write(hardware={"gpuSku": "h200_sxm", "totalGpus": 1}, backend="vllm", model="Qwen/Qwen3-8B")
    (tmp_path / "base.yaml").write_text(BASE)
    run = dgdr("plan", "-f", "dgdr.yaml", "-o", "out", "--base", "base.yaml", "--report", "page.html")
    assert run.returncode == 0, run.stderr
    _, deployment = outcome(tmp_path / "out")
    frontend, worker = deployment["spec"]["components"]
    assert (frontend["name"], worker["name"]) == ("Frontend", "Worker")
    assert worker["podTemplate"]["spec"]["nodeSelector"] == {"rack": "a"}
    assert worker["podTemplate"]["spec"]["containers"][0]["image"] == "registry.example/vllm:1.6.1"
    assert "--max-num-seqs" in worker["podTemplate"]["spec"]["containers"][0]["args"]
    assert gpus(deployment) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("- a", "must contain exactly one DynamoGraphDeployment"), ("{", "(document): Invalid value")],
)
def test_base_that_is_no_deployment_is_refused_before_the_search(
    dgdr: Any, write: Callable[..., str], tmp_path: Path, content: str, sentence: str
) -> None:
    write(hardware={"gpuSku": "h200_sxm", "totalGpus": 1})
    (tmp_path / "base.yaml").write_text(content)
    run = dgdr("plan", "-f", "dgdr.yaml", "--base", "base.yaml")
    assert run.returncode == 65
    assert run.stderr.startswith("Error: base.yaml: ")
    assert sentence in run.stderr


def test_context_length_is_the_one_that_is_asked_for(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    write(hardware={"gpuSku": "h100_sxm", "totalGpus": 1}, backend="vllm", model="Qwen/Qwen3-8B")
    whole = dgdr("plan", "-f", "dgdr.yaml", "-o", "whole")
    short = dgdr("plan", "-f", "dgdr.yaml", "-o", "short", "--context-length", "9000")
    assert (whole.returncode, short.returncode) == (0, 0)
    lengths = [outcome(tmp_path / folder)[0].choice for folder in ("whole", "short")]
    assert [choice and choice.context_length for choice in lengths] == [40_960, 9000]
    refused = dgdr("plan", "-f", "dgdr.yaml", "--context-length", "40961")
    assert refused.returncode == 65
    assert (
        "annotation dgdr.nvidia.com/context-length or --context-length: 40961 tokens are out of range; set at least "
        "isl + osl (5000) and at most the context of Qwen/Qwen3-8B (40960)"
    ) in refused.stderr


def test_number_format_of_the_kv_cache_reaches_the_command_line_of_the_engine(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    write(hardware={"gpuSku": "h100_sxm", "totalGpus": 1}, backend="vllm", model="Qwen/Qwen3-8B")
    run = dgdr("plan", "-f", "dgdr.yaml", "-o", "out", "--kv-cache-dtype", "fp8")
    assert run.returncode == 0, run.stderr
    results, graph = outcome(tmp_path / "out")
    assert {worker.kv_cache_dtype for candidate in results.candidates for worker in candidate.workers} == {"fp8"}
    assert "'--kv-cache-dtype', 'fp8'" in str(graph)


def test_base_that_only_the_cluster_holds_is_said_to_be_missing(dgdr: Any, tmp_path: Path) -> None:
    content = yaml.safe_load((SAMPLES / "v1alpha1-base-deployment.yaml").read_text())
    content["spec"] |= {"model": "Qwen/Qwen3-8B", "backend": "vllm"}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(content))
    run = dgdr("plan", "-f", "old.yaml", "--gpu-sku", "h200_sxm", "--total-gpus", "1", "--gpus-per-node", "8")
    assert run.returncode == 0, run.stderr
    assert "spec.profilingConfig.configMapRef deepseek-r1-config was not read: set --base to a file" in run.stdout
