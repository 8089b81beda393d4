"""Endpoints measured by AIPerf: Dynamo's frontend with an engine whose times are known, and endpoints that misbehave."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.benchmark import BenchmarkProgress, Rejected, measure
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from dgdr_controller.profiler.measurement.kv_capacity import kv_tokens
from test.builders.misbehaving_endpoint import Answer, misbehaving_endpoint
from test.builders.sessions import members, sessions_of
from test.builders.simulated_endpoint import MODEL, TIMING, Simulated, aiperf, free_port, simulated_endpoint

ISL, OSL = 500, 40
ONE, EIGHT = Load(1, 10, 2), Load(8, 32, 8)
Found = list[MeasuredPoint | Rejected]


@pytest.fixture(scope="module", autouse=True)
def program() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DGDR_AIPERF", aiperf())
        patch.setenv("HF_HUB_OFFLINE", "1")  # with which AIPerf by itself refuses the folder of a tokenizer
        yield


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with simulated_endpoint(tmp_path_factory.mktemp("simulated")) as served:
        yield served


def endpoint(simulated: Simulated, url: str = "", model: str = MODEL) -> Endpoint:
    return Endpoint(url=url or simulated.url, model=model, tokenizer=str(simulated.tokenizer), isl=ISL, osl=OSL)


@pytest.fixture(scope="module")
def seen() -> list[BenchmarkProgress]:
    return []


@pytest.fixture(scope="module")
def points(
    simulated: Simulated, seen: list[BenchmarkProgress], tmp_path_factory: pytest.TempPathFactory
) -> list[MeasuredPoint]:
    """Two loads, measured twice."""
    found: list[MeasuredPoint | Rejected] = []
    for seed in (1, 101, 201):
        seen.clear()
        found = measure(
            endpoint(simulated), [ONE, EIGHT], trial="t", folder=tmp_path_factory.mktemp("points"), deadline_s=600,
            runs=2, seed=seed, on_progress=seen.append,
        )  # fmt: skip
        points = [point for point in found if isinstance(point, MeasuredPoint) and point.runs == 2]
        if len(points) == len(found):
            return points
        # Other tests use this machine: a load that was not steady is to be measured again.
        assert all("not steady" in point.reason for point in found if isinstance(point, Rejected)), found
    pytest.fail(f"no steady load: {found}")


def test_endpoint_is_measured_as_its_surface_says(points: list[MeasuredPoint]) -> None:
    one, eight = points
    prefill_ms = TIMING.prefill_ms + TIMING.prefill_ms_per_token * ISL
    # Of a busy machine: what is measured is never faster, and seldom much slower.
    assert prefill_ms * 0.95 <= one.ttft <= prefill_ms * 3
    assert TIMING.decode_ms * 0.95 <= one.itl <= TIMING.decode_ms * 1.6
    assert eight.ttft >= prefill_ms * 1.5  # prompts that come together wait for each other
    assert TIMING.decode_ms * 0.95 <= eight.itl <= TIMING.decode_ms * 3
    assert eight.tokens_per_s > one.tokens_per_s * 2


def test_first_tokens_alone_are_measured(simulated: Simulated, tmp_path: Path) -> None:
    asked = replace(endpoint(simulated), osl=1)
    (found,) = measure(asked, [Load(1, 20, 1)], trial="t", folder=tmp_path, deadline_s=300, seed=7)
    assert isinstance(found, MeasuredPoint), found
    prefill_ms = TIMING.prefill_ms + TIMING.prefill_ms_per_token * ISL
    assert prefill_ms * 0.95 <= found.ttft <= prefill_ms * 3
    assert found.itl == 0


def test_cache_of_an_engine_is_known(simulated: Simulated) -> None:
    assert kv_tokens(simulated.url) == 16384 * 64


def test_point_says_what_it_rests_on(points: list[MeasuredPoint]) -> None:
    assert [(point.trial, point.concurrency, point.requests, point.runs) for point in points] == [
        ("t", 1, 20, 2),
        ("t", 8, 64, 2),
    ]
    for point in points:
        assert point.request_rate == pytest.approx(point.tokens_per_s / OSL)
        assert 0 < point.spread < 1
        assert 0 < point.seconds < 120


def test_progress_names_run_and_load_and_counts_requests(
    points: list[MeasuredPoint], seen: list[BenchmarkProgress]
) -> None:
    assert points
    assert [progress.run for progress in seen if progress.load is None] == [1, 2]
    for run in (1, 2):
        counted = [(p.load, p.completed) for p in seen if p.run == run and p.load is not None]
        assert list(dict.fromkeys(load for load, _ in counted)) == [ONE, EIGHT]
        assert counted == sorted(counted, key=lambda found: (found[0].concurrency, found[1]))
        assert max(completed for load, completed in counted if load == ONE) <= ONE.requests


@pytest.fixture(scope="module")
def rejections(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Measurements of endpoints that misbehave, at once: AIPerf mostly starts and waits."""
    load = Load(2, 10, 1)
    misbehaving = [Load(concurrency, 10, 1) for concurrency in (1, 2, 3, 4)]
    answers = ((11, Answer.WHOLE), (11, Answer.WITHOUT_USAGE), (11, Answer.SHORT), (6, Answer.WHOLE), (1, Answer.ERROR))

    def found(name: str, measured: Endpoint, *loads: Load) -> Found:
        folder = tmp_path_factory.mktemp(name)
        return measure(measured, loads, trial="t", folder=folder, deadline_s=600, seed=2)

    with misbehaving_endpoint(*answers, prompt_tokens=ISL) as url, ThreadPoolExecutor(3) as pool:
        down = f"http://127.0.0.1:{free_port()}"
        running = {
            "misbehaving": pool.submit(found, "misbehaving", endpoint(simulated, url), *misbehaving),
            "down": pool.submit(found, "down", endpoint(simulated, down), load),
            "model": pool.submit(found, "model", endpoint(simulated, model="other"), load),
        }
        return {name: future.result() for name, future in running.items()}


