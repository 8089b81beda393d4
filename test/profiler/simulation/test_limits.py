"""Estimates from the limits of a GPU, held against those from measured data where AIC has both."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from operator import call
from typing import Any

import pytest

from dgdr_api.candidate import Mode, Parallelism, Role, Source
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.simulation.aic.curves import Asked, curves
from dgdr_controller.profiler.simulation.aic.limits import (
    DECODE,
    DENSE_ERROR_PERCENT,
    EXPERTS_ERROR_PERCENT,
    PCIE,
    PREFILL,
    Correction,
    Kind,
)
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.messages import Found, Search
from dgdr_controller.profiler.simulation.search import search
from dgdr_controller.profiler.simulation.worker_pool import Answered, WorkerPool
from hack.bench.limits import Step, steps

DENSE, EXPERTS = "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B"
LAYERS = 36
OPERATORS = {
    "context_gemm": (Role.PREFILL, Kind.COMPUTATION), "context_ar": (Role.PREFILL, Kind.COMMUNICATION),
    "generation_gemm": (Role.DECODE, Kind.COMPUTATION), "generation_moe": (Role.DECODE, Kind.EXPERTS),
}  # fmt: skip
CORRECTION = Correction(OPERATORS, PCIE[4], LAYERS)


def asked(*questions: partial[Any]) -> list[Any]:
    answers = {}
    for event in WorkerPool(preload=PRELOAD).run(call, questions, deadline_s=240):
        assert not hasattr(event, "error"), event
        if isinstance(event, Answered):
            answers[id(event.item)] = event.answer
    return [answers[id(question)] for question in questions]


def test_each_operator_is_slowed_by_its_kind_and_each_layer_adds_its_time() -> None:
    slowed = CORRECTION.corrected({"context_gemm": 10, "context_ar": 2}, Role.PREFILL)
    computation = PREFILL[Kind.COMPUTATION]
    assert slowed["context_gemm"] == pytest.approx(10 * computation.factor)
    assert slowed["context_ar"] == pytest.approx(2 * PCIE[4].factor)
    extra = LAYERS * (computation.per_layer_us + PCIE[4].per_layer_us) / 1000
    assert sum(slowed.values()) == pytest.approx(10 * computation.factor + 2 * PCIE[4].factor + extra)


def test_operator_that_takes_no_time_adds_none_for_layers() -> None:
    slowed = CORRECTION.corrected({"context_gemm": 10, "context_ar": 0}, Role.PREFILL)
    assert {CORRECTION.kind_of(name) for name, ms in slowed.items() if ms} == {Kind.COMPUTATION}


def test_decoding_beside_prompts_pays_for_layers_once() -> None:
    slowed = CORRECTION.corrected({"context_gemm": 10, "generation_gemm": 1}, Role.PREFILL)
    factors = PREFILL[Kind.COMPUTATION].factor * 10 + DECODE[Kind.COMPUTATION].factor
    assert sum(slowed.values()) == pytest.approx(factors + LAYERS * PREFILL[Kind.COMPUTATION].per_layer_us / 1000)


def test_time_of_layers_grows_with_the_steps() -> None:
    one, many = (sum(CORRECTION.corrected({"generation_moe": 1}, Role.DECODE, n).values()) for n in (1, 100))
    assert many - one == pytest.approx(99 * LAYERS * DECODE[Kind.EXPERTS].per_layer_us / 1000)


@pytest.fixture(scope="module")
def measured() -> list[Step]:
    """Every engine, NVLink and PCIe, both kinds of models, old and new GPUs."""
    combinations = (
        ("l40s", Backend.VLLM, DENSE), ("l40s", Backend.TRTLLM, EXPERTS), ("h100_sxm", Backend.TRTLLM, DENSE),
        ("h100_sxm", Backend.VLLM, EXPERTS), ("a100_sxm", Backend.SGLANG, DENSE),
    )  # fmt: skip
    return [step for found in asked(*(partial(steps, *combination) for combination in combinations)) for step in found]


@pytest.mark.aic
def test_corrected_kinds_of_operators_are_within_the_spread_that_is_written_down(measured: list[Step]) -> None:
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for step in measured:
        for kind, ratio in step.ratios():
            ratios[step.role, kind].append(ratio)
    assert len(ratios) == 2 * (len(Kind) + 1)  # each kind and the whole, in both roles
    for group, values in ratios.items():
        assert len(values) > 50, group
        assert 0.8 < median(values) < 1.25, group


@pytest.mark.aic
@pytest.mark.parametrize(("model", "percent"), [(DENSE, DENSE_ERROR_PERCENT), (EXPERTS, EXPERTS_ERROR_PERCENT)])
def test_nine_of_ten_steps_are_as_far_off_as_the_warning_says(measured: list[Step], model: str, percent: float) -> None:
    off = [
        abs(ratio - 1) for step in measured if step.model == model for kind, ratio in step.ratios() if kind[0] == "w"
    ]
    assert sum(error <= percent / 100 for error in off) >= 0.85 * len(off)
    assert sum(error <= percent / 200 for error in off) < 0.95 * len(off)  # the warning does not exaggerate


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def wanted(mode: Mode, system: str = "l4", **other: Any) -> Search:
    fields: dict[str, Any] = {
        "model": DENSE, "system": system, "backend": Backend.VLLM, "mode": mode, "total_gpus": 4, "nodes": Nodes(8),
        "usable_gib": 20.7, "kv_heads": 8, "isl": 1000, "osl": 200, "limits_version": "0.24.0",
    }  # fmt: skip
    return Search(**(fields | other))


L4_BYTES_PER_S = 300e9
WEIGHTS = 16.4e9 - 1.2e9
"""Bytes that a step of Qwen3-8B reads: its parameters but the input embedding, two bytes each."""


@pytest.mark.aic
def test_l4_is_estimated_and_no_row_passes_for_measured() -> None:
    found: list[Found] = asked(*(partial(search, wanted(mode)) for mode in Mode))
    for one in found:
        assert one.rows
        assert {source for row in one.rows for source in row["sources"]} == {Source.EMPIRICAL.value}


@pytest.mark.aic
def test_l4_reads_its_weights_no_faster_than_its_memory() -> None:
    (found,) = asked(partial(search, wanted(Mode.AGGREGATED)))
    alone = [row for row in found.rows if row["bs"] == 1]
    assert {row["tp"] for row in alone} >= {1, 2, 4}
    for row in alone:
        least = 1000 * WEIGHTS / row["tp"] / L4_BYTES_PER_S
        assert least < row["tpot"] < 2 * least


@pytest.mark.aic
def test_engine_without_the_models_number_format_is_refused_with_a_reason() -> None:
    question = wanted(Mode.AGGREGATED, "a30", model="Qwen/Qwen3-32B-FP8", usable_gib=22.1)
    (found,) = asked(partial(search, question))
    assert not found.rows
    assert "needs 'fp8_tc_flops', which this system's YAML does not define" in found.reason


@pytest.mark.aic
def test_planners_curves_come_from_the_same_corrected_limits() -> None:
    question = wanted(Mode.DISAGGREGATED)
    workers = ((Role.PREFILL, Parallelism()), (Role.DECODE, Parallelism(tp=2)))
    (found,) = asked(partial(curves, Asked(question, workers, 2400)))
    prefill, decode = found
    assert prefill.prefill is not None
    assert decode.decode is not None
    assert prefill.prefill.ttft == tuple(sorted(prefill.prefill.ttft))
    least = 1000 * WEIGHTS / 2 / L4_BYTES_PER_S
    assert least < min(decode.decode.itl) < 2 * least
