"""A kept answer of AIC's is given only to the question, and on the installation, that it was given to."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from test.builders.own_sweep import Kept, Rows, packages

KEY: dict[str, Any] = {
    "tasks": [{"isl": 4000, "tpot": [0.5, 1.0]}], "program": "print()", "installation": {"numpy": "1"},
}  # fmt: skip
ROWS: Rows = [{"ttft": 1.25, "parallel": "tp1"}, {"ttft": 2.0, "parallel": "tp2"}]


class Simulator:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Rows:
        self.asked += 1
        return ROWS


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


def test_question_is_asked_once(tmp_path: Path, simulator: Simulator) -> None:
    assert [Kept(tmp_path / "new").get(KEY, simulator) for _ in range(3)] == [ROWS] * 3
    assert simulator.asked == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": [{"isl": 4001, "tpot": [0.5, 1.0]}]},
        {"tasks": [{"isl": 4000, "tpot": [0.5]}]},
        {"program": "print(1)"},
        {"installation": {"numpy": "2"}},
        {"installation": {"numpy": "1", "pandas": "1"}},
    ],
)
def test_changed_key_is_another_question(tmp_path: Path, simulator: Simulator, change: dict[str, Any]) -> None:
    kept = Kept(tmp_path)
    kept.get(KEY, simulator)
    kept.get(KEY | change, simulator)
    assert simulator.asked == 2


def damaged(path: Path, damage: str) -> None:
    """Spoil an answer in one way."""
    content = json.loads(path.read_text())
    changed = {
        "cut off": path.read_text()[:-20],
        "empty": "",
        "no object": "[]",
        "other rows": json.dumps(content | {"rows": [{**ROWS[0], "ttft": 1.26}, ROWS[1]]}),
        "fewer rows": json.dumps(content | {"rows": ROWS[:1]}),
        "of another key": json.dumps(content | {"key": KEY | {"program": "other"}}),
        "without digest": json.dumps({"key": content["key"], "rows": content["rows"]}),
    }
    path.write_text(changed[damage])


@pytest.mark.parametrize(
    "damage", ["cut off", "empty", "no object", "other rows", "fewer rows", "of another key", "without digest"]
)
def test_answer_that_is_not_whole_is_asked_for_again(tmp_path: Path, simulator: Simulator, damage: str) -> None:
    kept = Kept(tmp_path)
    kept.get(KEY, simulator)
    damaged(kept.path(KEY), damage)
    assert kept.get(KEY, simulator) == ROWS
    assert simulator.asked == 2
    kept.get(KEY, simulator)
    assert simulator.asked == 2


def test_sweep_that_fails_leaves_nothing(tmp_path: Path, simulator: Simulator) -> None:
    def fail() -> Rows:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        Kept(tmp_path).get(KEY, fail)
    assert list(tmp_path.glob("*.json")) == []
    assert Kept(tmp_path).get(KEY, simulator) == ROWS


def install(site: Path, name: str, **files: str) -> None:
    """Lay a package out as an installer does."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file, content in files.items():
        (site / file).write_text(content)
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))


def test_every_package_and_every_file_of_the_simulator_is_in_the_key(tmp_path: Path) -> None:
    def found() -> dict[str, str]:
        return packages(metadata.distributions(path=[str(tmp_path)]))

    install(tmp_path, "aiconfigurator", sdk="one", data="two")
    install(tmp_path, "aiconfigurator-core", core="three")
    install(tmp_path, "numpy", numpy="four")
    install(tmp_path, "dgdr-controller", ours="five")
    first = found()
    assert set(first) == {"aiconfigurator", "aiconfigurator-core", "numpy"}
    (tmp_path / "data").write_text("edited in place")
    second = found()
    assert [name for name in first if first[name] != second[name]] == ["aiconfigurator"]
    (tmp_path / "core").write_text("edited in place")
    assert found()["aiconfigurator-core"] != second["aiconfigurator-core"]
    (tmp_path / "numpy-1.0.dist-info" / "RECORD").write_text("numpy,sha256=y,1\n")
    assert found()["numpy"] != first["numpy"]
