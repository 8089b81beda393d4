"""Which measurements count: everything that can be checked adds up."""

import json
from typing import Any

import pytest

from dgdr_controller.profiler.measurement.acceptance import (
    AcceptedRun,
    Clocks,
    NotAcceptedError,
    Phase,
    accept,
    point_of,
    read_manifest,
)
from dgdr_controller.profiler.measurement.aiperf import read_export
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from test.builders.measurements import export_text

LOAD = Load(concurrency=64, requests=640, warmup=16)
NS = 1_000_000_000
NOON = 1_800_000_000 * NS
CLOCKS = Clocks(NOON, NOON + 200 * NS, 200.0)


def phase(**fields: Any) -> Phase:
    known = {"phase_name": "load-64", "start_ns": NOON + 10 * NS, "end_ns": NOON + 190 * NS, "total_request_count": 640}
    return Phase.model_validate(known | fields)


def accepted(*, answer: int = 1000, found: Phase | None = None, clocks: Clocks = CLOCKS, text: str | None = None, **fields: Any) -> AcceptedRun:  # fmt: skip
    endpoint = Endpoint(url="http://f", model="m", tokenizer="m", isl=4000, osl=answer)
    content = export_text(**fields) if text is None else text
    return accept(LOAD, endpoint, found or phase(), content.encode(), clocks)


def reason(**fields: Any) -> str:
    with pytest.raises(NotAcceptedError) as caught:
        accepted(**fields)
    return str(caught.value)


def test_run_that_adds_up_counts() -> None:
    found = accepted(ttft=120.0, itl=11.0)
    assert (found.run.ttft, found.run.itl, found.run.requests, found.seconds) == (120.0, 11.0, 640, 180.0)


def test_answer_of_one_token_has_no_time_between_tokens() -> None:
    found = accepted(answer=1, osl=1.0, inter_token_latency=None)
    assert found.run.itl == 0.0


def test_failed_requests_are_counted_with_the_first_reason() -> None:
    summary = [{"error_details": {"code": 500, "message": "CUDA out\nof memory"}, "count": 32}]
    failing = phase(error_request_count=32, error_summary=summary)
    assert reason(found=failing) == (
        "32 of 640 requests failed, the first with HTTP 500: CUDA out of memory; see to the endpoint and measure again"
    )


@pytest.mark.parametrize("end", [0, 1, 100, -3])
def test_export_that_is_half_written_does_not_count(end: int) -> None:
    assert "no JSON export of AIPerf" in reason(text=export_text()[:end])


def test_streams_without_usage_do_not_count() -> None:
    none = {"input_sequence_length": None, "output_sequence_length": None, "output_token_throughput": None}
    assert reason(**none, inter_token_latency=None).startswith(
        "the endpoint does not count tokens: its streams have no usage"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"was_cancelled": True}, "the run was cancelled"),
        ({"is_complete": False, "incomplete_reason": "Stopped."}, "the run did not end as planned (Stopped.)"),
        ({"request_count": {"unit": "requests", "avg": 4.0}}, "use phases/<name>/profile_export_aiperf.json"),
        ({"isl": 4401.0}, "prompts had 4401 tokens where 4000 were asked for: name the tokenizer"),
        ({"isl": 3000.0}, "prompts had 3000 tokens where 4000 were asked for: name the tokenizer"),
        ({"osl": 999.99}, "answers had 999.99 tokens where 1000 were asked for: the endpoint does not follow ignore_eos"),
        ({"usage_prompt_cache_read_tokens": {"unit": "tokens", "avg": 3800.0}}, "3800 of the 4010 tokens of each prompt were in the prefix cache"),
        ({"tokens_per_s": 4000.0}, "64 requests in flight with this TTFT and ITL make 5760 tokens/s, and 4000 were measured"),
    ],
)  # fmt: skip
def test_run_that_does_not_add_up_does_not_count(fields: dict[str, Any], words: str) -> None:
    assert words in reason(**fields)


def test_requests_of_another_number_do_not_count() -> None:
    phases = {"phases": [{"name": "load-64", "kind": "profiling", "type": "concurrency", "requests": 320}]}
    fewer = {"request_count": {"unit": "requests", "avg": 320.0}, "input_config": phases}
    assert reason(**fewer) == "320 of 640 requests were measured; measure again"


@pytest.mark.parametrize("jump_s", [-3600, -1, 1, 3600])
def test_clock_that_jumped_makes_a_run_worthless(jump_s: int) -> None:
    jumped = Clocks(NOON, NOON + (200 + jump_s) * NS, 200.0)
    assert reason(clocks=jumped) == (
        f"the clock of this machine jumped by {jump_s} s during the measurement; measure again once it is set"
    )


def test_clock_that_is_slewed_has_not_jumped() -> None:
    assert accepted(clocks=Clocks(NOON, NOON + int(200.6 * NS), 200.0))


@pytest.mark.parametrize(("start_s", "end_s"), [(-2, 190), (10, 202), (190, 10)])
def test_phase_of_another_time_does_not_count(start_s: int, end_s: int) -> None:
    other = phase(start_ns=NOON + start_s * NS, end_ns=NOON + end_s * NS)
    assert reason(found=other).startswith("the load was measured at another time than AIPerf ran")


@pytest.mark.parametrize("field", ["start_ns", "end_ns"])
def test_phase_without_an_end_does_not_count(field: str) -> None:
    assert reason(found=phase(**{field: None})).startswith("the load was not measured to its end")


def test_manifest_has_phases_by_name() -> None:
    entries = [{"phase_name": "load-1", "start_ns": 1, "metrics_json": "a.json", "new": 1}, {"phase_name": "load-8"}]
    found = read_manifest(json.dumps({"phases": entries}).encode())
    assert (list(found), found["load-1"].metrics_json) == (["load-1", "load-8"], "a.json")


@pytest.mark.parametrize("text", ["", '{"phases": [{"phase_na', "[]", "{}"])
def test_manifest_that_is_half_written_does_not_count(text: str) -> None:
    with pytest.raises(NotAcceptedError, match=r"phase_manifest\.json is not complete"):
        read_manifest(text.encode())


def test_point_is_the_median_of_its_runs() -> None:
    runs = [
        AcceptedRun(read_export(export_text(ttft=ttft, itl=10.0, tokens_per_s=throughput).encode()), 60.0)
        for ttft, throughput in ((100.0, 6000.0), (400.0, 5700.0), (120.0, 6300.0))
    ]
    point = point_of("t", LOAD, runs)
    assert (point.trial, point.concurrency, point.ttft, point.itl) == ("t", 64, 120.0, 10.0)
    assert (point.tokens_per_s, point.request_rate) == (6000.0, 6.0)
    assert (point.requests, point.runs, point.seconds) == (1920, 3, 180.0)
    assert point.spread == pytest.approx(0.1)
