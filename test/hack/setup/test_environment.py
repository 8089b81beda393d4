import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError
from hack.setup import environment as environments
from hack.setup.environment import REQUIREMENTS, environment

LOCK = REQUIREMENTS / "build.txt"
UV = Path(sys.executable).with_name("uv")
"""The uv of this environment, which is that of requirements/uv.txt."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, but for uv's: what is fetched for this machine's environments is not fetched again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "uv", lambda: UV)
    told = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("UV_CACHE_DIR", told.stdout.strip())
    return tmp_path / "cache"


def packages(python: Path) -> set[str]:
    script = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    return set(subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.split())


def runs_nothing(*_: object) -> None:
    raise AssertionError("nothing is to be installed")


@pytest.mark.usefixtures("cache")
def test_environment_holds_what_the_lock_names_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, smaller = tmp_path / "env", tmp_path / "smaller.txt"
    python = environment(folder, LOCK)
    assert {"hatchling", "pluggy"} <= packages(python)
    text = LOCK.read_text()
    begin = text.index("pluggy==")
    smaller.write_text(text[begin : text.index("#", begin)])
    environment(folder, smaller)
    assert packages(python) == {"pluggy"}
    monkeypatch.setattr(environments, "_run", runs_nothing)
    assert environment(folder, smaller) == python


def test_environment_is_made_by_pip_where_uv_fails(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = cache / "uv"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho uv cannot run here\nexit 1\n")
    broken.chmod(0o755)
    broken.with_name("python").symlink_to(sys.executable)
    monkeypatch.setattr(environments, "uv", lambda: broken)
    assert "hatchling" in packages(environment(tmp_path / "env", LOCK))
    said = capsys.readouterr().err
    assert "uv failed:\nuv cannot run here" in said
    assert "Installing with pip instead of uv, which is slower" in said


@pytest.mark.usefixtures("cache")
def test_environment_of_an_interrupted_run_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "env"
    with monkeypatch.context() as patch:
        patch.setattr(environments, "_stamp", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment(folder, LOCK)
    assert not environments.is_current(folder, LOCK)
    assert "hatchling" in packages(environment(folder, LOCK))
    assert environments.is_current(folder, LOCK)


@pytest.mark.usefixtures("cache")
def test_environment_whose_hash_is_wrong_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(f"pluggy==1.6.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ClusterError, match=r"(?i)hash"):
        environment(tmp_path / "env", wrong)
    assert not environments.is_current(tmp_path / "env", wrong)


def test_setup_without_network_says_what_to_check(tmp_path: Path) -> None:
    unreachable = "http://127.0.0.1:9"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from hack.setup.environment import *; environment(Path('env'), REQUIREMENTS / 'uv.txt')",
        ],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))},
            "PIP_INDEX_URL": f"{unreachable}/simple",
            "PIP_RETRIES": "0",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "The network is not reached: check it, the proxy (HTTPS_PROXY)" in done.stderr
