"""AIPerf's JSON export: what is read of it, and what makes a run one that cannot be compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.errors import InvalidRequestError
from dgdr_controller.profiler.measurement.aiperf import BenchmarkRun, read_export
from test.builders.measurements import export, export_text, metric


def read(**fields: Any) -> BenchmarkRun:
    return read_export(export_text(**fields).encode())


def refused(content: str) -> list[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read_export(content.encode())
    return [str(error) for error in caught.value.errors]


def phases(*loads: dict[str, Any]) -> dict[str, Any]:
    warmup = {"name": "warm", "kind": "warmup", "type": "concurrency", "concurrency": 1, "requests": 2}
    measured = [{"name": f"c{n}", "kind": "profiling", "type": "concurrency", **load} for n, load in enumerate(loads)]
    return {"input_config": {"phases": [warmup, *measured]}}


def test_means_are_read() -> None:
    assert read(ttft=123.0, itl=12.5, tokens_per_s=3900.0, isl=4012.0, osl=998.0, concurrency=48) == BenchmarkRun(
        ttft=123.0,
        itl=12.5,
        tokens_per_s=3900.0,
        isl=4012.0,
        osl=998.0,
        concurrency=48,
        requests=480,
        cached=0.0,
        model="Qwen/Qwen3-32B",
        date="2026-11-30T12:00:00.123456",
    )


def test_what_is_not_needed_may_be_missing() -> None:
    run = read(
        input_config=None, run_info=None, was_cancelled=None, error_summary=None, start_time=None,
        usage_prompt_cache_read_tokens=None, warmup_metrics=None,
    )  # fmt: skip
    assert (run.model, run.date, run.cached) == ("", "", 0.0)


def test_later_versions_of_the_schema_are_read() -> None:
    assert read(schema_version="1.12").requests == 640


@pytest.mark.parametrize("version", [None, "", "1.3", "2.0", "1", "one"])
def test_other_versions_of_the_schema_are_refused(version: str | None) -> None:
    (error,) = refused(export_text(schema_version=version))
    assert error == (
        f'schema_version: Invalid value: "{version or ""}": must be "1.4" or a later 1.x: use AIPerf 0.13 or later'
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Invalid JSON"),
        ("Metric,avg,min\n", "Invalid JSON"),
        ("[]", "Input should be an object"),
        (json.dumps(export(time_to_first_token=7)), "time_to_first_token: Input should be an object"),
        (json.dumps(export(time_to_first_token={"unit": "ms", "avg": "x"})), "time_to_first_token.avg: "),
        (export_text().replace('"avg": 11.0', '"avg": NaN'), "inter_token_latency.avg: Input should be a finite number"),
        (json.dumps(export(time_to_first_token={"unit": "m" * 2000})), "time_to_first_token.unit: String should have at"),
    ],
)  # fmt: skip
def test_other_files_are_no_export(content: str, words: str) -> None:
    (error,) = refused(content)
    assert words in error
    assert error.endswith("no JSON export of AIPerf; expected profile_export_aiperf.json")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"time_to_first_token": None}, "time_to_first_token: Required value: run AIPerf with --streaming"),
        ({"inter_token_latency": None}, "inter_token_latency: Required value: run AIPerf with --streaming"),
        (
            {"request_count": None},
            "request_count: Required value: expected an export of AIPerf's profile command",
        ),
        ({"request_latency": {"unit": "ms"}}, "request_latency.avg: Required value: expected an export of AIPerf's"),
        ({"time_to_first_token": metric("sec", 0.1)}, 'time_to_first_token.unit: Invalid value: "sec": must be "ms"'),
        (
            {"output_token_throughput": metric("tokens/sec/user", 80.0)},
            'output_token_throughput.unit: Invalid value: "tokens/sec/user": must be "tokens/sec"',
        ),
        ({"inter_token_latency": metric("ms", 0.0)}, "inter_token_latency.avg: Invalid value: 0.0: must be more than 0"),
        ({"was_cancelled": True}, "was_cancelled: Invalid value: true: the run was cancelled: let it end"),
        (
            {"is_complete": False, "incomplete_reason": "stalled"},
            "is_complete: Invalid value: false: the run did not end as planned (stalled): measure again",
        ),
        (
            {
                "error_request_count": {"unit": "requests", "avg": 32.0},
                "error_summary": [{"error_details": {"code": 503, "message": "no worker"}, "count": 32}],
            },
            "error_request_count.avg: Invalid value: 32.0: requests failed (no worker): mend that and measure again",
        ),
    ],
)  # fmt: skip
def test_run_that_cannot_be_compared_is_refused_with_the_field(changes: dict[str, Any], error: str) -> None:
    (found,) = refused(export_text(**changes))
    assert found.startswith(error)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    errors = refused(export_text(time_to_first_token=None, was_cancelled=True, request_latency=metric("sec", 11.0)))
    assert [error.partition(":")[0] for error in errors] == [
        "time_to_first_token",
        "request_latency.unit",
        "was_cancelled",
    ]


def test_load_is_the_one_that_was_asked_for() -> None:
    assert read(concurrency=32).concurrency == 32


def test_load_of_one_is_aiperfs_default_which_it_does_not_write() -> None:
    assert read(**phases({"requests": 640})).concurrency == 1


@pytest.mark.parametrize("changes", [{"input_config": None}, phases({"type": "poisson", "rate": 5.0})])
def test_load_is_otherwise_what_was_in_flight(changes: dict[str, Any]) -> None:
    assert read(concurrency=32, **changes).concurrency == pytest.approx(32)


LOADS = [{"concurrency": c, "requests": 10 * c} for c in (8, 32, 64)]


def test_export_of_one_phase_among_others_is_known_by_its_requests() -> None:
    """Each phase's own file has the whole configuration."""
    assert read(concurrency=32, **phases(*LOADS)).concurrency == 32


def test_phases_of_as_many_requests_are_told_apart_by_what_was_in_flight() -> None:
    loads = [{"concurrency": c, "requests": 320} for c in (8, 32)]
    assert read(concurrency=32, **phases(*loads)).concurrency == pytest.approx(32)


@pytest.mark.parametrize("requests", [1040.0, 2.0])
def test_export_of_several_phases_or_of_a_warmup_is_refused(requests: float) -> None:
    (error,) = refused(export_text(request_count={"unit": "requests", "avg": requests}, **phases(*LOADS)))
    assert error == (
        f"request_count.avg: Invalid value: {requests}: must be that of a measured phase (80, 320, 640): use "
        "phases/<name>/profile_export_aiperf.json of one of them, not of a warm-up"
    )


def test_export_of_aiperf_itself_is_read() -> None:
    """Of AIPerf 0.13.0 in front of a stand-in for an engine; metrics that nobody reads are left out of the file."""
    run = read_export((Path(__file__).parent / "aiperf-0.13.0.json").read_bytes())
    assert (run.ttft, run.itl, run.tokens_per_s) == pytest.approx((61.226, 11.623, 608.316), abs=0.001)
    assert (run.isl, run.osl, run.concurrency, run.requests, run.cached) == (1010, 50, 8, 80, 0)
    assert (run.model, run.date) == ("m", "2026-11-30T13:06:41.171487")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(export())), JSON, max_size=4))
def test_any_json_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        run = read_export(json.dumps(export() | changes).encode())
    except InvalidRequestError:
        return
    assert min(run.ttft, run.itl, run.tokens_per_s, run.isl, run.osl, run.concurrency) > 0
