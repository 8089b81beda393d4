"""AIPerf's records of requests, while they are being written."""

import json
from pathlib import Path

import pytest

from dgdr_controller.profiler.measurement.records import Records


def line(phase: str, **fields: object) -> str:
    return json.dumps({"metadata": {"phase_name": phase, "session_num": 0}, "metrics": {}} | fields) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "profile_export.jsonl"


def test_records_that_are_not_there_yet_are_none(path: Path) -> None:
    records = Records(path)
    assert records.read() == {}
    assert records.first_error() is None


def test_records_are_counted_once_whole_and_by_phase(path: Path) -> None:
    records = Records(path)
    half = line("load-8")
    path.write_text(line("warmup-8") + line("load-8") + half[:20])
    assert records.read() == {"warmup-8": 1, "load-8": 1}
    with path.open("a") as file:
        file.write(half[20:] + "no JSON\n")
    assert records.read() == {"warmup-8": 1, "load-8": 2}
    assert records.read() == {"warmup-8": 1, "load-8": 2}


def test_first_error_is_a_line_of_limited_length(path: Path) -> None:
    long = "<html>\n   <p>out of memory</p>" + "x" * 1000
    path.write_text(
        line("a") + line("a", error={"code": 500, "type": "X", "message": long}) + line("a", error={"message": "2"})
    )
    found = str(Records(path).first_error())
    assert found.startswith("HTTP 500: <html> <p>out of memory</p>xxx")
    assert len(found) < 320
    path.write_text(line("a", error={"type": "TimeoutError", "message": "too late"}))
    assert str(Records(path).first_error()) == "TimeoutError: too late"
