import base64
import gzip
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_controller.kinds import CONFIG_MAPS, ConfigMap
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import File, Output, TooLargeError, data, files, pack, read, without_content
from dgdr_controller.profiling_job.protocol import RunState, RunStatus

KEYS = ("phase", "message", "profiler_status", "profiler_error", "profiler_exit_code", "progress", "job_uid", "inputs")
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
RUNS = st.builds(
    RunStatus,
    status=st.sampled_from(RunState),
    phase=WORDS,
    message=WORDS,
    error=WORDS,
    exit_code=st.none() | st.integers(0, 255),
    completed=st.integers(0, 10_000),
    total=st.integers(0, 10_000),
)


def stored(data_: dict[str, str], binary: dict[str, str] | None = None) -> ConfigMap:
    """Return a ConfigMap as it comes from the API server."""
    manifest: dict[str, Any] = {"metadata": {"name": "dgdr-output-a"}, "data": data_, "binaryData": binary or {}}
    return CONFIG_MAPS.decode(msgspec.json.encode(manifest))


def read_again(published: Output) -> Output | None:
    content = data(published)
    return read(stored(content["data"], content["binaryData"]))


@given(run=RUNS, job=WORDS, inputs=WORDS, packed=st.binary(max_size=100).map(pack) | st.none())
def test_output_is_read_as_it_was_written(run: RunStatus, job: str, inputs: str, packed: str | None) -> None:
    published = Output(job, inputs, run, packed)
    assert read_again(published) == published


@given(run=RUNS, packed=st.binary(max_size=100).map(pack) | st.none())
def test_cache_keeps_that_there_are_results_and_not_the_results(run: RunStatus, packed: str | None) -> None:
    published = Output("uid", "hash", run, packed)
    content = data(published)
    kept = without_content({"metadata": {"name": "dgdr-output-o"}, **content})
    seen = read(stored(kept["data"], kept["binaryData"]))
    assert seen == replace(published, packed="" if packed else None)
    assert seen.has_results is (packed is not None)


def test_cache_keeps_no_input_and_all_that_deployments_mount() -> None:
    made = {"metadata": {"name": "i"}, "data": {"input.json": "{}"}, "immutable": True}
    assert without_content(made) == made | {"data": {}, "binaryData": {}}
    mounted = {"metadata": {"name": "planner-config-1"}, "data": {"planner_config.json": "{}"}}
    assert without_content(mounted) == mounted | {"binaryData": {}}


def test_cache_keeps_none_of_the_files_beside_the_results() -> None:
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="")
    content = data(Output("uid", "hash", run, pack(b"{}")))
    beside = {"final_config.yaml": "kind: A", "prefill_raw_data.json": "{}", "left_out": "x"}
    found = {"metadata": {"name": "dgdr-output-a"}, **content, "data": content["data"] | beside}
    assert without_content(found)["data"] == content["data"]


def test_files_that_do_not_fit_beside_the_results_are_told_of() -> None:
    small, large = File("a.yaml", "a" * 1000, "annotation x"), File("b.json", "ü" * 520_000, "ConfigMap y")
    assert files([small, large], "") == {
        "a.yaml": small.content,
        "left_out": "b.json (1040000 bytes) does not fit into this ConfigMap; ConfigMap y holds it",
    }
    assert files([small], "A" * 900 * 1024) == {"a.yaml": small.content}
    assert list(files([large, small], "A" * 900 * 1024)) == ["a.yaml", "left_out"]


@given(sizes=st.lists(st.integers(0, 700_000), max_size=4), packed=st.integers(0, 900 * 1024))
def test_config_map_never_exceeds_its_limit(sizes: list[int], packed: int) -> None:
    wanted = [File(f"f{number}", "x" * size, "somebody") for number, size in enumerate(sizes)]
    found = files(wanted, "A" * packed)
    assert sum(map(len, found.values())) + packed <= 1024 * 1024
    missing = found.get("left_out", "")
    assert all((file.name in found) != (f"{file.name} (" in missing) for file in wanted)


def test_keys_of_upstream_are_there() -> None:
    run = RunStatus(status=RunState.RUNNING, phase="SweepingDecode", message="vllm", completed=1, total=3)
    content = data(Output("uid", "hash", run))
    assert content["data"] == {
        "phase": "SweepingDecode",
        "message": "vllm",
        "profiler_status": "running",
        "profiler_error": "",
        "profiler_exit_code": "",
        "progress": '{"completed": 1, "total": 3, "message": "vllm"}',
        "job_uid": "uid",
        "inputs": "hash",
    }
    assert content["binaryData"] == {}


@pytest.mark.parametrize("found", [{}, {"phase": "x"}, {"profiler_status": ""}, {"profiler_status": "RUNNING"}])
def test_config_map_without_our_keys_holds_no_output(found: dict[str, str]) -> None:
    assert read(stored(found)) is None


@given(
    found=st.dictionaries(st.sampled_from(KEYS), WORDS),
    status=st.sampled_from(RunState),
    progress=st.sampled_from(
        [
            '{"completed": null}',
            '{"completed": "x", "total": []}',
            '{"completed": 1e400, "total": {}}',
            '{"completed": -1, "total": -5}',
            '{"completed": 99999999999999}',
            '{"completed": NaN, "total": Infinity}',
            '{"completed": true}',
            "[" * 100_000,
            "1" * 5000,
            "null",
            "",
        ]
    ),
    code=st.sampled_from(["", "-1", "1.5", "²", "٣", "9" * 5000, "0x10"]),
)
def test_junk_is_read_as_far_as_it_makes_sense(found: dict[str, str], status: str, progress: str, code: str) -> None:
    junk = found | {"profiler_status": status, "progress": progress, "profiler_exit_code": code}
    told = read(stored(junk))
    assert told is not None
    assert 0 <= told.run.completed < 2**31
    assert 0 <= told.run.total < 2**31


@given(
    packed=st.text(max_size=60)
    | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode())
    | st.binary(max_size=60).map(pack)
    | st.sampled_from(['{"a": 1}', "[]", "null", "[" * 100_000]).map(lambda text: pack(text.encode()))
)
def test_junk_instead_of_results_is_a_value_error_and_no_other(packed: str) -> None:
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="")
    with pytest.raises(ValueError, match="the published results cannot be read"):
        Output("uid", "hash", run, packed).results()


def test_stream_that_breaks_in_the_middle_is_a_value_error() -> None:
    whole = bytearray(gzip.compress(bytes(range(256)) * 50))
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="")
    for at in range(10, len(whole), 7):
        broken = bytes(whole[:at]) + bytes(255 - byte for byte in whole[at:])
        with pytest.raises(ValueError, match="the published results cannot be read"):
            Output("uid", "hash", run, base64.b64encode(broken).decode()).results()


def test_bomb_is_not_unpacked_wholly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_UNPACKED_LIMIT", 1000)
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="")
    with pytest.raises(ValueError, match="the published results cannot be read"):
        Output("uid", "hash", run, pack(b" " * 10_000_000 + b"{}")).results()


def test_results_that_do_not_fit_into_a_config_map_are_not_tried() -> None:
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="")
    assert data(Output("uid", "hash", run, "A" * 900 * 1024))["binaryData"]
    with pytest.raises(TooLargeError, match="do not fit into a ConfigMap"):
        data(Output("uid", "hash", run, "A" * (900 * 1024 + 1)))


def test_results_pack_to_the_same_text_each_time() -> None:
    assert pack(b"{}") == pack(b"{}")
