import os
import shutil
from collections.abc import Iterator

import pytest

from hack.cluster import local, node
from hack.cluster.fakes import FakeGpus
from hack.cluster.layout import Layout, layout
from hack.cluster.local import Level
from hack.cluster.progress import ClusterError

GPUS = FakeGpus(8, "NVIDIA-H200", 143_771)


def brought_up(purpose: str, level: Level) -> Iterator[Layout]:
    if shutil.which("go") is None and not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("no Go to build Kubernetes with, and KUBEBUILDER_ASSETS is not set")
    if level is Level.NODE:
        try:
            node.check()
        except ClusterError as error:
            pytest.skip(f"no node can run here: {error}")
    place = layout(purpose)
    local.up(place, level, GPUS)
    try:
        yield place
    finally:
        local.down(place)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Layout]:
    """A control plane, shared by the run: API server, etcd, controller manager, scheduler."""
    yield from brought_up("test-control-plane", Level.CONTROL_PLANE)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Layout]:
    """A cluster with a node that has eight fake GPUs, shared by the run."""
    yield from brought_up("test-node", Level.NODE)
