import base64
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hack.cluster.__main__ import cluster as command
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, binaries
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import ClusterError
from hack.cluster.supervisor import Component
from hack.cluster.users import reserved

pytestmark = pytest.mark.cluster


def processes(cluster: Cluster) -> dict[int, str]:
    """Running processes that name the cluster's folder, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"/clusters/{cluster.name}" in command:
                found[int(path.parent.name)] = command
    return found


def process(cluster: Cluster, component: str) -> int:
    (pid,) = [pid for pid, command in processes(cluster).items() if f"/{component} " in command]
    return pid


alone = pytest.mark.alone("breakable")  # who uses `own` or `breakable`


def assert_gone(found: Local) -> None:
    assert processes(found) == {}
    assert not found.layout.root.exists()
    assert found.status().summary == "not running"


@pytest.fixture(scope="module")
def breakable() -> Iterator[Local]:
    """A control plane that tests may break, one after the other. It need not be up, and stays so between two tests."""
    found = Local(layout("test-breakable"))
    with reserved(found):
        yield found


@pytest.fixture
def own(breakable: Local) -> Iterator[Local]:
    """`breakable`, up: what the test before it has broken is mended first."""
    with brought_up(breakable, Level.CONTROL_PLANE):
        yield breakable


def test_api_server_answers_who_verifies_it(control_plane: Cluster) -> None:
    api = Client(control_plane.kubeconfig)
    assert api.request("GET", "/version")["major"] == "1"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{api.server}/version", timeout=5)


def test_client_without_a_certificate_may_not_read(control_plane: Cluster) -> None:
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{Client(control_plane.kubeconfig).server}/api/v1/pods", context=context, timeout=5)


@alone
def test_keys_and_kubeconfigs_are_for_their_owner_alone(own: Local) -> None:
    secret = [*own.layout.certificates.glob("*.key"), *own.layout.root.glob("*kubeconfig")]
    assert len(secret) > 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)


@alone
def test_ports_speak_tls_alone(own: Local) -> None:
    assert "http://" not in own.layout.plan.read_text()
    (peers,) = re.findall(r"--listen-peer-urls=(https://\S+?)\"", own.layout.plan.read_text())
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(peers, timeout=5)


def test_controllers_work(control_plane: Cluster, namespace: str) -> None:
    api = Client(control_plane.kubeconfig)
    limit = time.monotonic() + 20
    while not api.admits_pods(namespace) and time.monotonic() < limit:
        time.sleep(0.1)
    assert api.admits_pods(namespace)


def test_up_again_changes_nothing(control_plane: Cluster) -> None:
    before, config = processes(control_plane), control_plane.kubeconfig.read_text()
    control_plane.up(Level.CONTROL_PLANE)
    assert (processes(control_plane), control_plane.kubeconfig.read_text()) == (before, config)


@alone
def test_component_that_dies_is_reported_with_its_last_words_and_mended_by_up(own: Local) -> None:
    os.kill(process(own, "kube-scheduler"), signal.SIGKILL)
    limit = time.monotonic() + 5
    while own.status().usable and time.monotonic() < limit:
        time.sleep(0.05)
    (problem,) = own.status().problems
    log = own.layout.logs / "kube-scheduler.log"
    assert problem.startswith(f"kube-scheduler ended with exit code -9; the end of {log}:\n    ")
    own.up(Level.CONTROL_PLANE)
    assert own.status().usable
    assert process(own, "kube-scheduler")


@alone
def test_component_that_is_restarted_is_another_process_and_data_are_kept(own: Local) -> None:
    api = Client(own.kubeconfig)
    name = f"kept-{uuid.uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for component in ("kube-apiserver", "etcd"):
        before = process(own, component)
        own.restart(component)
        assert process(own, component) != before
        assert own.status().usable
    limit = time.monotonic() + 20
    while not api.is_ready() and time.monotonic() < limit:
        time.sleep(0.1)
    assert api.request("GET", f"/api/v1/namespaces/{name}")["metadata"]["name"] == name
    with pytest.raises(ClusterError, match=r"no kubelet runs in .*; there are etcd, .*kube-scheduler"):
        own.restart("kubelet")


@alone
def test_component_that_is_added_again_is_started_again_only_with_another_revision(own: Local) -> None:
    def added(revision: str) -> int:
        own.add(Component("follower", ("tail", "-f", str(own.layout.plan)), revision=revision))
        (pid,) = [pid for pid, command in processes(own).items() if command.startswith("tail -f")]
        return pid

    first = added("a")
    assert added("a") == first
    assert added("b") != first
    assert own.status().usable


@alone
def test_cluster_is_found_running_under_another_spelling_of_the_interpreter(
    own: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = process(own, "etcd")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert own.status().usable
    own.up(Level.CONTROL_PLANE)
    assert process(own, "etcd") == before


@alone
def test_component_is_down_while_it_is_held(own: Local) -> None:
    own.hold("kube-apiserver")
    assert not Client(own.kubeconfig).is_ready()
    assert own.status().problems == ("the API server is not ready",)
    own.release("kube-apiserver")
    limit = time.monotonic() + 30
    while not own.status().usable and time.monotonic() < limit:
        time.sleep(0.1)
    assert own.status().usable


@alone
def test_leftovers_of_a_killed_supervisor_are_ended_by_down(own: Local) -> None:
    (supervisor,) = [pid for pid, command in processes(own).items() if "hack.cluster.supervisor" in command]
    os.kill(supervisor, signal.SIGKILL)
    limit = time.monotonic() + 5
    while own.status().usable and time.monotonic() < limit:
        time.sleep(0.05)
    assert own.status().summary == "not running"
    assert process(own, "kube-apiserver")
    own.down()
    assert_gone(own)
    own.up(Level.CONTROL_PLANE)
    assert own.status().usable


@alone
def test_component_that_dies_while_it_is_brought_up_is_named(own: Local) -> None:
    os.kill(process(own, "kube-apiserver"), signal.SIGKILL)

    def ask() -> bool:
        return bool(Client(own.kubeconfig).request("GET", "/version"))

    with pytest.raises(ClusterError, match="kube-apiserver ended with exit code -9"):
        own._wait_until(ask, "it answers")


@dataclass(frozen=True)
class Start:
    """What became of two processes that brought one control plane up at once, from nothing, behind proxies.

    Attributes:
        said: What both have printed, the shorter first.
        codes: Their exit codes.
        usable: Whether it could be used then.
        environment: Environment of its API server, in lower case.
    """

    said: list[str]
    codes: list[int]
    usable: bool
    environment: bytes


@pytest.fixture(scope="module")
def starts() -> list[Start]:
    return []


@pytest.fixture
def started_by_two(breakable: Local, starts: list[Start]) -> Start:
    """Once for all tests that look at it."""
    if not starts:
        breakable.down()
        assert_gone(breakable)
        code = (
            "from hack.cluster.local import Local; from hack.cluster.layout import Layout; from pathlib import Path;"
            f"Local(Layout(Path({str(breakable.layout.root)!r}))).up('control-plane')"
        )
        behind = os.environ | dict.fromkeys(("http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:1")
        both = [
            subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, env=behind, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = sorted(child.communicate(timeout=120)[1] for child in both)
        environment = Path(f"/proc/{process(breakable, 'kube-apiserver')}/environ").read_bytes().lower()
        starts.append(Start(said, [child.returncode for child in both], breakable.status().usable, environment))
    return starts[0]


@alone
def test_two_at_once_get_one_cluster(breakable: Local, started_by_two: Start) -> None:
    assert started_by_two.codes == [0, 0]
    assert started_by_two.said[0].startswith("Another process brings")
    assert "Starting" not in started_by_two.said[0]
    assert "Starting the control plane" in started_by_two.said[1]
    assert started_by_two.usable
    assert process(breakable, "etcd")


@alone
def test_proxies_are_for_the_internet_alone(started_by_two: Start) -> None:
    assert started_by_two.usable
    assert b"_proxy=" not in started_by_two.environment
    assert b"path=" in started_by_two.environment


def run(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hack.cluster", *arguments],
        cwd=CHECKOUT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


STAGES: dict[str, Callable[[Local], Path]] = {
    "its files are written": lambda there: there.layout.root,
    "the API server has started": lambda there: there.layout.running / "kube-apiserver",
    "the API server is ready": lambda there: there.layout.root / "api-is-ready",
}
"""When `up` is interrupted, and which file tells that it has come so far."""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", STAGES)
@pytest.mark.usefixtures("control_plane")
def test_up_can_be_interrupted_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals, when: str
) -> None:
    # The programs are there already: nothing is built under this other cache folder.
    (tmp_path / "dgdr-controller").mkdir()
    (tmp_path / "dgdr-controller" / "bin").symlink_to(binaries(CONTROL_PLANE).folder.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    there = Local(layout())
    upping = run("up", "--level", "control-plane")
    limit = time.monotonic() + 60
    while not STAGES[when](there).exists():
        assert upping.poll() is None, upping.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)
    os.killpg(upping.pid, signum)
    _, said = upping.communicate(timeout=20)
    if signum == signal.SIGKILL:
        assert upping.returncode == -signal.SIGKILL
    else:
        assert upping.returncode == 130
        assert said.endswith("may be half up; make cluster-up begins anew, make cluster-down ends it\n")
    status = CliRunner().invoke(command, ["status"])
    assert ": not " in status.output  # "not running" or "not wholly up yet"
    assert status.exit_code == 1
    downing = CliRunner().invoke(command, ["down"])
    assert (downing.exit_code, downing.output) == (0, "")
    left = [line for line in processes(there).values() if str(tmp_path) in line]
    assert left == []
    assert not there.layout.root.exists()
