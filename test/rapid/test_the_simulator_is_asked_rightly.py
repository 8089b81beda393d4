"""The adapter on the real AIConfigurator, in a worker process as always."""

import ast
import json
import subprocess
import sys
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import pytest

import dgdr_controller
from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler import aic
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.search import Found, Search, Survey
from dgdr_controller.profiler.workers import Answered, WorkerPool


def asked(*questions: partial[Any]) -> list[Any]:
    pool = WorkerPool(preload=aic.PRELOAD)
    answers = {}
    for event in pool.run(call, questions, deadline_s=240):
        if isinstance(event, Answered):
            answers[id(event.item)] = event.answer
    assert len(answers) == len(questions)
    return [answers[id(question)] for question in questions]


def wanted(mode: Mode, backend: Backend = Backend.VLLM, **other: Any) -> Search:
    fields: dict[str, Any] = {
        "model": "meta-llama/Meta-Llama-3.1-8B", "system": "h100_sxm", "backend": backend, "mode": mode,
        "total_gpus": 4, "isl": 4000, "osl": 1000, "ttft": 2000.0, "itl": 30.0, "e2e_latency": None,
    }  # fmt: skip
    return Search(**(fields | other))


def lowest(found: Found, column: str) -> float:
    return min(float(str(row[column])) for row in found.rows)


# Every batch and chunk of every shape, straight from AIC: a ladder of TTFT and ITL targets that shows the lowest rows.
EXHAUSTIVE = """
import json, logging, warnings
logging.disable(logging.WARNING); warnings.simplefilter("ignore")
from aiconfigurator.sdk.task_v2 import Task
ladder = [0.5 * 1.02**step for step in range(225)]
lowest = dict(ttft=1e9, tpot=1e9)
for ttft in (1e9, 30, 50, 80, 120):
    task = Task(serving_mode="agg", model_path="meta-llama/Meta-Llama-3.1-8B", system_name="h100_sxm", total_gpus=4,
                backend_name="{backend}", backend_version="current", isl=4000, osl=1000, ttft=ttft, tpot=ladder,
                pareto_sweep=False, agg_cp_candidates=[1])
    try:
        frame = task.run()
    except RuntimeError:
        continue
    lowest = {{column: min(best, float(frame[column].min())) for column, best in lowest.items()}}
print(json.dumps(lowest))
"""


@pytest.mark.aic
@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG])
def test_the_closest_values_are_the_lowest_that_the_simulator_knows(backend: Backend) -> None:
    (found,) = asked(partial(aic.search, wanted(Mode.AGGREGATED, backend, ttft=0.5, itl=0.1)))
    script = EXHAUSTIVE.format(backend=backend.value)
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    exhaustive = json.loads(printed.stdout.splitlines()[-1])
    assert exhaustive["tpot"] > 1
    for column, value in exhaustive.items():
        assert lowest(found, column) <= value * 1.001


@pytest.mark.aic
def test_a_request_latency_that_some_row_meets_is_met() -> None:
    reachable = wanted(Mode.AGGREGATED, ttft=None, itl=None, e2e_latency=1e9)
    (found,) = asked(partial(aic.search, reachable))
    best = min(float(str(row["ttft"])) + float(str(row["tpot"])) * 999 for row in found.rows)
    tight = wanted(Mode.AGGREGATED, ttft=None, itl=None, e2e_latency=best * 0.99)
    (again,) = asked(partial(aic.search, tight))
    assert any(float(str(row["ttft"])) + float(str(row["tpot"])) * 999 <= best for row in again.rows)


@pytest.mark.aic
def test_no_row_needs_what_no_flag_can_say() -> None:
    found = asked(*(partial(aic.search, wanted(mode, Backend.SGLANG, ttft=20.0)) for mode in Mode))
    columns = {"cp", "(p)cp"}
    assert all(row[column] == 1 for each in found for row in each.rows for column in columns & row.keys())
    assert all(each.rows for each in found)


@pytest.mark.aic
def test_every_model_of_the_simulator_has_a_config_that_is_read() -> None:
    (names,) = asked(partial(aic.models))
    assert len(names) > 80
    surveys: list[Survey] = asked(*(partial(aic.survey, name.lower(), None, None) for name in names))
    assert {each.simulated_as for each in surveys} == set(names)
    known = {each.simulated_as: read_config(each.content or {}) for each in surveys}
    assert all(each.context >= 1024 for each in known.values())
    assert known["Qwen/Qwen3-32B"].kv_values_per_token == 2 * 64 * 8 * 128
    for compressed in ("deepseek-ai/DeepSeek-R1", "moonshotai/Kimi-K2.5", "nvidia/Nemotron-H-56B-Base-8K"):
        assert known[compressed].kv_values_per_token is None


@pytest.mark.aic
def test_a_model_of_another_name_and_the_same_shape_is_simulated_as_the_one_that_is_known() -> None:
    (found,) = asked(partial(aic.survey, "Meta-Llama/llama-3.1-8B-instruct", None, "h100_sxm"))
    assert found.simulated_as == "meta-llama/Meta-Llama-3.1-8B"
    assert found.content["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.aic
def test_what_the_simulator_cannot_read_of_a_folder_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["MistralForCausalLM"]}')
    (found,) = asked(partial(aic.survey, "acme/private", tmp_path, "h100_sxm"))
    assert found.simulated_as is None
    assert "MistralForCausalLM is not supported" in found.reason


def test_nothing_but_the_adapter_names_the_simulator() -> None:
    package = Path(dgdr_controller.__file__).parent
    naming = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant | ast.Import | ast.ImportFrom)
        and any(name in ast.unparse(node).split("\n")[0] for name in ("'aiconfigurator", "aisimulate."))
    }
    assert naming == {"profiler/aic.py"}


@pytest.mark.aic
def test_workers_find_the_simulator_loaded() -> None:
    (loaded,) = asked(partial(eval, "any(n in __import__('sys').modules for n in names)", {"names": list(aic.PRELOAD)}))
    assert loaded
