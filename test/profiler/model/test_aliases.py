import importlib.util
import json
from collections import Counter
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import pytest

from dgdr_controller.profiler.model.aliases import ALIASES
from dgdr_controller.profiler.simulation.aic import survey as aic
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.worker_pool import Answered, WorkerPool

SHAPE = [
    "num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "layer_types", "max_position_embeddings",
    "num_attention_heads", "num_key_value_heads", "head_dim", "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim",
    "qk_rope_head_dim", "v_head_dim", "sliding_window", "global_head_dim", "num_global_key_value_heads",
    "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "num_experts", "n_routed_experts", "num_experts_per_tok", "top_k_experts", "moe_intermediate_size",
    "n_shared_experts", "shared_expert_intermediate_size", "first_k_dense_replace",
]  # fmt: skip


def bundled_shape(model: str) -> dict[str, Any]:
    core = importlib.util.find_spec("aiconfigurator_core")  # not imported: it would change logging for all tests
    assert core is not None
    name = f"{model.replace('/', '--')}_config.json"
    config = json.loads((Path(str(core.origin)).with_name("model_configs") / name).read_text())
    text = config.get("text_config", config)
    return {"architectures": config["architectures"]} | {key: text.get(key) for key in SHAPE}


def test_alias_is_found_in_whatever_case() -> None:
    lowered = Counter(alias.lower() for alias in ALIASES)
    assert [alias for alias, count in lowered.items() if count > 1] == []


@pytest.mark.parametrize("name", [*ALIASES, *ALIASES.values()])
def test_alias_and_model_are_ids_of_the_hub(name: str) -> None:
    organisation, _, model = name.partition("/")
    assert organisation
    assert model
    assert not {*" /"} & {*model}


def test_alias_leads_to_a_model_in_one_step() -> None:
    assert {alias.lower() for alias in ALIASES}.isdisjoint(target.lower() for target in ALIASES.values())


@pytest.mark.parametrize(
    ("alias", "target"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Meta-Llama-3.1-70B"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "Qwen/Qwen3-30B-A3B-FP8"),
    ],
)
def test_well_known_relative_stands_for_the_model(alias: str, target: str) -> None:
    assert ALIASES[alias] == target


@pytest.mark.parametrize(
    "model",
    [
        "Qwen/Qwen3-8B-Base",  # a shorter context than the bundled model's
        "meta-llama/Llama-3.1-405B-Instruct-FP8",  # another precision
        "nvidia/DeepSeek-V3-0324-NVFP4",  # another precision of the cache than V3.1's
        "allenai/Llama-3.1-Tulu-3-8B",  # a longer vocabulary
        "moonshotai/Kimi-K2-Thinking",  # another architecture
    ],
)
def test_model_of_another_shape_has_no_stand_in(model: str) -> None:
    assert model not in ALIASES


@pytest.mark.aic
def test_every_stand_in_is_bundled_and_no_alias_is() -> None:
    [known] = [
        event.answer
        for event in WorkerPool(preload=PRELOAD).run(call, [partial(aic.models)], deadline_s=240)
        if isinstance(event, Answered)
    ]
    assert set(ALIASES.values()) <= set(known)
    assert {alias.lower() for alias in ALIASES}.isdisjoint(name.lower() for name in known)


@pytest.mark.aic
@pytest.mark.parametrize(
    ("quantised", "alias"),
    [
        ("nvidia/Qwen3.6-27B-NVFP4", "Qwen/Qwen3.6-27B"),
        ("nvidia/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.6-35B-A3B"),
        ("nvidia/Gemma-4-26B-A4B-NVFP4", "google/gemma-4-26B-A4B-it"),
        ("nvidia/Kimi-K2.6-NVFP4", "moonshotai/Kimi-K2.6"),
        ("nvidia/Kimi-K2.7-Code-NVFP4", "moonshotai/Kimi-K2.7-Code"),
    ],
)
def test_quantised_copy_that_is_bundled_has_the_shape_of_the_stand_in(quantised: str, alias: str) -> None:
    assert bundled_shape(quantised) == bundled_shape(ALIASES[alias])
