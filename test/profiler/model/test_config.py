import json
import subprocess
from importlib import resources
from typing import Any

import pytest

from dgdr_controller.profiler.model.config import ConfigError, ModelConfig, Vision, read_config
from dgdr_controller.profiler.model.context import DEFAULTS
from dgdr_controller.profiler.model.memory import (
    GIB,
    fit,
    kv_bytes_per_token,
    parameters,
    weight_bytes,
    weight_bytes_by_name,
)
from hack.setup.environment import tool

DENSE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def bundled(model: str) -> ModelConfig:
    """Read a config that AIConfigurator brings along."""
    name = f"{model.replace('/', '--')}_config.json"
    return read_config(json.loads((resources.files("aiconfigurator_core") / "model_configs" / name).read_text()))


# The vendors' own figures, from the model cards; GiB of the files where the card says them.
@pytest.mark.aic
@pytest.mark.parametrize(
    ("model", "billions"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", 8.03),
        ("meta-llama/Meta-Llama-3.1-70B", 70.6),
        ("meta-llama/Meta-Llama-3.1-405B", 405.9),
        ("Qwen/Qwen3-0.6B", 0.6),
        ("Qwen/Qwen3-8B", 8.2),
        ("Qwen/Qwen3-32B", 32.8),
        ("Qwen/Qwen3-30B-A3B", 30.5),
        ("Qwen/Qwen3-235B-A22B", 235.1),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", 480.2),
        ("mistralai/Mixtral-8x7B-v0.1", 46.7),
        ("mistralai/Mixtral-8x22B-v0.1", 140.6),
        ("deepseek-ai/DeepSeek-V3", 671.0),
        ("moonshotai/Kimi-K2-Instruct", 1026.0),
        ("openai/gpt-oss-20b", 20.9),
        ("openai/gpt-oss-120b", 116.8),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 107.8),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 400.0),
    ],
)
def test_parameters_are_those_that_the_vendor_states(model: str, billions: float) -> None:
    assert sum(parameters(bundled(model))) / 1e9 == pytest.approx(billions, rel=0.07 if "Llama-4" in model else 0.03)


@pytest.mark.aic
@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("Qwen/Qwen3-32B-FP8", 31.9),
        ("deepseek-ai/DeepSeek-V3", 641.3),
        ("openai/gpt-oss-120b", 60.8),
        ("openai/gpt-oss-20b", 12.8),
        ("Qwen/Qwen3-235B-A22B-FP8", 220.2),
    ],
)
def test_quantised_weights_take_what_their_files_take(model: str, gib: float) -> None:
    assert weight_bytes(bundled(model)) / GIB == pytest.approx(gib, rel=0.08)


@pytest.mark.parametrize(
    ("quantisation", "size"),
    [
        (None, 2.0),
        ({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}, 1.0),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 0.5625),
        ({"quant_method": "mxfp4"}, 0.53125),
        ({"quant_method": "awq", "bits": 4}, 0.53125),
        ({"quant_method": "gptq", "bits": 4}, 0.53125),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, 0.53125),
        ({"quant_method": "compressed-tensors", "format": "float-quantized"}, 1.0),
        ({"quant_algo": "FP8"}, 1.0),
    ],
)
def test_quantisation_has_its_width(quantisation: dict[str, Any] | None, size: float) -> None:
    content = DENSE | ({"quantization_config": quantisation} if quantisation else {})
    assert read_config(content).bytes_per_weight == size


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B", 120),
        ("nvidia/Nemotron-H-8B-Base-8K", 8),
        ("acme/hybrid-1.5b-instruct", 1.5),
        ("acme/hybrid-v2b", None),
        ("acme/80GB", None),
    ],
)
def test_name_may_tell_the_size(name: str, billions: float | None) -> None:
    plain, quantised = read_config(DENSE), read_config(DENSE | {"quantization_config": {"quant_method": "fp8"}})
    expected = (None, None) if billions is None else (billions * 2e9, billions * 1.25e9)
    assert (weight_bytes_by_name(name, plain), weight_bytes_by_name(name, quantised)) == expected


