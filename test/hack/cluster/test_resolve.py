import hashlib
import io
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hack.cluster import binaries, cgroups, downloads, local, node
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, NODE
from hack.cluster.existing import Existing
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import CHECKOUT, Layout, layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import ClusterError, UnavailableError
from hack.cluster.resolve import resolve
from hack.setup import programs

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture
def built(control_plane: Cluster) -> Path:
    """Folder with the programs of a control plane."""
    if not isinstance(control_plane, Local):
        pytest.skip("the programs are those of a cluster of processes")
    return binaries.binaries(CONTROL_PLANE).folder


@pytest.mark.cluster
def test_assets_without_controllers_make_a_control_plane_that_stores_objects(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("etcd", "kube-apiserver"):  # what envtest's archives hold
        (tmp_path / name).symlink_to(built / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    found = Local(layout("test-assets"))
    with brought_up(found, Level.CONTROL_PLANE):
        assert found.status().usable
        assert "without kube-controller-manager, kube-scheduler" in found.status().summary
        api = Client(found.kubeconfig)
        pod = {"containers": [{"name": "main", "image": "any"}]}
        api.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stored", "namespace": "default"}, "spec": pod}
        )
        assert api.request("GET", "/api/v1/namespaces/default/pods/stored")["spec"]["containers"][0]["image"] == "any"


def test_assets_that_lack_the_api_server_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setattr(binaries, "_built", lambda **_: Path("built"))
    monkeypatch.setattr(binaries, "_folder", lambda **_: tmp_path)
    (tmp_path / "kubernetes").touch()
    (tmp_path / "etcd").touch()  # which nobody may run
    assert binaries.binaries(CONTROL_PLANE).folder == Path("built")
    assert f"KUBEBUILDER_ASSETS={tmp_path} has no etcd, kube-apiserver" in capsys.readouterr().err


class Mirror(SimpleNamespace):
    url: str
    root: Path


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    root = tmp_path / "mirror"
    root.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("DGDR_ENVTEST_INDEX", f"{url}/index.yaml")
        monkeypatch.setenv("DGDR_KUBERNETES_RELEASES", url)
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        yield Mirror(url=url, root=root)
        server.shutdown()
        thread.join()


def publish(mirror: Mirror, version: str, programs: dict[str, bytes]) -> None:
    """Serve a release in the forms of envtest's index and of Kubernetes' releases."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("etcd", "kube-apiserver"):
            member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            member.size, member.mode = len(programs[name]), 0o755
            tar.addfile(member, io.BytesIO(programs[name]))
    file = f"envtest-{version}-linux-{ARCHITECTURE}.tar.gz"
    (mirror.root / file).write_bytes(archive.getvalue())
    entry = {"hash": hashlib.sha512(archive.getvalue()).hexdigest(), "selfLink": f"{mirror.url}/{file}"}
    index = {"releases": {"v1.20.0": {}, f"{version}-alpha.1": {file: entry}, version: {file: entry}}}
    (mirror.root / "index.yaml").write_text(yaml.safe_dump(index))
    folder = mirror.root / version / "bin" / "linux" / ARCHITECTURE
    folder.mkdir(parents=True)
    for name in ("kube-controller-manager", "kube-scheduler", "kubectl"):
        (folder / name).write_bytes(programs.get(name, b"program"))
        (folder / f"{name}.sha256").write_text(hashlib.sha256(programs.get(name, b"program")).hexdigest())


@pytest.mark.cluster
def test_downloaded_control_plane_comes_up(built: Path, mirror: Mirror) -> None:
    programs = {name: f'#!/bin/sh\nexec {built / name} "$@"\n'.encode() for name in CONTROL_PLANE}
    publish(mirror, "v1.36.2", programs)
    found = Local(layout("test-downloads"))
    with brought_up(found, Level.CONTROL_PLANE):
        assert found.status().usable
        assert "downloaded, Kubernetes v1.36.2" in found.status().summary
        assert Client(found.kubeconfig).admits_pods()
        mirror.root.joinpath("index.yaml").unlink()
        kept = downloads.control_plane(CONTROL_PLANE)
        assert kept is not None
        assert kept.name == "v1.36.2"


def test_later_release_than_the_one_that_is_built_is_not_downloaded(mirror: Mirror) -> None:
    publish(mirror, "v1.36.99", dict.fromkeys(CONTROL_PLANE, b"program"))
    assert downloads.control_plane(CONTROL_PLANE) is None


def test_download_that_is_not_what_was_promised_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    publish(mirror, "v1.36.2", dict.fromkeys(CONTROL_PLANE, b"program"))
    (mirror.root / "v1.36.2" / "bin" / "linux" / ARCHITECTURE / "kube-scheduler").write_bytes(b"another")
    with pytest.raises(ClusterError, match="kube-scheduler is not what its index promises"):
        downloads.control_plane(CONTROL_PLANE)
    assert not list(tmp_path.glob("cache/**/kube-scheduler*"))


@pytest.mark.usefixtures("mirror")
def test_download_does_not_happen_without_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert downloads.control_plane(CONTROL_PLANE) is None  # nothing was published
    assert "cannot be downloaded (HTTP Error 404" in capsys.readouterr().err


@pytest.mark.cluster
def test_given_cluster_is_used_and_left_alone(
    control_plane: Cluster,
    kubectl_program: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("hack.cluster.existing.kubectl", lambda: kubectl_program)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    two = yaml.safe_load(control_plane.kubeconfig.read_text())
    two["clusters"].append({"name": "other", "cluster": {"server": "https://127.0.0.1:1"}})
    two["contexts"].append({"name": "other", "context": {"cluster": "other", "user": "admin"}})
    (tmp_path / "two").write_text(yaml.safe_dump(two))
    monkeypatch.setenv("DGDR_KUBECONFIG", str(tmp_path / "two"))
    found = resolve()
    assert isinstance(found, Existing)
    assert not found.ours
    assert found.name == control_plane.name
    found.up(Level.CONTROL_PLANE)
    assert found.status().usable
    assert "Server Version: v1." in found.status().summary
    copy = found.kubeconfig
    assert [context["name"] for context in yaml.safe_load(copy.read_text())["contexts"]] == [control_plane.name]
    assert copy.stat().st_mode & 0o077 == 0
    assert Client(copy).is_ready()
    found.down()
    assert "was not made here and is left as it is" in capsys.readouterr().err
    assert Client(copy).is_ready()
    with pytest.raises(ClusterError, match="push the image to a registry"):
        found.load(tmp_path / "image.tar")
    other = resolve(context="other")
    assert not other.status().usable
    with pytest.raises(ClusterError, match="kubectl get of other"):
        other.up(Level.CONTROL_PLANE)
    with pytest.raises(ClusterError, match=r"context .*absent"):
        resolve(context="absent").up(Level.CONTROL_PLANE)


# What a machine may lack: one sentence that says what to do.


def test_node_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match=r"a node needs root \(namespaces, mounts, cgroups\)"):
        node.check()


def test_node_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"containerd", "iptables"} else "/bin/x")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    packages = "containerd containernetworking-plugins iptables"
    with pytest.raises(
        UnavailableError, match=f"missing for a Kubernetes node: .* --no-install-recommends {packages}`"
    ):
        node.check()


def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/x")
    monkeypatch.setattr(Path, "exists", lambda _: True)


def test_node_without_cgroup_controllers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    complete(monkeypatch)
    with pytest.raises(UnavailableError, match="no cgroup controllers memory, pids under"):
        node.check()


@pytest.mark.cluster
def test_node_in_a_sandbox_that_refuses_namespaces(cluster: Cluster, tmp_path: Path) -> None:
    if not isinstance(cluster, Local):
        pytest.skip("the cluster is not one of processes")
    less = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = subprocess.run(
        [*less, sys.executable, "-m", "hack.cluster", "up", "--level", "node"],
        cwd=CHECKOUT,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Error: the kernel refuses namespaces" in done.stderr
    assert "unshare failed: Operation not permitted" in done.stderr
    assert "Traceback" not in done.stderr


def test_ports_that_are_all_taken_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(local, "_PORTS", range(port, port + 1))
        with pytest.raises(ClusterError, match=f"no 1 ports between {port} and {port + 1}"):
            local._free_ports(Layout(Path("any")), 1)
    assert local._free_ports(Layout(Path("any")), 1) == [port]


def test_leftovers_of_a_killed_build_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(binaries, "_build", lambda program, _: program.touch(mode=0o755))
    stale = binaries._folder(with_node=True) / "tmpxyz"
    stale.mkdir(parents=True)
    assert (binaries._built(with_node=True) / "kubelet").exists()
    assert not stale.exists()


def test_control_plane_needs_no_program_of_a_node_and_uses_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built: list[tuple[str, ...]] = []

    def build(program: Path, flags: tuple[str, ...]) -> None:
        built.append(tuple(flag for flag in flags if flag.startswith("-tags")))
        program.touch(mode=0o755)

    monkeypatch.setattr(binaries, "_build", build)
    small = binaries._built(with_node=False)
    assert not (small / "kubelet").exists()
    whole = binaries._built(with_node=True)
    assert (whole / "kubelet").exists()
    assert binaries._built(with_node=False) == whole
    assert built == [(), ("-tags=node",)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--gpus", "-1"], "Invalid value for '--gpus': -1 is not in the range"),
        (["--gpu-memory", "0"], "Invalid value for '--gpu-memory'"),
        (["--gpu-product", "NVIDIA H200"], 'Error: --gpu-product: "NVIDIA H200" is no product'),
        (["--node", "a=2xT4:15360,mig=7g.0gb"], "a profile that fits the GPU is wanted"),
    ],
)
def test_wrong_option_is_told_before_anything_starts(tmp_path: Path, options: list[str], sentence: str) -> None:
    done = run("up", *options, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode in {1, 2}
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_cache_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("up", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Not a directory: let this user write there, or set XDG_CACHE_HOME to another folder" in done.stderr
    assert "Traceback" not in done.stderr


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hack.cluster", *arguments],
        cwd=CHECKOUT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_node_in_a_folder_with_a_long_name(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"characters too long for .* set XDG_CACHE_HOME"):
        node.check_path(Layout(tmp_path / ("long" * 20)))
    node.check_path(Layout(Path("/home/somebody/.cache/dgdr-controller/clusters/main-test-node-12345678")))


def test_kubeconfig_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGDR_KUBECONFIG", "/does/not/exist")
    with pytest.raises(ClusterError, match="DGDR_KUBECONFIG=/does/not/exist does not exist: correct it"):
        resolve()


def test_space_that_is_lacking_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "go", lambda: Path("go"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    with pytest.raises(
        ClusterError, match=r"1\.0 GiB free, 5 are needed to build Kubernetes: make room, or set XDG_CACHE_HOME"
    ):
        binaries._build(tmp_path / "kubernetes", ())


def test_kubeconfig_that_proves_nothing(tmp_path: Path) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": {"command": "cloud"}}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with pytest.raises(ClusterError, match="user u has neither client certificate nor token"):
        Client(tmp_path / "config").is_ready()


def test_programs_of_a_node_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(binaries, "_folder", lambda **_: tmp_path)
    monkeypatch.setattr(binaries, "_built", lambda **_: Path("built"))
    monkeypatch.setattr(downloads, "control_plane", lambda _: Path("downloaded/v1.36.2"))
    assert binaries.binaries((*CONTROL_PLANE, *NODE)).folder == Path("built")
    assert binaries.binaries(CONTROL_PLANE).folder == Path("downloaded/v1.36.2")
