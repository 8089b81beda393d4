import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import docker
from hack.cluster.fixtures import lacking
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError
from hack.images import build, buildah
from hack.images.names import Target

_JAIL = """
set -e
mount --bind "$1" "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev"
mkdir -m 1777 "$1/dev/shm"
for device in null zero random urandom; do touch "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
mount -o remount,bind,ro "$1"
root=$1; shift
exec chroot --userspec=1000:1000 "$root" "$@"
"""
"""Runs a program as a container would: read-only root, /tmp in memory, an unprivileged user, no network."""


@dataclass(frozen=True)
class Image:
    """An image, unpacked from its archive."""

    archive: Path
    names: list[str]
    config: dict[str, Any]
    history: str
    root: Path

    def run(self, *arguments: str, entrypoint: list[str] | None = None, given: str = "") -> tuple[int, str]:
        command = ["unshare", "--mount", "--pid", "--net", "--fork", "sh", "-c", _JAIL, "jail", str(self.root)]
        done = subprocess.run(
            [*command, *(entrypoint or self.config["Entrypoint"]), *arguments],
            env=dict(each.split("=", 1) for each in self.config["Env"]) | {"PATH": os.environ["PATH"]},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def unpacked(archive: Path, folder: Path) -> Image:
    folder.chmod(0o755)
    with tarfile.open(archive) as tar:

        def read(name: str) -> Any:
            member = tar.extractfile(name)
            assert member
            return json.load(member)

        (manifest,) = read("manifest.json")
        config = read(manifest["Config"])
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                layer.extractall(folder, filter="fully_trusted")  # noqa: S202 - ours, and to be judged as it is
    return Image(archive, manifest["RepoTags"], config["config"], json.dumps(config["history"]), folder)


@pytest.fixture(scope="session")
def can_build() -> None:
    """Skip where no image can be built."""
    if not docker.answers():
        try:
            buildah.check()
        except ClusterError as error:
            lacking(f"no image can be built here: {error}")


@pytest.fixture(scope="session")
def controller(can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Image:  # noqa: ARG001 - skips
    """The controller's image of this checkout."""
    return built(Target.CONTROLLER, tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="session")
def profiler(can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:  # noqa: ARG001 - skips
    """The profiler's image of this checkout."""
    image = built(Target.PROFILER, tmp_path_factory.mktemp("profiler"))
    yield image
    shutil.rmtree(image.root)  # nearly 1 GB


@pytest.fixture(scope="session")
def dynamo(can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Image:  # noqa: ARG001 - skips
    """The image of local clusters' Dynamo."""
    return built(Target.DYNAMO, tmp_path_factory.mktemp("dynamo"))


def built(target: Target, folder: Path) -> Image:
    if os.geteuid() != 0:
        lacking("a root file system is unpacked and run: that needs root")
    return unpacked(build.build(target), folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what images are made of."""
    place = tmp_path / "checkout"
    place.mkdir()
    for name in (
        *("Dockerfile", ".dockerignore", "README.md", "LICENSE", "pyproject.toml"),
        *("requirements", "api", "dgdr_controller", "hack/images", "test/hack/images"),
    ):
        source = CHECKOUT / name
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    return place


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a shell script of a name before every other program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write
