"""`dgdr measure`: a real endpoint measured at a request's lengths, and what cannot be measured."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from dgdr_api.trials import MeasuredPoint
from test.builders.misbehaving_endpoint import Answer, misbehaving_endpoint
from test.builders.sessions import members, sessions_of
from test.builders.simulated_endpoint import MODEL, Simulated, aiperf, free_port, simulated_endpoint

WORKLOAD = {"isl": 200, "osl": 40}
TRIES = 4


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with simulated_endpoint(tmp_path_factory.mktemp("simulated")) as served:
        yield served


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGDR_AIPERF", aiperf())


def test_endpoint_is_measured_and_compared_with_the_targets(
    dgdr: Any, write: Any, simulated: Simulated, tmp_path: Path
) -> None:
    file = write(workload=WORKLOAD, sla={"ttft": 600_000, "itl": 1})
    for tries in itertools.count(1):
        run = dgdr(
            "measure", "-f", file, "--endpoint", f"{simulated.url}/v1/", "--tokenizer", str(simulated.tokenizer),
            "--concurrency", "4", "--concurrency", "2", "-o", "points.json", "--output-dir", "kept",
        )  # fmt: skip
        if run.returncode == 0:
            break
        # Other tests use this machine: a load that was not steady is to be measured again.
        assert "the load was not steady" in run.stderr, run.stderr
        assert tries < TRIES, run.stderr
    title, header, *rows = run.stdout.splitlines()
    assert title == f"{MODEL} at {simulated.url}: 200 input and 40 output tokens"
    assert header.split() == ["in", "flight", "TTFT", "ms", "ITL", "ms", "tokens/s", "tokens/s/user", "requests", "spread", "targets"]  # fmt: skip
    assert [row.split()[0] for row in rows] == ["2", "4"]
    assert all(" misses ITL " in row and row.endswith(" > 1 ms") for row in rows)
    assert run.stderr.splitlines() == ["starting AIPerf", "measuring 2 in flight", "measuring 4 in flight"]
    points = TypeAdapter(list[MeasuredPoint]).validate_json((tmp_path / "points.json").read_text())
    assert [(point.trial, point.concurrency, point.requests) for point in points] == [
        ("small", 2, 26),
        ("small", 4, 52),
    ]
    kept = tmp_path / "kept" / f"run-{tries}"
    assert {path.name for path in kept.iterdir()} == {"aiperf.yaml", "aiperf.log", "exports"}
    export = json.loads((kept / "exports" / "phases" / "load-4" / "profile_export_aiperf.json").read_text())
    assert export["time_to_first_token"]["avg"] == points[1].ttft


def test_endpoint_that_is_down_can_be_measured_later(dgdr: Any, write: Any) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    run = dgdr("measure", "-f", write(), "--endpoint", url)
    assert run.returncode == 75
    assert run.stderr.startswith(f"Error: {url} cannot be reached: ")
    assert run.stderr.endswith("; see that the frontend runs and can be reached from here\n")


def test_model_that_is_not_served_is_named_with_those_that_are(dgdr: Any, write: Any) -> None:
    with misbehaving_endpoint((1, Answer.WHOLE), prompt_tokens=1) as url:
        run = dgdr("measure", "-f", write(), "--endpoint", url, "--model", "other")
    assert run.returncode == 65
    assert run.stderr == f'Error: --model: Not found: "other": {url} serves {MODEL}: choose one with --model\n'


def test_load_that_is_rejected_is_an_error_with_its_reason(
    dgdr: Any, write: Any, simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing").write_text("#!/bin/sh\necho no space left\nexit 1\n")
    (tmp_path / "failing").chmod(0o755)
    monkeypatch.setenv("DGDR_AIPERF", str(tmp_path / "failing"))
    run = dgdr("measure", "-f", write(workload={"concurrency": 2.5}), "--endpoint", simulated.url, "-o", "points.json")
    assert run.returncode == 75
    assert run.stderr.splitlines() == [
        "starting AIPerf",
        "Error: 3 in flight: AIPerf ended with exit code 1 and without results: no space left; measure again",
    ]
    assert run.stdout == ""
    assert (tmp_path / "points.json").read_text() == "[]\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--endpoint", "localhost:8000"), "localhost:8000: expected http://host:port"),
        (("--endpoint", "http://f", "--concurrency", "0"), "0 is not in the range x>=1"),
        (("--endpoint", "http://f", "-o", "none/points.json"), "none is not a folder"),
        ((), "Missing option '--endpoint'"),
    ],
)
def test_wrong_use_is_told(dgdr: Any, write: Any, args: tuple[str, ...], words: str) -> None:
    run = dgdr("measure", "-f", write(), *args)
    assert run.returncode == 2
    assert words in run.stderr


def test_request_that_is_not_valid_is_refused(dgdr: Any, write: Any) -> None:
    run = dgdr("measure", "-f", write(workload={"isl": 0}), "--endpoint", "http://f")
    assert run.returncode == 65
    assert "spec.workload.isl" in run.stderr


def test_missing_aiperf_is_an_installation_that_is_not_complete(
    dgdr: Any, write: Any, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DGDR_AIPERF", "/none")
    run = dgdr("measure", "-f", write(), "--endpoint", simulated.url)
    assert run.returncode == 70
    assert "Error: AIPerf is not installed: /none is not a program" in run.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 75), (signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_measurement_that_is_interrupted_leaves_nothing(
    write: Any, simulated: Simulated, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = ("measure", "-f", write(), "--endpoint", simulated.url, "--tokenizer", str(simulated.tokenizer))
    temporary = tmp_path / "t"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "dgdr_controller", *command],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    led = _await_session(process.pid)
    process.send_signal(number)
    _, printed = process.communicate(timeout=30)
    assert process.returncode == code, printed
    assert "Traceback" not in printed
    until = time.monotonic() + 10
    while members(led) and time.monotonic() < until:  # the kernel ends what its parent could not
        time.sleep(0.05)
    assert members(led) == []
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


def _await_session(pid: int) -> int:
    """Wait until AIPerf runs; return the session that it leads."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for session in sessions_of(pid):
            if b"launcher.py" not in Path(f"/proc/{session}/cmdline").read_bytes():
                assert session != os.getpid()
                return session
        time.sleep(0.05)
    raise AssertionError("AIPerf was not started")
