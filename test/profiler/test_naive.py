import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Source
from dgdr_api.gpus import GPUS, find_gpu
from dgdr_api.parse import parse_request
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.model.memory import GIB, fit
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.naive import naive
from dgdr_controller.profiler.request import PlanRequest, plan_request

LLAMA_70B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 80, "hidden_size": 8192, "num_attention_heads": 64,
    "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
QWEN_235B_FP8: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"], "num_hidden_layers": 94, "hidden_size": 4096, "num_attention_heads": 64,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 12288, "moe_intermediate_size": 1536,
    "num_experts": 128, "vocab_size": 151936, "max_position_embeddings": 40960,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}  # fmt: skip


def model(content: dict[str, Any] = LLAMA_70B, weights_gib: float | None = None) -> Model:
    weights = None if weights_gib is None else int(weights_gib * GIB)
    return Model("acme/big", "acme/big", None, read_config(content), weights)


def request(sku: str = "h100_sxm", gpus: int = 8, **spec: Any) -> PlanRequest:
    hardware = {"gpuSku": sku, "totalGpus": gpus} | spec.pop("hardware", {})
    manifest = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r"},
        "spec": {"model": "acme/big", "hardware": hardware} | spec,
    }
    return plan_request(parse_request(manifest), HardwareOptions())


@pytest.mark.parametrize(
    ("sku", "gpus", "weights_gib", "tp", "replicas"),
    [
        ("h200_sxm", 8, 15, 1, 8),
        ("h100_sxm", 8, 15, 1, 8),
        ("h100_sxm", 8, 131.4, 4, 2),  # two hold the weights and five requests: too few to be worth it
        ("h200_sxm", 8, 131.4, 2, 4),
        ("l40s", 8, 131.4, 4, 2),
        ("l4", 4, 61, 4, 1),
        ("h100_sxm", 6, 131.4, 4, 1),
        ("h100_sxm", 3, 15, 1, 3),
    ],
)
def test_engine_is_as_small_as_memory_allows_and_there_as_often_as_gpus_allow(
    sku: str, gpus: int, weights_gib: float, tp: int, replicas: int
) -> None:
    candidate = naive(request(sku, gpus), model(weights_gib=weights_gib), Backend.VLLM)
    (worker,) = candidate.workers
    assert (worker.parallelism.tp, worker.parallelism.pp, candidate.replicas) == (tp, 1, replicas)
    assert (candidate.source, candidate.performance) == (Source.NAIVE, None)
    assert candidate.context_length == 20_000  # four mean requests


def test_load_takes_no_more_replicas_than_it_needs() -> None:
    one = naive(request("h200_sxm", 8), model(weights_gib=15), Backend.VLLM)
    few = naive(
        request("h200_sxm", 8, workload={"concurrency": 2 * one.workers[0].batch}), model(weights_gib=15), Backend.VLLM
    )
    assert (one.replicas, few.replicas) == (8, 2)


def test_quantised_blocks_are_not_cut_apart() -> None:
    candidate = naive(request("h100_sxm", 8), model(QWEN_235B_FP8, 220), Backend.VLLM)
    shape = candidate.workers[0].parallelism
    assert shape.tp == 4  # 1536 / 8 is no multiple of 128
    assert shape.gpus == 4


def test_experts_are_cut_with_the_attention() -> None:
    shape = naive(request("h200_sxm", 8), model(QWEN_235B_FP8, 220), Backend.SGLANG).workers[0].parallelism
    assert shape.moe_tp == shape.tp > 1


def test_memory_that_the_request_states_counts() -> None:
    whole = naive(request("h100_sxm", 8), model(weights_gib=15), Backend.VLLM)
    small = naive(request("h100_sxm", 8, hardware={"vramMb": 16384}), model(weights_gib=15), Backend.VLLM)
    assert (whole.workers[0].parallelism.tp, small.workers[0].parallelism.tp) == (1, 4)


def test_planner_begins_with_one_engine() -> None:
    wanted, llm = request("h100_sxm", 8, features={"planner": True}), model(weights_gib=15)
    assert naive(wanted, llm, Backend.VLLM).replicas == 1


