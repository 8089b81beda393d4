"""The commands of the documents that plan without a cluster, page by page, in their order, in one terminal each."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dgdr_api.results import Results
from e2e.terminal import Done, Terminal
from hack.commands import PLANNING, Block, blocks, files, missing_lines

pytestmark = pytest.mark.aic

MODEL = {
    "architectures": ["MistralForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 32000,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 32768,
}  # fmt: skip
MODELS = ("my-model", "models/private")
"""Folders of models of one's own, as the pages name them."""


def _hardware_is_replaced(_: Terminal, __: Block, done: Done) -> None:
    assert " on 16 × h100_sxm" in done.stdout
    assert "--gpu-sku h100_sxm replaces spec.hardware.gpuSku h200_sxm\n" in done.stdout


def _explained(_: Terminal, block: Block, done: Done) -> None:
    assert missing_lines(block.output, done.stdout) == []


def _page(terminal: Terminal, _: Block, __: Done) -> None:
    assert "<html" in (terminal.folder / "qwen3-32b.html").read_text(encoding="utf-8")


def _own_model(_: Terminal, block: Block, done: Done) -> None:
    model = "acme/private" if "private-models" not in block.page else "my-company/my-model"
    assert f"{model} on 8 × h200_sxm" in done.stdout


def _deployed_and_measured(terminal: Terminal, _: Block, __: Done) -> None:
    """Leave what AIPerf would: a little slower than the plan says."""
    results = Results.model_validate_json((terminal.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert results.choice is not None
    numbers = results.choice.numbers
    load = {"concurrency": round(numbers.concurrency), "requests": 10 * round(numbers.concurrency)}
    metrics = {
        "time_to_first_token": ("ms", numbers.ttft * 1.2),
        "inter_token_latency": ("ms", numbers.itl * 1.1),
        "request_latency": ("ms", numbers.e2e * 1.1),
        "request_throughput": ("requests/sec", numbers.request_rate * 0.9),
        "request_count": ("requests", load["requests"]),
        "output_token_throughput": ("tokens/sec", numbers.tokens_per_s * 0.9),
        "input_sequence_length": ("tokens", results.goal.isl + 10),
        "output_sequence_length": ("tokens", results.goal.osl),
    }
    export = {
        "schema_version": "1.4",
        "input_config": {"phases": [{"name": "profiling", "kind": "profiling", "type": "concurrency", **load}]},
        **{name: {"unit": unit, "avg": mean} for name, (unit, mean) in metrics.items()},
    }
    (terminal.folder / "artifacts").mkdir()
    path = terminal.folder / "artifacts" / "profile_export_aiperf.json"
    path.write_text(json.dumps(export), encoding="utf-8")


def _kept(terminal: Terminal, block: Block, done: Done) -> None:
    _explained(terminal, block, done)
    assert (terminal.folder / "measurements.yaml").exists()


CHECKS: Mapping[str, Callable[[Terminal, Block, Done], None]] = {
    "--gpu-sku h100_sxm": _hardware_is_replaced,
    "--explain": _explained,
    "--report qwen3-32b.html": _page,
    "--model-cache weights": _own_model,
    "my-model.yaml -o out": _deployed_and_measured,
    "--results out/results.json": _explained,
    "--measurements measurements.yaml": _kept,
}
"""What is asserted of a block that has these words: of every one here."""


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    terminal = Terminal(tmp_path, variables)
    terminal.prepare()
    for name in MODELS:
        folder = tmp_path / "weights" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(MODEL), encoding="utf-8")
        with (folder / "model.safetensors").open("wb") as file:
            file.truncate(14 * 2**30)  # takes no space on the disk
    return terminal


@pytest.mark.parametrize("page", PLANNING, ids=lambda page: page.stem)
def test_plans_of_a_page_are_right(terminal: Terminal, page: Path) -> None:
    terminal.write(files(page))
    for block in blocks(page):
        if block.script and not block.needs_cluster:
            done = terminal.run(block.script)
            checks = [check for words, check in CHECKS.items() if words in block.script]
            assert checks, f"nothing is asserted of {block.script}"
            for check in checks:
                check(terminal, block, done)
