"""A virtual kubelet that is killed and started again, and a cluster that is taken down."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.api import Client
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.processes import marked
from hack.cluster.progress import ClusterError
from hack.virtual_kubelet import process, programs
from hack.virtual_kubelet.component import COMPONENT
from hack.virtual_kubelet.programs import Program

pytestmark = [pytest.mark.cluster, pytest.mark.alone("virtual-kubelet")]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Local]:
    """A cluster apart from that of other tests, whose pods these tests would end."""
    found = Local(layout("test-virtual-restarts"))
    with brought_up(found, Level.VIRTUAL_NODE):
        programs.offer(found.layout.root, {"localhost/sh": Program(("sh", "-c"))})
        yield found


@pytest.fixture
def killed(cluster: Local) -> Iterator[Local]:
    """The cluster, whose kubelet a test may kill; it runs again at the end."""
    yield cluster
    cluster.release(COMPONENT)


def alive(cluster: Local, mark: str) -> list[int]:
    found = process.marked(cluster.layout, mark)
    return [pid for pid in found if b"Z" not in _state(pid)]


def _state(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    return b"Z"


def test_kubelet_that_restarts_ends_what_it_has_left_and_starts_it_again(killed: Local, pods: Any) -> None:
    pods.create("always", "exec sleep 600")
    pods.create("never", "exec sleep 600", restartPolicy="Never")
    before = {name: pods.ready(name) for name in ("always", "never")}
    marks = {name: f"{pod['metadata']['uid']}/main" for name, pod in before.items()}
    (left,) = alive(killed, marks["always"])
    killed.hold(COMPONENT)
    assert alive(killed, marks["always"]) == [left]
    killed.release(COMPONENT)
    ended = pods.state(pods.ended("never"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    pod = pods.wait("always", lambda pod: pods.status(pod)["restartCount"] == 1 and pods.is_ready(pod), "it runs again")
    assert pod["status"]["podIP"] == before["always"]["status"]["podIP"]
    assert left not in alive(killed, marks["always"])
    assert len(alive(killed, marks["always"])) == 1
    assert alive(killed, marks["never"]) == []


def test_pod_that_is_deleted_while_no_kubelet_runs_goes_when_one_does(killed: Local, pods: Any) -> None:
    pods.create("p", "exec sleep 600")
    uid = pods.ready("p")["metadata"]["uid"]
    killed.hold(COMPONENT)
    pods.delete("p")
    assert pods.get("p")
    killed.release(COMPONENT)
    pods.wait("p", lambda pod: not pod, "it is gone")
    assert alive(killed, f"{uid}/main") == []


def test_processes_that_leave_their_session_end_with_their_container(cluster: Local, pods: Any) -> None:
    pods.create("p", "setsid sleep 600 & setsid -f sleep 600; sleep 0.5; exit 0", restartPolicy="Never")
    uid = pods.ended("p")["metadata"]["uid"]
    limit = time.monotonic() + 5
    while alive(cluster, f"{uid}/main") and time.monotonic() < limit:
        time.sleep(0.1)
    assert alive(cluster, f"{uid}/main") == []


def test_files_of_a_pod_go_with_it(cluster: Local, pods: Any) -> None:
    pods.create("p", "exec sleep 600")
    uid = pods.ready("p")["metadata"]["uid"]
    (folder,) = (cluster.layout.root / "pods").glob(f"{uid[:8]}*")
    pods.delete("p", grace=0)
    limit = time.monotonic() + 20
    while folder.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    assert not folder.exists()


def test_gpus_are_kept_by_a_kubelet_that_restarts(killed: Local, api: Client) -> None:
    offer_gpus(api, killed.node, FakeGpus(8, "NVIDIA-H200", 143_771))
    killed.restart(COMPONENT)
    limit = time.monotonic() + 5
    while not api.node_is_ready(killed.node) and time.monotonic() < limit:
        time.sleep(0.1)
    node = api.request("GET", f"/api/v1/nodes/{killed.node}")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    assert {"cpu", "memory", "pods"} <= set(node["status"]["allocatable"])


def test_images_have_no_place_on_a_virtual_node(cluster: Local, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no running node that takes images"):
        cluster.load(tmp_path / "image.tar")


def test_cluster_that_goes_down_leaves_no_process_and_no_link() -> None:
    own = Local(layout("test-virtual-down"))
    with brought_up(own, Level.VIRTUAL_NODE):
        programs.offer(own.layout.root, {"localhost/sh": Program(("sh", "-c"))})
        link = Path((own.layout.root / "shortcut").read_text())
        assert link.resolve() == own.layout.root
        container = {"name": "main", "image": "localhost/sh", "args": ["trap '' TERM; setsid -f sleep 600; sleep 600"]}
        spec = {"containers": [container], "automountServiceAccountToken": False}
        metadata = {"name": "p", "namespace": "default"}
        Client(own.kubeconfig).create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        limit = time.monotonic() + 20
        while len(process.marked(own.layout)) < 3 and time.monotonic() < limit:
            time.sleep(0.1)
        assert len(process.marked(own.layout)) >= 3
    assert marked(own.layout) == []
    assert not link.is_symlink()
    assert not own.layout.root.exists()
