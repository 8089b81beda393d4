"""The adapter on the real AIConfigurator, in a worker process as always."""

import ast
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import pytest

import dgdr_controller
from dgdr_api.candidate import KvCacheDtype, Mode, Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.simulation.aic import survey as aic
from dgdr_controller.profiler.simulation.aic.estimates import estimate_workers
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.messages import SHAPE, Row, Search, Survey, shape_of
from dgdr_controller.profiler.simulation.pairing import DECODE_SHARE, PREFILL_SHARE, QUEUED_TTFT
from dgdr_controller.profiler.simulation.search import search
from dgdr_controller.profiler.simulation.speculation import accepted
from dgdr_controller.profiler.simulation.worker_pool import Answered, WorkerPool
from test.builders.own_sweep import own_sweep


def asked(*questions: partial[Any]) -> list[Any]:
    pool = WorkerPool(preload=PRELOAD)
    answers = {}
    for event in pool.run(call, questions, deadline_s=240):
        if isinstance(event, Answered):
            answers[id(event.item)] = event.answer
    assert len(answers) == len(questions)
    return [answers[id(question)] for question in questions]


def wanted(mode: Mode, backend: Backend = Backend.VLLM, **other: Any) -> Search:
    fields: dict[str, Any] = {
        "model": "meta-llama/Meta-Llama-3.1-8B", "system": "h100_sxm", "backend": backend, "mode": mode,
        "total_gpus": 4, "nodes": Nodes(8), "usable_gib": 73.6, "kv_heads": 8, "isl": 4000, "osl": 1000,
    }  # fmt: skip
    return Search(**(fields | other))


PREFIXES = {Role.AGGREGATED: "", Role.PREFILL: "(p)", Role.DECODE: "(d)"}
TARGETS_TTFT = (1e9, 2000, 400, 120, 50, 30)
TARGETS_TPOT = [0.5 * 1.1**step for step in range(60)]


@pytest.mark.aic
@pytest.mark.parametrize(
    ("mode", "backend", "other"),
    [
        (Mode.AGGREGATED, Backend.VLLM, {}),
        (Mode.AGGREGATED, Backend.SGLANG, {"isl": 300, "osl": 2000}),
        (Mode.DISAGGREGATED, Backend.TRTLLM, {}),
        (Mode.DISAGGREGATED, Backend.SGLANG, {"isl": 9000, "osl": 100, "total_gpus": 8}),
        (Mode.AGGREGATED, Backend.TRTLLM, {"model": "Qwen/Qwen3-30B-A3B", "total_gpus": 2}),
    ],
)
def test_aics_own_sweep_finds_nothing_better(mode: Mode, backend: Backend, other: dict[str, Any]) -> None:
    question = wanted(mode, backend, **other)
    (found,) = asked(partial(search, question))
    theirs = own_sweep(question, TARGETS_TTFT, TARGETS_TPOT)  # its best rows under a ladder of targets
    assert len(theirs) > 20
    better = [row for row in theirs if not any(at_least_as_good(ours, row, question) for ours in found.rows)]
    assert not better


@pytest.mark.aic
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("backend", ["trtllm", "sglang"])
def test_numbers_are_those_of_its_own_sweep(mode: Mode, backend: str) -> None:
    question = wanted(
        mode, Backend(backend), model="Qwen/Qwen3-30B-A3B", system="h200_sxm", usable_gib=129.0, isl=1000, osl=300
    )
    # Only the rows: functions, as `same_tp` is one, do not come back from a worker.
    (estimated,) = asked(partial(eval, "estimate(wanted).rows", {"estimate": estimate_workers, "wanted": question}))
    looked_at = {role: set(map(shape_of, found)) for role, found in estimated.items()}
    swept = own_sweep(question, [1e9], [5, 8, 12, 20, 40])
    rows = [row for row in swept if all(shape(row, PREFIXES[role]) in found for role, found in looked_at.items())]
    assert len(rows) > 5
    for row in rows:
        theirs, mine = beside(row, estimated, mode)
        assert mine == pytest.approx(theirs, rel=1e-3, abs=2e-3)


def beside(row: Row, estimated: dict[Role, list[Row]], mode: Mode) -> tuple[list[float], list[float]]:
    """Return a row of AIC's sweep beside ours for the same parallelisms, batches and counts."""
    prefixes = [PREFIXES[role] for role in estimated]
    ours = [same_worker(row, PREFIXES[role], found) for role, found in estimated.items()]
    numbers = ("ttft", "tpot", "request_rate", "concurrency")
    mine = [ours[0][key] for key in numbers]
    if mode is Mode.DISAGGREGATED:
        prefill, decode = ours
        n, m = row["(p)workers"], row["(d)workers"]
        rate = min(prefill["request_rate"] * n * PREFILL_SHARE, decode["request_rate"] * m * DECODE_SHARE)
        mine = [prefill["ttft"] * QUEUED_TTFT, decode["tpot"], rate, decode["concurrency"] * m]
    theirs = [row[key] for key in numbers] + [row[prefix + "memory"] for prefix in prefixes]
    return theirs, mine + [worker["memory"] for worker in ours]


def shape(row: Row, prefix: str) -> tuple[int, ...]:
    return tuple(row.get(prefix + size, 1) for size in SHAPE)


def same_worker(row: Row, prefix: str, estimated: list[Row]) -> Row:
    """Return the one worker of ours that a row of AIC's is made of."""
    keys = [key for key in (*SHAPE, "bs", "ctx_tokens") if prefix + key in row]
    (found,) = [worker for worker in estimated if all(worker[key] == row[prefix + key] for key in keys)]
    return found


