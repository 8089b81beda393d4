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
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, binaries
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import ClusterError

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


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Iterator[Local]:
    """A control plane that a test may break."""
    found = Local(layout(f"test-{request.node.name.removeprefix('test_')[:20]}"))
    with brought_up(found, Level.CONTROL_PLANE):
        yield found
    assert processes(found) == {}
    assert not found.layout.root.exists()
    assert found.status().summary == "not running"


def test_the_api_server_answers_who_verifies_it(control_plane: Cluster) -> None:
    api = Client(control_plane.kubeconfig)
    assert api.request("GET", "/version")["major"] == "1"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{api.server}/version", timeout=5)


def test_who_has_no_certificate_may_not_read(control_plane: Cluster) -> None:
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{Client(control_plane.kubeconfig).server}/api/v1/pods", context=context, timeout=5)


def test_keys_and_kubeconfigs_are_for_their_owner_alone(own: Local) -> None:
    secret = [*own.layout.certificates.glob("*.key"), *own.layout.root.glob("*kubeconfig")]
    assert len(secret) > 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)


def test_nothing_speaks_without_tls(own: Local) -> None:
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


def test_a_component_that_dies_is_reported_with_its_last_words_and_mended_by_up(own: Local) -> None:
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


def test_a_component_that_is_restarted_is_another_process_and_data_are_kept(own: Local) -> None:
    api = Client(own.kubeconfig)
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    for component in ("kube-apiserver", "etcd"):
        before = process(own, component)
        own.restart(component)
        assert process(own, component) != before
        assert own.status().usable
    limit = time.monotonic() + 20
    while not api.is_ready() and time.monotonic() < limit:
        time.sleep(0.1)
    assert api.request("GET", "/api/v1/namespaces/kept")["metadata"]["name"] == "kept"
    with pytest.raises(ClusterError, match=r"no kubelet runs in .*; there are etcd, .*kube-scheduler"):
        own.restart("kubelet")


def test_another_spelling_of_the_interpreter_finds_it_running(own: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process(own, "etcd")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert own.status().usable
    own.up(Level.CONTROL_PLANE)
    assert process(own, "etcd") == before


def test_proxies_are_for_the_internet_alone(own: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    own.down()
    own.up(Level.CONTROL_PLANE)
    environment = Path(f"/proc/{process(own, 'kube-apiserver')}/environ").read_bytes().lower()
    assert b"_proxy=" not in environment


def test_who_dies_while_it_is_brought_up_is_named(own: Local) -> None:
    os.kill(process(own, "kube-apiserver"), signal.SIGKILL)

    def ask() -> bool:
        return bool(Client(own.kubeconfig).request("GET", "/version"))

    with pytest.raises(ClusterError, match="kube-apiserver ended with exit code -9"):
        own._wait_until(ask, "it answers")


def test_while_a_component_is_held_it_is_down(own: Local) -> None:
    own.hold("kube-apiserver")
    assert not Client(own.kubeconfig).is_ready()
    assert own.status().problems == ("the API server is not ready",)
    own.release("kube-apiserver")
    limit = time.monotonic() + 30
    while not own.status().usable and time.monotonic() < limit:
        time.sleep(0.1)
    assert own.status().usable


def test_what_a_killed_supervisor_leaves_is_ended_by_down(own: Local) -> None:
    (supervisor,) = [pid for pid, command in processes(own).items() if "hack.cluster.supervisor" in command]
    os.kill(supervisor, signal.SIGKILL)
    limit = time.monotonic() + 5
    while own.status().usable and time.monotonic() < limit:
        time.sleep(0.05)
    assert own.status().summary == "not running"
    assert process(own, "kube-apiserver")
    own.down()
    assert processes(own) == {}
    own.up(Level.CONTROL_PLANE)
    assert own.status().usable


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


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after_s", [0.7, 1.5, 4.0])
@pytest.mark.usefixtures("control_plane")
def test_up_can_be_interrupted_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals, after_s: float
) -> None:
    # The programs are there already: nothing is built under this other cache folder.
    (tmp_path / "dgdr-controller").mkdir()
    (tmp_path / "dgdr-controller" / "bin").symlink_to(binaries(CONTROL_PLANE).folder.parent)
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        there = Local(layout())
    upping = run("up", "--level", "control-plane", **environment)
    time.sleep(after_s)
    os.killpg(upping.pid, signum)
    _, said = upping.communicate(timeout=20)
    assert upping.returncode != 0
    if "Starting" in said and signum != signal.SIGKILL:  # not still at reading its own modules
        assert upping.returncode == 130
        assert said.endswith("may be half up; make cluster-up begins anew, make cluster-down ends it\n")
    status = run("status", **environment)
    _, said = status.communicate(timeout=20)
    assert ": not " in said  # "not running" or "not wholly up yet"
    assert status.returncode == 1
    downing = run("down", **environment)
    assert downing.communicate(timeout=20) == ("", "")
    left = [command for command in processes(there).values() if str(tmp_path) in command]
    assert left == []
    assert not there.layout.root.exists()


def test_two_at_once_get_one_cluster(own: Local) -> None:
    own.down()
    code = (
        "from hack.cluster.local import Local; from hack.cluster.layout import Layout; from pathlib import Path;"
        f"Local(Layout(Path({str(own.layout.root)!r}))).up('control-plane')"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(each.communicate(timeout=120)[1] for each in both)
    assert [each.returncode for each in both] == [0, 0]
    assert said[0].startswith("Another process brings")
    assert "Starting" not in said[0]
    assert "Starting the control plane" in said[1]
    assert process(own, "etcd")
    assert own.status().usable
