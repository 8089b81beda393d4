"""Rows with the numbers and columns of AIConfigurator 0.12."""

from typing import Any

import pytest

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Source
from dgdr_api.estimates import Chances
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.model.config import ModelConfig, read_config
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiler.simulation.rows import Facts, read_rows
from test.builders.calibration import calibration, row

CONTENT = {
    "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 5120, "num_attention_heads": 64,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 25600, "vocab_size": 151936,
    "max_position_embeddings": 40960,
}  # fmt: skip
QWEN = read_config(CONTENT)
H200_MIB = 143_771

AGGREGATED: dict[str, Any] = {
    "concurrency": 96, "request_rate": 3.567, "bs": 96, "ttft": 344.226, "tpot": 26.599, "tokens/s": 3563.045,
    "tokens/s/gpu": 890.761, "tokens/s/user": 37.596, "num_total_gpus": 4, "tp": 4, "pp": 1, "dp": 1, "moe_tp": 1,
    "moe_ep": 1, "cp": 1, "kvcache": "bfloat16", "memory": 48.748, "ctx_tokens": 4000,
    "sources": ["empirical", "silicon"],
}  # fmt: skip
DISAGGREGATED: dict[str, Any] = {
    "concurrency": 224, "request_rate": 7.216, "ttft": 778.117, "tpot": 28.591, "tokens/s": 7215.56,
    "num_total_gpus": 8,
    "(p)bs": 1, "(p)workers": 4, "(p)tp": 1, "(p)pp": 1, "(p)dp": 1, "(p)moe_tp": 1, "(p)moe_ep": 1, "(p)cp": 1,
    "(p)kvcache": "bfloat16", "(p)memory": 66.171,
    "(d)bs": 224, "(d)workers": 1, "(d)tp": 4, "(d)pp": 1, "(d)dp": 1, "(d)moe_tp": 1, "(d)moe_ep": 1,
    "(d)kvcache": "bfloat16", "(d)memory": 87.566,
}  # fmt: skip

VERSIONS = {Backend.VLLM: "0.24.0", Backend.SGLANG: "0.5.9", Backend.TRTLLM: "1.3.0"}


def search(mode: Mode = Mode.AGGREGATED, **other: Any) -> Search:
    fields: dict[str, Any] = {
        "model": "Qwen/Qwen3-32B", "system": "h200_sxm", "backend": Backend.VLLM, "mode": mode, "total_gpus": 8,
        "nodes": Nodes(8), "usable_gib": 129.2, "kv_heads": 8,
        "isl": 4000, "osl": 1000,
    }  # fmt: skip
    return Search(**(fields | other))


def read(row: dict[str, Any], wanted: Search, config: ModelConfig = QWEN, vram_mib: int = H200_MIB) -> Candidate:
    reading = read_rows([row], wanted, Facts(config, VERSIONS, vram_mib))
    assert not reading.dropped
    (candidate,) = reading.candidates
    return candidate


def test_aggregated_row() -> None:
    candidate = read(AGGREGATED, search())
    (worker,) = candidate.workers
    assert (candidate.gpus, worker.parallelism.tp, worker.batch) == (4, 4, 96)
    assert worker.max_num_tokens == 5632  # 4000 of prompt, 1500 of margin, 96 decodes, in steps of 64
    performance = candidate.numbers
    assert performance.e2e == pytest.approx(344.226 + 26.599 * 999)
    assert performance.tokens_per_s_per_gpu == pytest.approx(3.567 * 1000 / 4)
    assert performance.tokens_per_s_per_user == pytest.approx(37.596, abs=0.001)
    assert candidate.source is Source.MIXED


def test_disaggregated_row() -> None:
    candidate = read(DISAGGREGATED, search(Mode.DISAGGREGATED))
    prefill, decode = candidate.workers
    assert (prefill.count, prefill.parallelism.tp, prefill.max_num_tokens) == (4, 1, 5504)
    assert (decode.count, decode.parallelism.tp, decode.batch, decode.max_num_tokens) == (1, 4, 224, 512)
    assert candidate.gpus_per_replica == candidate.gpus == 8


