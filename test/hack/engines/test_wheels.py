import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.layout import CHECKOUT
from hack.engines import wheels
from hack.engines.wheels import NEWEST, EngineError, Wheel
from hack.locks import files

LIBRARY = "thing/_core.so"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A registry with one wheel, made here; returns its wheel and a list of the commands that asked for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    archive = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as content:
        for name in ("thing/args.py", LIBRARY, "thing/_kernels.so", "thing/table.csv", "thing-1.0.dist-info/METADATA"):
            content.writestr(name, name)
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        (Path(command[command.index("--dest") + 1]) / archive.name).write_bytes(archive.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Wheel("thing", "1.0", {"any": digest}, libraries=(LIBRARY,)), asked


def test_sources_are_fetched_once_and_without_what_python_does_not_read(registry: Any) -> None:
    thing, asked = registry
    assert not wheels.fetched((thing,))
    (folder,) = wheels.sources((thing,))
    assert [folder] == wheels.sources((thing,))
    assert wheels.fetched((thing,))
    assert len(asked) == 1
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert found == {"thing/args.py", LIBRARY, "thing-1.0.dist-info/METADATA"}


def test_wheel_that_is_not_the_promised_one_is_not_used(registry: Any) -> None:
    _, asked = registry
    promised = Wheel("thing", "1.0", {"any": "0" * 64})
    with pytest.raises(EngineError, match=r"thing-1\.0.* is not what hack/engines/wheels\.py promises"):
        wheels.sources((promised,))
    assert len(asked) == 1
    assert not wheels.fetched((promised,))


def test_machine_without_a_wheel_is_told_so(registry: Any) -> None:
    _, asked = registry
    with pytest.raises(EngineError, match="thing has no wheel for"):
        wheels.sources((Wheel("thing", "1.0", {"other": "0" * 64}),))
    assert asked == []


def test_error_of_pip_is_passed_on(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thing, _ = registry
    failed = subprocess.CompletedProcess([], 1, "", "noise\nERROR: no route to host\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(EngineError, match=r"pip cannot fetch thing==1\.0 .*no route to host"):
        wheels.sources((thing,))


@pytest.mark.parametrize("wheel", [NEWEST.dynamo, NEWEST.runtime], ids=lambda wheel: str(wheel.name))
def test_wheels_whose_parsers_are_asked_are_those_of_the_image(wheel: Wheel) -> None:
    (pin,) = (pin for pin in files.read(CHECKOUT / "requirements" / "dynamo.txt") if pin.name == wheel.name)
    assert pin.version == wheel.version
    assert set(wheel.sha256.values()) <= pin.hashes