def at_least_as_good(ours: Row, row: Row, question: Search) -> bool:
    """Rows are rounded to three digits, so a rate is known to a thousandth or so."""
    faster = all(ours[key] <= row[key] + 0.001 for key in ("ttft", "tpot"))
    return bool(faster and _served(ours, question) >= _served(row, question) * 0.998)


def _served(row: Row, question: Search) -> float:
    return float(row["request_rate"] * (question.total_gpus // row["num_total_gpus"]))


@pytest.mark.aic
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            {"model": "meta-llama/Meta-Llama-3.1-70B", "system": "a100_sxm", "total_gpus": 1},
            "no aggregated worker of up to 1 GPUs has the mem",
        ),
        # AIC takes the native format; the engine's data for this GPU has no such matrix product.
        ({"model": "deepseek-ai/DeepSeek-R1", "system": "a100_sxm", "total_gpus": 8}, "quant mode"),
    ],
)
def test_search_that_finds_nothing_has_a_reason(other: dict[str, Any], reason: str) -> None:
    (found,) = asked(partial(search, wanted(Mode.AGGREGATED, Backend.VLLM, **other)))
    assert not found.rows
    assert reason in found.reason


@pytest.mark.aic
def test_rows_need_nothing_that_no_flag_can_say() -> None:
    found = asked(*(partial(search, wanted(mode, Backend.SGLANG, system="a100_sxm")) for mode in Mode))
    columns = {"cp", "(p)cp", "(d)cp"}
    assert all(row[column] == 1 for outcome in found for row in outcome.rows for column in columns & row.keys())
    assert all(outcome.rows for outcome in found)


@pytest.mark.aic
@pytest.mark.parametrize("mode", list(Mode))
def test_accepted_drafts_shorten_the_time_between_tokens_by_less_than_their_number(mode: Mode) -> None:
    model = {"model": "deepseek-ai/DeepSeek-V3", "system": "h200_sxm", "usable_gib": 129.0, "total_gpus": 16}
    questions = [wanted(mode, Backend.SGLANG, **model, draft_tokens=drafts) for drafts in (0, 1)]
    plain, drafting = asked(*(partial(search, question) for question in questions))
    fastest = [min(row["tpot"] for row in found.rows) for found in (plain, drafting)]
    assert 1 < fastest[0] / fastest[1] <= 1 + accepted(1)


@pytest.mark.aic
@pytest.mark.parametrize("mode", list(Mode))
def test_number_format_of_the_kv_cache_is_the_one_that_is_wanted(mode: Mode) -> None:
    """Halving the cache leaves room for more requests on the same engine."""
    formats = (KvCacheDtype.AUTO, KvCacheDtype.FP8)
    found = asked(*(partial(search, wanted(mode, Backend.VLLM, kv_cache_dtype=dtype)) for dtype in formats))
    prefix = "" if mode is Mode.AGGREGATED else "(d)"
    assert [{row[f"{prefix}kvcache"] for row in outcome.rows} for outcome in found] == [{"bfloat16"}, {"fp8"}]
    plain, quantised = (max(row[f"{prefix}bs"] for row in outcome.rows) for outcome in found)
    assert quantised > plain


@pytest.mark.aic
def test_every_model_of_the_simulator_has_a_config_that_is_read() -> None:
    (names,) = asked(partial(aic.models))
    assert len(names) > 80
    surveys: list[Survey]
    (surveys,) = asked(
        partial(eval, "[survey(name.lower(), None, None) for name in names]", {"survey": aic.survey, "names": names})
    )
    assert {surveyed.simulated_as for surveyed in surveys} == set(names)
    known = {surveyed.simulated_as: read_config(surveyed.content or {}) for surveyed in surveys}
    assert all(config.context >= 1024 for config in known.values())
    assert known["Qwen/Qwen3-32B"].plain_cache
    for compressed in ("deepseek-ai/DeepSeek-R1", "moonshotai/Kimi-K2.5", "nvidia/Nemotron-H-56B-Base-8K"):
        assert not known[compressed].plain_cache


@pytest.mark.aic
def test_model_of_another_name_and_the_same_shape_is_simulated_as_the_one_that_is_known() -> None:
    (found,) = asked(partial(aic.survey, "Meta-Llama/llama-3.1-8B-instruct", None, "h100_sxm"))
    assert found.simulated_as == "meta-llama/Meta-Llama-3.1-8B"
    assert found.content["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.aic
def test_folder_that_the_simulator_cannot_read_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["MistralForCausalLM"]}')
    (found,) = asked(partial(aic.survey, "acme/private", tmp_path, "h100_sxm"))
    assert found.simulated_as is None
    assert "MistralForCausalLM is not supported" in found.reason


def test_simulator_is_named_by_the_adapter_alone() -> None:
    package = Path(dgdr_controller.__file__).parent
    naming = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant | ast.Import | ast.ImportFrom)
        and any(name in ast.unparse(node).split("\n")[0] for name in ("'aiconfigurator", "aisimulate."))
    }
    assert naming == {"profiler/simulation/aic/package.py", "profiler/simulation/aic/survey.py"}


SIMULATOR = ("aisimulate.sdk.task_v2", "aiconfigurator.sdk.task_v2")


@pytest.mark.aic
def test_workers_find_the_simulator_loaded() -> None:
    (loaded,) = asked(partial(eval, "any(n in __import__('sys').modules for n in names)", {"names": list(SIMULATOR)}))
    assert loaded
