import importlib.util
import json
from pathlib import Path

import pytest

from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.model.architectures import loads

CONCRETE = [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM]
EVERYWHERE = [
    "DeepseekV3ForCausalLM", "GptOssForCausalLM", "Llama4ForConditionalGeneration", "LlamaForCausalLM",
    "MixtralForCausalLM", "NemotronHForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM",
]  # fmt: skip


def bundled_architectures() -> dict[str, str]:
    """The architecture of each model whose config AIC brings along."""
    core = importlib.util.find_spec("aiconfigurator_core")  # not imported: it would change logging for all tests
    assert core is not None
    configs = Path(str(core.origin)).with_name("model_configs").glob("*_config.json")
    read = {path.name: json.loads(path.read_text()) for path in configs if "hf_quant_config" not in path.name}
    return {name: config["architectures"][0] for name, config in read.items()}


@pytest.mark.parametrize("architecture", EVERYWHERE)
@pytest.mark.parametrize("backend", CONCRETE)
def test_every_engine_loads_the_common_families(backend: Backend, architecture: str) -> None:
    assert loads(backend, architecture)


@pytest.mark.parametrize(
    ("architecture", "engines"),
    [
        ("Gemma2ForCausalLM", {Backend.VLLM, Backend.SGLANG}),
        ("KimiLinearForCausalLM", {Backend.VLLM, Backend.SGLANG, Backend.TRTLLM}),
        ("MiMoV2FlashForCausalLM", {Backend.VLLM, Backend.SGLANG}),
        ("MllamaForConditionalGeneration", {Backend.SGLANG, Backend.TRTLLM}),  # vLLM did until 0.10.2
        ("BloomForCausalLM", {Backend.VLLM}),
        ("Grok1ForCausalLM", {Backend.SGLANG}),
        ("T5ForConditionalGeneration", {Backend.TRTLLM}),
        ("SmolLM3ForCausalLM", {Backend.VLLM}),  # by the code of Transformers, on purpose
        ("Olmo3ForCausalLM", {Backend.VLLM, Backend.SGLANG}),  # SGLang reads it as the one before
    ],
)
def test_architectures_may_be_known_to_some_engines_alone(architecture: str, engines: set[Backend]) -> None:
    assert {backend for backend in CONCRETE if loads(backend, architecture)} == engines
    assert loads(Backend.AUTO, architecture)


@pytest.mark.parametrize(
    "architecture",
    [
        "BertModel", "CLIPVisionModel",  # encoders
        "Qwen2ForRewardModel", "Qwen3ForTextEmbedding", "BertForSequenceClassification",  # no text comes out
        "LlamaForCausalLMEagle3", "DeepSeekMTPModel", "DeepseekV3ForCausalLMNextN", "MedusaModel",  # drafts
        "TransformersForCausalLM", "llamaforcausallm", "LlamaForCausalLM ", "NeverHeardOfForCausalLM", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("backend", Backend)
def test_engines_are_not_said_to_load_what_does_not_generate_text(backend: Backend, architecture: str) -> None:
    assert not loads(backend, architecture)


@pytest.mark.parametrize(
    ("bundled", "published"),
    [
        ("MiniMaxM3ForCausalLM", "MiniMaxM3SparseForConditionalGeneration"),
        ("Step3p7FlashForCausalLM", "Step3p7ForConditionalGeneration"),
    ],
)
@pytest.mark.parametrize("backend", Backend)
def test_name_of_the_simulators_own_counts_as_the_checkpoints(backend: Backend, bundled: str, published: str) -> None:
    assert loads(backend, published)
    assert loads(backend, bundled)


@pytest.mark.aic
def test_architectures_of_the_simulator_are_loaded_by_some_engine() -> None:
    architectures = bundled_architectures()
    assert len(architectures) > 50
    assert {name: it for name, it in architectures.items() if not loads(Backend.AUTO, it)} == {}