def test_load_is_measured_beside_loads_that_are_rejected(rejections: dict[str, Found]) -> None:
    assert isinstance(rejections["misbehaving"][0], MeasuredPoint), rejections


def test_streams_without_usage_are_rejected(rejections: dict[str, Found]) -> None:
    found = rejections["misbehaving"][1]
    assert isinstance(found, Rejected)
    assert found == Rejected(
        concurrency=2,
        reason="the endpoint does not count tokens: its streams have no usage; measure an endpoint that follows "
        "stream_options.include_usage",
    )


def test_answers_of_another_length_are_rejected(rejections: dict[str, Found]) -> None:
    found = rejections["misbehaving"][2]
    assert isinstance(found, Rejected)
    assert found.reason.startswith("answers had 39 tokens where 40 were asked for")


def test_server_errors_are_rejected_and_counted(rejections: dict[str, Found]) -> None:
    found = rejections["misbehaving"][3]
    assert isinstance(found, Rejected)
    assert found.reason.startswith("5 of 10 requests failed, the first with HTTP 500: ")
    assert "out of memory" in found.reason


def test_endpoint_that_is_down_is_rejected(rejections: dict[str, Found]) -> None:
    (found,) = rejections["down"]
    assert isinstance(found, Rejected)
    assert found.reason.startswith("no request succeeded, the first failed with ClientConnectorError")
    assert f"see that the endpoint serves model {MODEL} at http://127.0.0.1:" in found.reason


def test_model_that_is_not_served_is_rejected(rejections: dict[str, Found]) -> None:
    (found,) = rejections["model"]
    assert isinstance(found, Rejected)
    assert "failed with HTTP 404: " in found.reason
    assert "serves model other" in found.reason


def test_aiperf_that_is_killed_is_rejected_and_leaves_nothing(simulated: Simulated, tmp_path: Path) -> None:
    before = set(sessions_of(os.getpid()))

    def kill() -> int:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            for session in set(sessions_of(os.getpid())) - before:
                if len(members(session)) > 3:  # it has started processes of its own
                    os.kill(session, signal.SIGKILL)
                    return session
            time.sleep(0.05)
        raise AssertionError("AIPerf was not started")

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        (found,) = measure(endpoint(simulated), [ONE], trial="t", folder=tmp_path, deadline_s=300, seed=3)
        assert isinstance(found, Rejected)
        assert found.reason.startswith("AIPerf was killed by SIGKILL")
        assert members(killing.result()) == []


def test_deadline_is_a_rejection(simulated: Simulated, tmp_path: Path) -> None:
    (found,) = measure(endpoint(simulated), [ONE], trial="t", folder=tmp_path, deadline_s=1, runs=3, seed=3)
    assert isinstance(found, Rejected)
    assert found.reason.startswith("AIPerf did not end within 1")
    assert [path.name for path in tmp_path.iterdir()] == ["run-1"]


def test_exports_of_an_earlier_run_are_not_taken_for_this_ones(
    simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "aiperf"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    monkeypatch.setenv("DGDR_AIPERF", str(script))
    earlier = tmp_path / "run-1" / "exports"
    earlier.mkdir(parents=True)
    (earlier / "phase_manifest.json").write_text('{"phases": []}')
    (found,) = measure(endpoint(simulated), [ONE], trial="t", folder=tmp_path, deadline_s=9, seed=3)
    assert isinstance(found, Rejected)
    assert found.reason.startswith("AIPerf ended with exit code 0 and without results")
