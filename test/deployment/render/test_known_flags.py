"""Against the committed answers of the engines' own parsers; ``make test-engines`` asks the parsers themselves."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from dgdr_api.candidate import Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment import render
from dgdr_controller.deployment.render import mocker
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.deployment.render.planner_settings import CHOICES, KINDS
from hack.engines import known
from hack.engines.__main__ import main
from hack.engines.programs import PROGRAMS, RENDERED, program
from hack.engines.wheels import OLDER
from test.builders.trtllm import TRTLLM_FIELDS


def trtllm_objections(words: Sequence[str]) -> list[str]:
    named = [(name.removeprefix("--trtllm."), value) for name, value in pairwise(words) if name.startswith("--trtllm.")]
    return [
        f"{name} {value}"
        for name, value in named
        if name not in TRTLLM_FIELDS
        or not (value.isdecimal() if (values := TRTLLM_FIELDS[name]) is None else value in values)
    ]


def test_every_rendered_command_line_is_in_the_words_of_its_program(lines: list[Any]) -> None:
    facts = {program.module: known.read(program.module) for program in PROGRAMS}
    objections = {objection for line in lines for objection in facts[line.module].objections(line.words)}
    assert objections == set()
    assert [objection for line in lines for objection in trtllm_objections(line.words)] == []


def test_lines_are_of_every_engine_and_role(lines: list[Any]) -> None:
    seen = {(line.module, line.worker.role if line.worker else None) for line in lines}
    workers = {(f"dynamo.{backend}", role) for backend in ENGINES for role in Role}
    simulated = {("dynamo.mocker", role) for role in Role}
    assert seen == workers | simulated | {("dynamo.frontend", None), ("dynamo.planner", None)}


@pytest.mark.parametrize("backend", ENGINES)
def test_every_flag_of_the_table_is_known_and_takes_a_value_or_not(backend: Backend) -> None:
    flags = known.read(f"dynamo.{backend}").flags
    handed_on = {f"--trtllm.{name}" for name in TRTLLM_FIELDS}
    for flag in ENGINES[backend].flags:
        takes = "one" if flag.name in handed_on else flags[flag.name].values
        assert (flag.value is None) == (takes == "none"), f"{flag.name} takes {takes}"


def test_every_flag_of_the_mocker_is_known_and_takes_a_value_or_not() -> None:
    flags = known.read("dynamo.mocker").flags
    for flag in mocker.ENGINE.flags:
        assert (flag.value is None) == (flags[flag.name].values == "none")


@pytest.mark.parametrize("backend", ENGINES)
def test_flag_that_a_new_version_drops_is_noticed(backend: Backend, lines: list[Any]) -> None:
    facts = known.read(f"dynamo.{backend}")
    words = {word for line in lines if line.module == facts.module for word in line.words}
    used = [word for word in words if word in facts.flags]
    assert len(used) > 5
    for name in used:
        without = replace(facts, flags={key: flag for key, flag in facts.flags.items() if key != name})
        said = {
            objection for line in lines if line.module == facts.module for objection in without.objections(line.words)
        }
        assert said == {f"{name} is not known ({facts.module})"}


@pytest.mark.parametrize(
    ("module", "line", "objection"),
    [
        ("dynamo.vllm", "--max-num-seq 4", "--max-num-seq is not known"),
        ("dynamo.vllm", "--max-num-seqs", "--max-num-seqs takes one of the values (nothing)"),
        ("dynamo.vllm", "--max-num-seqs 4 5", "--max-num-seqs takes one of the values 4 5"),
        ("dynamo.vllm", "--max-num-seqs many", "--max-num-seqs takes int, not many"),
        ("dynamo.vllm", "--enable-expert-parallel 4", "--enable-expert-parallel takes none of the values 4"),
        ("dynamo.vllm", "--gpu-memory-utilization all", "--gpu-memory-utilization takes float, not all"),
        ("dynamo.sglang", "--disaggregation-mode agg", "--disaggregation-mode takes decode, null, prefill, not agg"),
        ("dynamo.sglang", "--tp 4", "--tp is not known"),
        ("dynamo.trtllm", "--trtllm.kv_cache_config.dtype", "takes one of the values (nothing)"),
        ("dynamo.frontend", "--router-mode KV", "not KV"),
    ],
)
def test_flags_that_a_program_would_refuse_are_said(module: str, line: str, objection: str) -> None:
    (said,) = known.read(module).objections(line.split())
    assert objection in said


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("dynamo.vllm", "--served-model-name a b --max-num-seqs 4"),
        ("dynamo.vllm", "--no-enable-prefix-caching --gpu-memory-utilization 0.9"),
        ("dynamo.frontend", "--router-mode kv"),
        ("dynamo.mocker", "--ais-perf-model --ais-attention-dp-size 4 --aic-tp-size 2"),
    ],
)
def test_flags_that_a_program_takes_are_not_objected_to(module: str, line: str) -> None:
    assert known.read(module).objections(line.split()) == []


def test_planner_would_ignore_a_key_that_it_does_not_have() -> None:
    planner = known.read("dynamo.planner")
    assert planner.unknown_keys({"ttft": 500, "itl_ms": 20, "mode": "disagg", "advisory": True}) == []
    assert planner.unknown_keys({"no_operation": True, "isl": 3000, "ttft": 500}) == ["isl", "no_operation"]


def test_settings_that_the_planner_can_be_told_are_its_own() -> None:
    schema = known.read("dynamo.planner").config["schema"]
    kinds, choices = {}, {}
    for name, said in schema["properties"].items():
        (first, *_) = (alternative for alternative in said.get("anyOf", [said]) if alternative.get("type") != "null")
        meant = schema["$defs"][first["$ref"].rpartition("/")[2]] if "$ref" in first else first
        if "enum" in meant:
            choices[name] = tuple(meant["enum"])
        else:
            kinds[name] = meant["type"]
    assert {name: kind for kind, names in KINDS.items() for name in names} == kinds
    assert choices == CHOICES


def test_committed_answers_hold_no_prose_of_others() -> None:
    for path in known.FOLDER.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert '"description"' not in text
        assert '"help"' not in text


def test_flags_come_from_the_versions_that_the_renderer_names() -> None:
    said = render.__doc__ or ""
    vllm, sglang = (known.read(f"dynamo.{name}").packages for name in ("vllm", "sglang"))
    assert f"Dynamo {vllm['ai-dynamo']}" in said
    assert f"vLLM {vllm['vllm']}" in said
    assert f"SGLang {sglang['sglang']}" in said


def test_every_flag_that_is_rendered_is_kept_of_older_releases(lines: list[Any]) -> None:
    written = {(line.module, word) for line in lines for word in line.words if word.startswith("--")}
    assert len(written) > 50
    elsewhere = (
        "--trtllm.",
        "--dyn-",
    )  # no parser knows the former; the latter are written for the newest release alone
    assert [flag for module, flag in written if flag not in RENDERED[module] and not flag.startswith(elsewhere)] == []


@pytest.mark.parametrize("module", [program.module for program in PROGRAMS])
def test_every_flag_that_is_kept_of_older_releases_is_known_to_one(module: str) -> None:
    facts = [known.read(module), *(known.read(module, release.version) for release in OLDER)]
    assert set(RENDERED[module]) == {flag for known in facts for flag in known.flags if flag in RENDERED[module]}


@pytest.mark.parametrize("release", [release.version for release in OLDER])
def test_older_release_has_a_file_for_each_program(release: str) -> None:
    for newest in PROGRAMS:
        facts = known.read(newest.module, release)
        wheels = program(newest.module, release).wheels
        assert facts.packages == {wheel.name: wheel.version for wheel in wheels}
        assert facts.packages["ai-dynamo"] == release
        assert facts.flags.keys() <= set(RENDERED[newest.module])


@pytest.mark.parametrize(
    ("release", "module", "line", "objections"),
    [
        ("1.2.1", "dynamo.sglang", "--cuda-graph-max-bs 4", []),
        ("1.2.1", "dynamo.sglang", "--cuda-graph-max-bs-decode 4", ["--cuda-graph-max-bs-decode is not known"]),
        ("1.2.1", "dynamo.trtllm", "--publish-kv-events", ["--publish-kv-events is not known"]),
        ("1.1.1", "dynamo.trtllm", "--publish-events-and-metrics --trtllm.kv_cache_config.dtype fp8", []),
        ("1.0.2", "dynamo.trtllm", "--trtllm.enable_chunked_prefill true", ["--trtllm.enable_chunked_prefill is not"]),
        ("1.0.2", "dynamo.trtllm", "--override-engine-args {}", []),
        ("1.5.1", "dynamo.mocker", "--aic-perf-model --aic-system h200_sxm --aic-tp-size 4", []),
        ("1.5.1", "dynamo.mocker", "--ais-perf-model", ["--ais-perf-model is not known"]),
        ("1.1.1", "dynamo.mocker", "--engine-type trtllm", ["--engine-type takes sglang, vllm, not trtllm"]),
        ("1.0.2", "dynamo.mocker", "--max-model-len 8192", ["--max-model-len is not known"]),
    ],
)
def test_older_release_takes_its_own_words(release: str, module: str, line: str, objections: list[str]) -> None:
    said = known.read(module, release).objections(line.split())
    assert len(said) == len(objections)
    assert all(part in whole for part, whole in zip(objections, said, strict=True))


@pytest.mark.parametrize(
    ("release", "unknown"),
    [
        ("1.0.2", ["advisory", "optimization_target", "ttft_ms"]),
        ("1.1.1", ["advisory", "ttft_ms"]),
        ("1.2.1", ["no_operation"]),
        ("1.5.1", ["no_operation"]),
    ],
)
def test_planner_of_an_older_release_has_other_keys(release: str, unknown: list[str]) -> None:
    written = ("advisory", "max_gpu_budget", "no_operation", "optimization_target", "ttft", "ttft_ms")
    assert known.read("dynamo.planner", release).unknown_keys(written) == unknown


def test_planner_of_an_older_release_has_the_type_or_the_choices_of_each_key() -> None:
    keys = known.read("dynamo.planner", "1.1.1").config["schema"]["properties"]
    assert keys["optimization_target"] == {"enum": ["throughput", "latency", "sla"]}
    assert (keys["ttft"], keys["model_name"]) == ({"type": "number"}, {"type": "string"})


def test_text_of_an_older_release_has_only_flags_that_may_be_rendered() -> None:
    answer = {"known": [{"name": name, "values": "one", "source": "a.py"} for name in ("--router-mode", "--other")]}
    older, newest = (known.text(program("dynamo.frontend", release), answer) for release in ("1.0.2", "1.6.1"))
    assert ("--router-mode" in older, "--other" in older) == (True, False)
    assert "--other" in newest


def test_release_of_which_nothing_is_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "0.9.0"]) == 1
    assert "No wheels of Dynamo 0.9.0 are named in hack/engines/wheels.py" in capsys.readouterr().err