def test_multimodal_models_text_part_is_read() -> None:
    text = {name: value for name, value in DENSE.items() if name != "architectures"}
    config = read_config({"architectures": ["SomeVLForConditionalGeneration"], "text_config": text, "hidden_size": 1})
    assert (config.hidden, config.layers, config.architecture) == (4096, 32, "SomeVLForConditionalGeneration")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "names no architecture"),
        ({"architectures": []}, "names no architecture"),
        ({"architectures": ["X"]}, "does not say num_hidden_layers, hidden_size, num_attention_heads, vocab_size"),
        (DENSE | {"hidden_size": -1}, "hidden_size is -1"),
        (DENSE | {"vocab_size": 10**30}, "vocab_size is 1000"),
        (DENSE | {"num_hidden_layers": "many"}, "num_hidden_layers is 'many'"),
        (DENSE | {"num_hidden_layers": 1.5}, "num_hidden_layers is 1.5"),
        (DENSE | {"num_key_value_heads": 7}, "32 attention heads cannot share 7 key-value heads"),
        (DENSE | {"num_key_value_heads": 64}, "32 attention heads cannot share 64 key-value heads"),
        (
            DENSE | {"hidden_size": 4097, "head_dim": None},
            "4097 is not a multiple of 32 heads, and head_dim is missing",
        ),
        (DENSE | {"num_experts": 4, "num_experts_per_tok": 8}, "a token goes to 8 experts, but there are 4"),
    ],
)
def test_config_that_cannot_be_used_says_why(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(content)


def test_context_that_is_not_said_does_not_end() -> None:
    content = {name: value for name, value in DENSE.items() if name != "max_position_embeddings"}
    assert read_config(content).context > 10**9


def test_kv_cache_is_spread_over_heads_and_layers() -> None:
    config = read_config(DENSE)
    whole = 2 * 32 * 8 * 128 * 2
    assert kv_bytes_per_token(config, 1, 1) == whole
    assert kv_bytes_per_token(config, 8, 1) == whole // 8
    assert kv_bytes_per_token(config, 16, 1) == whole // 8  # a head is not cut apart: ranks hold the same one
    assert kv_bytes_per_token(config, 1, 2) == whole // 2


def test_latent_vector_of_mla_is_on_every_rank() -> None:
    mla = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    config = read_config(DENSE | mla)
    assert kv_bytes_per_token(config, 1, 1) == kv_bytes_per_token(config, 8, 1) == 32 * (512 + 64) * 2
    assert not config.plain_cache


def test_model_that_does_not_fit_has_no_room_for_tokens() -> None:
    config = read_config(DENSE)
    assert fit(config, 15 * GIB, 16_384, tp=1, pp=1, step_tokens=8192).tokens == 0
    one = fit(config, 15 * GIB, 81_559, tp=1, pp=1, step_tokens=8192)
    two = fit(config, 15 * GIB, 81_559, tp=2, pp=1, step_tokens=8192)
    assert 400_000 < one.tokens < 500_000
    assert two.tokens > 2 * one.tokens
    assert one.weights == 2 * two.weights


@pytest.mark.parametrize("sizes", [{"hidden_size": 1.5}, {"hidden_size": "x"}, {"depth": -1}, {"depth": 2**60}, {}])
def test_encoder_of_images_whose_size_makes_no_sense_is_one_of_unknown_size(sizes: dict[str, Any]) -> None:
    vision = read_config(DENSE | {"vision_config": sizes}).vision
    assert vision == Vision(0, 0)


@pytest.mark.parametrize(("code", "named"), [(None, False), ({}, False), ("x", False), ({"AutoModel": "m.M"}, True)])
def test_code_counts_where_some_is_named(code: object, *, named: bool) -> None:
    assert read_config(DENSE | {"auto_map": code}).own_code is named


@pytest.mark.parametrize(
    ("quantisation", "name"),
    [
        (None, ""),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt_fp4"),
        ({"quant_method": "modelopt", "quant_algo": "W4A16_NVFP4"}, "modelopt_fp4"),
        ({"quant_algo": "FP8"}, "modelopt_fp8"),
        ({"quant_algo": "MXFP8"}, "modelopt_mxfp8"),
        ({"quant_algo": "MIXED_PRECISION"}, "modelopt_mixed"),
        ({"quant_method": "modelopt"}, "modelopt"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "modelopt"),
        ({"quant_method": "MXFP4"}, "mxfp4"),
        ({"quant_method": "compressed-tensors", "format": "float-quantized"}, "compressed-tensors"),
    ],
)
def test_quantisation_has_the_name_that_engines_call_it(quantisation: dict[str, Any] | None, name: str) -> None:
    assert read_config(DENSE | ({"quantization_config": quantisation} if quantisation else {})).quantization == name


@pytest.mark.parametrize(
    ("content", "context"),
    [
        (DENSE | {"model_type": "falcon", "max_position_embeddings": 8192}, 8192),
        (DENSE | {"model_type": "falcon", "max_position_embeddings": None}, 2048),
        (DENSE | {"model_type": "private", "max_position_embeddings": None}, 2**31),
        ({"architectures": ["A"], "model_type": "gemma3", "text_config": DENSE | {
            "model_type": "gemma3_text", "max_position_embeddings": None}}, 131_072),
    ],
)  # fmt: skip
def test_context_that_is_not_written_is_the_default_of_the_class(content: dict[str, Any], context: int) -> None:
    assert read_config(content).context == context


DEFAULTS_OF_TRANSFORMERS = """
import json, sys
from transformers import CONFIG_MAPPING
print(json.dumps({name: CONFIG_MAPPING[name]().get_text_config().max_position_embeddings for name in sys.argv[1:]}))
"""


@pytest.mark.engines
def test_defaults_are_those_of_transformers() -> None:
    command = [str(tool("engines")), "-c", DEFAULTS_OF_TRANSFORMERS, *sorted(DEFAULTS)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed.splitlines()[-1]) == DEFAULTS
