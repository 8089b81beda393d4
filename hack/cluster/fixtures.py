"""Clusters for tests: pytest's fixtures ``control_plane``, ``cluster``, ``api`` and ``namespace``."""

import contextlib
import fcntl
import gc
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import pytest

from hack.cluster import binaries
from hack.cluster.api import Client, without_proxies
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.layout import layout
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import UnavailableError
from hack.cluster.resolve import resolve
from hack.cluster.users import used

T = TypeVar("T")


def lacking(sentence: str) -> NoReturn:
    """Skip a test for what this machine lacks; in CI nothing may be lacking, and it fails."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@contextlib.contextmanager
def brought_up(cluster: Cluster, level: Level) -> Iterator[None]:
    """Use a cluster; where this machine cannot have one the test is skipped and says why, in CI it fails."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(used(cluster, level))
        except UnavailableError as error:
            lacking(f"no {level}: {error}")
        yield


class Kept:
    """What tests of one folder use one after the other: it costs too much for each, and is not to outlast them all."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._stack = contextlib.ExitStack()
        self._values: dict[str, object] = {}

    def have(self, name: str, make: Callable[[], contextlib.AbstractContextManager[T]]) -> T:
        """Return what is kept under a name; it is made when it is wanted for the first time."""
        if name not in self._values:
            self._values[name] = self._stack.enter_context(make())
        return cast("T", self._values[name])

    def end(self) -> None:
        """End all of it."""
        self._values.clear()
        self._stack.close()


_KEPT: dict[Path, Kept] = {}
"""By folder; of this process."""


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Kept:
    """What is kept until this process goes on to tests of another folder."""
    return _KEPT.setdefault(request.node.path.parent, Kept())


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End what is kept for a folder after the last of its tests in a row."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        _KEPT.pop(item.path.parent, Kept()).end()


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run tests with the same mark ``alone`` one after the other, whatever processes the run is spread over."""
    mark = request.node.get_closest_marker("alone")
    with contextlib.ExitStack() as held:
        if mark:
            lock = layout(f"alone-{mark.args[0]}").lock
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(lock.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _nothing_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have connections that a test on a cluster has left open found in this test, and not in any later one.

    What there was before it is not looked through: in a run of thousands of tests that takes a second each time.
    """
    if not request.node.get_closest_marker("cluster"):
        yield
        return
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A control plane, shared by all processes of the run: API server, etcd, controller manager, scheduler."""
    cluster = resolve(purpose="test-control-plane")
    with brought_up(cluster, Level.CONTROL_PLANE):
        yield cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with a node that has eight fake GPUs, shared by the run."""
    found = resolve(purpose="test-node")
    with brought_up(found, Level.NODE):
        if found.ours and found.node:
            offer_gpus(Client(found.kubeconfig), found.node, FakeGpus(8, "NVIDIA-H200", 143_771))
        yield found


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Client:
    """The administrator's client: of ``cluster`` if the test asks for that, else of ``control_plane``."""
    where = "cluster" if "cluster" in request.fixturenames else "control_plane"
    return Client(request.getfixturevalue(where).kubeconfig)


@pytest.fixture(scope="session")
def kubectl_program() -> str:
    """kubectl, of the version that the cluster is built in where that was done."""
    try:
        return binaries.kubectl()
    except UnavailableError as error:
        lacking(str(error))


@pytest.fixture
def kubectl(
    control_plane: Cluster, kubectl_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Run kubectl on ``control_plane``; return what it writes."""
    cache = tmp_path_factory.mktemp("kubectl")  # what it knows of one cluster is wrong for the next

    def run(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603 - kubectl, as the test says
            [kubectl_program, f"--kubeconfig={control_plane.kubeconfig}", f"--cache-dir={cache}", *arguments],
            env=without_proxies(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


@pytest.fixture
def namespace(request: pytest.FixtureRequest, api: Client) -> Iterator[str]:
    """A namespace for one test, where ``api`` leads."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    limit = time.monotonic() + 20
    while "cluster" in request.fixturenames and not api.admits_pods(name) and time.monotonic() < limit:
        time.sleep(0.05)
    yield name
    api.request("DELETE", f"/api/v1/namespaces/{name}")
