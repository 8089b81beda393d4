import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster import docker
from hack.cluster.fixtures import lacking
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError
from hack.images import build, buildah
from hack.images.names import Target
from test.builders.image import Image, unpacked


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
def measurer(can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:  # noqa: ARG001 - skips
    """The measurer's image of this checkout."""
    image = built(Target.MEASURER, tmp_path_factory.mktemp("measurer"))
    yield image
    shutil.rmtree(image.root)  # more than 1 GB


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