def test_engine_that_no_node_holds_spans_nodes_where_the_cluster_can_do_that() -> None:
    wanted, llm = request("h100_sxm", 16), model(weights_gib=756)
    shape = naive(wanted, llm, Backend.VLLM).workers[0].parallelism
    assert (shape.tp, shape.pp) == (8, 2)
    alone = replace(wanted, hardware=wanted.hardware.model_copy(update={"multinode": False}))
    with pytest.raises(NotDeployableError, match=r"takes 16 of them at once and a node has 8: .* needs Grove or LWS"):
        naive(alone, llm, Backend.VLLM)


@pytest.mark.parametrize(
    ("sku", "gpus", "weights_gib", "said"),
    [
        ("l4", 2, 131.4, "the smallest sufficient number of these GPUs is 8"),
        ("h100_sxm", 1, 131.4, "the smallest sufficient number of these GPUs is 2"),
        ("h100_sxm", 8, 756, "the smallest sufficient number of these GPUs is 16"),
        ("t4", 4, 20_000, "no number of these GPUs is enough"),
    ],
)
def test_model_that_is_too_big_is_told_with_the_number_that_would_do(
    sku: str, gpus: int, weights_gib: float, said: str
) -> None:
    with pytest.raises(NotDeployableError) as error:
        naive(request(sku, gpus), model(weights_gib=weights_gib), Backend.VLLM)
    assert f"acme/big does not fit on {gpus} × {sku}: its weights take {weights_gib:.0f} GiB" in str(error.value)
    assert said in str(error.value)


def test_model_whose_size_nobody_knows_is_not_guessed() -> None:
    mixed = LLAMA_70B | {"hybrid_override_pattern": "M-M*"}
    with pytest.raises(NotDeployableError, match=r"mount the model with spec\.modelCache"):
        naive(request(), model(mixed), Backend.VLLM)
    assert naive(request(), model(mixed, 100), Backend.VLLM).gpus == 8
    named = replace(model(mixed), name="acme/hybrid-70B")
    assert naive(request(), named, Backend.VLLM).workers[0].parallelism.tp == 4


SKUS = st.sampled_from([gpu.sku for gpu in GPUS if gpu.vendor == "nvidia"])


@given(
    sku=SKUS,
    gpus=st.integers(1, 40),
    weights_gib=st.floats(0.5, 2000),
    kv_heads=st.sampled_from([1, 2, 4, 8, 64]),
    isl=st.integers(1, 100_000),
    osl=st.integers(1, 20_000),
)
def test_engine_fits_within_node_and_budget_and_a_smaller_one_would_not(
    sku: str, gpus: int, weights_gib: float, kv_heads: int, isl: int, osl: int
) -> None:
    wanted = request(sku, gpus, workload={"isl": isl, "osl": osl})
    llm = model(LLAMA_70B | {"num_key_value_heads": kv_heads}, weights_gib)
    gpu = find_gpu(sku)
    assert gpu is not None
    room = min(gpus, gpu.gpus_per_node)

    def tokens(tp: int, pp: int) -> int:
        step = min(8192, isl + 1500)
        return fit(llm.config, llm.weights or 0, gpu.vram_mib, tp=tp, pp=pp, step_tokens=step).tokens

    shapes = [(tp, pp) for tp in (1, 2, 4, 8) for pp in range(1, 9) if tp * pp <= room and tp <= gpu.gpus_per_node]
    fitting = [shape for shape in shapes if tokens(*shape) >= isl + osl]
    try:
        candidate = naive(wanted, llm, Backend.VLLM)
    except NotDeployableError as error:
        assert not fitting
        if smallest := re.search(r"sufficient number of these GPUs is (\d+)$", str(error)):
            assert int(smallest[1]) > gpus
        return
    shape = candidate.workers[0].parallelism
    assert candidate.gpus <= gpus
    if not fitting:  # no engine within a node: one over several
        assert shape.gpus > gpu.gpus_per_node
        assert isl + osl <= candidate.context_length <= tokens(shape.tp, shape.pp)
        return
    assert (shape.tp, shape.pp) in fitting
    assert shape.gpus <= gpu.gpus_per_node
    assert isl + osl <= candidate.context_length <= tokens(shape.tp, shape.pp)
    assert shape.pp == 1 or all(pp > 1 for _, pp in fitting)
    comfortable = [tp for tp, pp in fitting if pp == 1 and tokens(tp, pp) >= 8 * (isl + osl)]
    assert not comfortable or shape.gpus == min(comfortable)