@pytest.mark.parametrize(
    "change",
    [
        {"num_total_gpus": 8},  # AIC counts what its own parallelism does not say
        {"tpot": float("nan")},
        {"tp": 0},
        {"kvcache": None},
        {"concurrency": 0},
        {"ttft": 0.0, "tpot": 0.0},
    ],
)
def test_row_that_makes_no_sense_is_counted_and_dropped(change: dict[str, Any]) -> None:
    reading = read_rows([AGGREGATED | change, AGGREGATED], search(), Facts(QWEN, VERSIONS, H200_MIB))
    assert (len(reading.candidates), reading.dropped.total()) == (1, 1)


def test_equal_configurations_are_one_candidate() -> None:
    again = AGGREGATED | {"ttft": 345.0}
    other = AGGREGATED | {"bs": 80}
    assert len(read_rows([AGGREGATED, again, other], search(), Facts(QWEN, VERSIONS, H200_MIB)).candidates) == 2


def test_output_of_one_token_has_no_interval_between_tokens() -> None:
    row = AGGREGATED | {"tpot": 0.0, "request_rate": 278.887}
    performance = read(row, search(osl=1)).numbers
    assert (performance.itl, performance.e2e) == (0, 344.226)
    assert performance.tokens_per_s == performance.request_rate == 278.887
    assert performance.tokens_per_s_per_user == pytest.approx(1000 / 344.226)


def test_kv_cache_format_is_the_estimates() -> None:
    assert read(AGGREGATED | {"kvcache": "fp8"}, search()).workers[0].kv_cache_dtype is KvCacheDtype.FP8
    assert read(AGGREGATED, search()).workers[0].kv_cache_dtype is KvCacheDtype.AUTO


ONE = AGGREGATED | {"bs": 1, "concurrency": 1, "tp": 1, "num_total_gpus": 1}


@pytest.mark.parametrize(
    ("row", "context", "expected"),
    [
        (AGGREGATED, 40_960, 40_960),  # all that the model can
        (AGGREGATED | {"memory": 129.1}, 40_960, 20_000),  # four mean requests, out of the cache of the load's 96
        (AGGREGATED, 8_192, 8_192),  # the model ends earlier
        # One request at a time: what is free decides. 129.17 GiB usable, 262,144 bytes for each token, of which 80 %
        # are counted on.
        (ONE | {"memory": 100.0}, 40_960, 40_960),
        (ONE | {"memory": 129.0}, 40_960, 5554),
        (ONE | {"memory": 130.0}, 40_960, 5000),
    ],
)
def test_context_covers_the_request_and_fits(row: dict[str, Any], context: int, expected: int) -> None:
    config = read_config(CONTENT | {"max_position_embeddings": context})
    assert read(row, search(), config).context_length == expected


def test_cache_of_another_kind_counts_as_a_full_one_and_a_quarter_more() -> None:
    config = read_config(CONTENT | {"sliding_window": 1024})
    assert read(ONE | {"memory": 129.0}, search(), config).context_length == 5443
    assert read(ONE | {"memory": 130.0}, search(), config).context_length == 5000
    assert read(AGGREGATED, search(), config).context_length == 40_960


def test_latent_cache_is_small_and_leaves_room_for_long_requests() -> None:
    mla = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    config = read_config(CONTENT | mla)
    assert read(ONE | {"memory": 120.0}, search(), config).context_length == 40_960
    assert read(ONE | {"memory": 120.0}, search()).context_length < 40_960


def test_context_length_that_is_set_is_kept_where_it_fits() -> None:
    assert read(AGGREGATED, search(context_length=12_000)).context_length == 12_000
    assert read(ONE | {"memory": 129.0}, search(context_length=12_000)).context_length == 5554


