import ctypes
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster.progress import ClusterError, UnavailableError
from hack.setup import debian
from hack.setup.debian import Purpose

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Let these shell scripts be all programs that there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "touch", "chmod", "true", "env"):
        (folder / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: None)  # every library is there

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


@pytest.mark.parametrize(("found", "missing"), [(True, ["chromium"]), (False, ["chromium", "libatomic1"])])
@pytest.mark.usefixtures("program")
def test_library_that_the_driver_of_the_browser_loads_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, *, found: bool, missing: list[str]
) -> None:
    asked = []

    def load(library: str) -> None:
        asked.append(library)
        if not found:
            raise OSError(f"{library}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert debian.missing(Purpose.BROWSER) == missing
    assert asked == ["libatomic.so.1"]


def installing(tmp_path: Path) -> str:
    """apt-get that writes down how it was called, and installs a chromium."""
    return (
        f'echo "$@" >> {tmp_path}/asked\n'
        'case "$*" in *install*)\n'
        "echo '0 upgraded, 1 newly installed, 0 to remove'; echo 'Unpacking chromium (1) ...'\n"
        f"touch {tmp_path}/bin/chromium; chmod +x {tmp_path}/bin/chromium;; esac"
    )


def test_packages_that_are_missing_are_installed_once_and_it_says_what_for(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program("apt-get", installing(tmp_path))
    debian.install(Purpose.BROWSER)
    debian.install(Purpose.BROWSER)
    update, install = (tmp_path / "asked").read_text().splitlines()
    assert update == "update -qq"
    assert install.endswith(" chromium")
    assert "--no-install-recommends" in install
    said = capsys.readouterr().err
    assert said.startswith("Installing chromium for tests in a browser: ")
    debian.check(Purpose.BROWSER)


def test_packages_are_installed_through_sudo_where_it_asks_for_no_password(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program("apt-get", installing(tmp_path))
    program("sudo", f'[ "$1" = -n ] || exit 1\nshift\necho "$@" >> {tmp_path}/by-sudo\nexec "$@"')
    debian.install(Purpose.BROWSER)
    assert debian.missing(Purpose.BROWSER) == []
    asked = (tmp_path / "by-sudo").read_text().splitlines()
    assert [line for line in asked if "install" in line]
    assert all(
        line == "true" or line.startswith("env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 ") for line in asked
    )


@pytest.mark.parametrize("sudo", ["exit 1", None])
def test_packages_are_left_to_the_user_who_may_not_install_them(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sudo: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program("apt-get", installing(tmp_path))
    if sudo:
        program("sudo", sudo)
    debian.install(Purpose.BROWSER)
    assert not (tmp_path / "asked").exists()
    with pytest.raises(UnavailableError) as caught:
        debian.check(Purpose.BROWSER)
    assert str(caught.value) == (
        "packages are missing for tests in a browser: run `apt-get update && apt-get install -y "
        "--no-install-recommends chromium` as root, or allow this user sudo without a password"
    )


@pytest.mark.usefixtures("program")
def test_packages_cannot_be_installed_without_apt() -> None:
    debian.install(Purpose.BROWSER)
    assert debian.missing(Purpose.BROWSER) == ["chromium"]


def test_packages_that_cannot_be_fetched_are_told_with_apts_own_words(program: Program) -> None:
    program("apt-get", "echo 'Err:1 cannot resolve mirror.test'; echo 'E: Failed to fetch'; exit 100")
    with pytest.raises(
        ClusterError,
        match=r"apt-get failed: Err:1 cannot resolve mirror.test; E: Failed to fetch\nThe network is not reached: check",
    ):
        debian.install(Purpose.BROWSER)
