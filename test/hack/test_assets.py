import base64
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hack import assets
from hack.cluster.progress import ClusterError

Npm = Callable[[str], None]


def archive(content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/dist/lib.js")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


ARCHIVE = archive(b"lib")
LIBRARY = assets.Package(
    "lib", "1.0.0", base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode(), {"package/dist/lib.js": "lib.js"}
)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    """Put a script before the real npm; $5 is the folder for the archive."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "lib.tgz").write_bytes(ARCHIVE)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def write(script: str) -> None:
        (programs / "npm").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "npm").chmod(0o755)

    return write


def test_library_is_fetched_once(npm: Npm, tmp_path: Path) -> None:
    npm(f'echo "$@" >> {tmp_path}/asked; cp {tmp_path}/lib.tgz "$5/lib-1.0.0.tgz"')
    folder = tmp_path / "vendor"
    for _ in range(2):
        assets.fetch(LIBRARY, folder)
    assert (folder / "lib.js").read_bytes() == b"lib"
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.startswith("pack lib@1.0.0 ")
    (folder / "lib.js").unlink()
    assets.fetch(LIBRARY, folder)
    assert (folder / "lib.js").exists()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('echo changed > "$5/lib-1.0.0.tgz"', "not what hack/assets.py promises"),
        ("echo no network >&2; exit 1", r"cannot fetch lib@1.0.0 \(no network\)"),
        ("exit 0", "nothing was said"),
    ],
)
def test_library_that_is_not_the_promised_one_is_not_used(npm: Npm, tmp_path: Path, script: str, says: str) -> None:
    npm(script)
    with pytest.raises(assets.AssetError, match=says):
        assets.fetch(LIBRARY, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_missing_npm_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable() -> tuple[str, ...]:
        raise ClusterError("uv failed: no network")

    monkeypatch.setattr(assets, "npm", unreachable)
    with pytest.raises(assets.AssetError, match="npm is not installed and cannot be fetched: uv failed: no network"):
        assets.fetch(LIBRARY, tmp_path / "vendor")