def test_buffer_of_the_transfer_takes_the_place_of_half_the_context() -> None:
    """TensorRT-LLM allocates room for the longest sequence beside the KV cache."""
    tight = DISAGGREGATED | {"(p)memory": 127.0}
    vllm = read(tight, search(Mode.DISAGGREGATED)).context_length
    trtllm = read(tight, search(Mode.DISAGGREGATED, backend=Backend.TRTLLM)).context_length
    assert (vllm - 5000) / 2 == pytest.approx(trtllm - 5000, abs=1)


def test_chunk_of_a_prompt_that_is_cut_needs_no_margin() -> None:
    (worker,) = read(AGGREGATED | {"ctx_tokens": 2048}, search()).workers
    assert worker.max_num_tokens == 2176  # 2048 of prompt, 96 decodes, in steps of 64
    prefill, _ = read(DISAGGREGATED, search(Mode.DISAGGREGATED, isl=64_000)).workers
    assert prefill.max_num_tokens == 32_768


def test_drafted_tokens_are_part_of_the_step_and_of_the_configuration() -> None:
    plain, drafting = read(AGGREGATED, search()), read(AGGREGATED, search(draft_tokens=2))
    assert (plain.draft_tokens, drafting.draft_tokens) == (0, 2)
    assert drafting.workers[0].max_num_tokens == 5824  # 4000 of prompt, 1500 of margin, 3 · 96, in steps of 64
    assert plain.id != drafting.id
    assert drafting.shape == "1 × tp4, 2 draft tokens"


AGGREGATED_STEPS = {"queue": 9_000.0, "decode_step": 24.0, "prompt_rate": float("inf")}
DISAGGREGATED_STEPS = {
    "queue": 24_000.0, "decode_step": 28.591, "prompt_rate": 9.0, "(p)request_rate": 2.25, "(d)request_rate": 7.3,
}  # fmt: skip
TABLE = calibration([row(1.5, 2.0, backend=Backend.VLLM, mode=Mode.AGGREGATED)])


def test_estimate_is_corrected_and_the_simulators_own_is_kept() -> None:
    wanted = search(calibration=TABLE)
    candidate, raw = read(AGGREGATED | AGGREGATED_STEPS, wanted), read(AGGREGATED, search())
    numbers = candidate.numbers
    assert candidate.simulated == raw.performance
    assert candidate.id == raw.id
    assert numbers.ttft == pytest.approx(1.5 * 344.226)
    assert numbers.itl == pytest.approx(1.5 * 26.599)
    assert numbers.e2e == pytest.approx(numbers.ttft + 999 * numbers.itl)
    assert numbers.tokens_per_s_per_gpu == pytest.approx(1.5 * 1000 * 96 * 1000 / numbers.e2e / 4)
    assert numbers.tokens_per_s == pytest.approx(4 * numbers.tokens_per_s_per_gpu)
    uncertainty = candidate.uncertainty
    assert uncertainty is not None
    assert uncertainty.row == "vllm, aggregated"
    assert (uncertainty.itl.low, uncertainty.itl.high) == pytest.approx((numbers.itl / 2, numbers.itl * 2))
    assert uncertainty.chances == Chances()  # there are no targets yet


def test_pair_serves_no_more_than_its_prefill_workers_keep_up_with() -> None:
    wanted = search(Mode.DISAGGREGATED, calibration=calibration())
    candidate = read(DISAGGREGATED | DISAGGREGATED_STEPS, wanted)
    little = 1000 * 224 / (778.117 + 999 * 28.591)
    assert candidate.numbers.request_rate == pytest.approx(little)
    slower = read(DISAGGREGATED | DISAGGREGATED_STEPS | {"prompt_rate": 5.0}, wanted)
    assert slower.numbers.request_rate == pytest.approx(5.0)
    ratio = little / 7.216
    assert [w.request_rate for w in candidate.workers] == pytest.approx([2.25 * ratio, 7.3 * ratio])
