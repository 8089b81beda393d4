import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hack.cluster import docker, layout
from hack.cluster.__main__ import cluster
from hack.cluster.api import Client
from hack.cluster.kind import Kind
from hack.cluster.model import Level
from hack.cluster.progress import ClusterError, UnavailableError
from hack.cluster.resolve import resolve
from hack.setup import programs

DOES_AS_KIND = """
echo "$*" >>$0.calls
case $1-$2 in
  get-clusters) cat $0.clusters;;
  create-cluster) echo "$4" >$0.clusters; echo '{}' >"$6";;
  delete-cluster) : >$0.clusters;;
esac
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script of a name before every other program."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def write(name: str, script: str) -> Path:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
        (tmp_path / f"{name}.clusters").touch()
        return tmp_path / name

    return write


@pytest.fixture
def kind(program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A cluster of a kind that only pretends, on an API server that is ready at once."""
    program("kind", DOES_AS_KIND)
    monkeypatch.setattr(Client, "is_ready", lambda _: True)
    return Kind(layout.layout("any"))


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "kind.calls").read_text().splitlines()


def test_kind_is_chosen_where_docker_answers(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DGDR_KUBECONFIG", raising=False)
    program("docker", "[ $1 = info ]")
    docker.answers.cache_clear()
    try:
        assert isinstance(resolve(), Kind)
    finally:
        docker.answers.cache_clear()


def test_cluster_comes_up_once_and_goes_down(kind: Kind, tmp_path: Path) -> None:
    assert kind.status().summary == "not running"
    kind.up(Level.NODE)
    assert kind.status().usable
    assert kind.node == f"{kind.name}-control-plane"
    before = calls(tmp_path)
    assert before[-2] == f"create cluster --name {kind.name} --kubeconfig {kind.kubeconfig} --wait 120s"
    kind.up(Level.CONTROL_PLANE)
    assert set(calls(tmp_path)[len(before) :]) == {"get clusters"}
    kind.down()
    assert kind.status().summary == "not running"
    assert not kind.layout.root.exists()


def test_build_compiles_nothing_but_kind(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.cluster.children.subprocess.Popen", None)
    monkeypatch.setattr("hack.cluster.__main__.resolve", lambda _: kind)
    done = CliRunner().invoke(cluster, ["build"], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_cluster_that_was_interrupted_is_made_anew(kind: Kind, tmp_path: Path) -> None:
    kind.up(Level.NODE)
    kind.layout.complete.unlink()
    assert kind.status().summary.startswith("not wholly up yet")
    kind.up(Level.NODE)
    assert len([call for call in calls(tmp_path) if call.startswith("create")]) == 2


def test_cluster_that_was_complete_is_not_so_after_a_failure(kind: Kind, program: Callable[[str, str], Path]) -> None:
    kind.up(Level.NODE)
    program("kind", "[ $1 = get ] || [ $1 = delete ]")  # somebody has deleted it, and it cannot be created again
    with pytest.raises(ClusterError, match="Creating kind cluster"):
        kind.up(Level.NODE)
    program("kind", f"[ $1 = get ] && echo {kind.name}")
    assert kind.status().summary.startswith("not wholly up yet")


def test_api_server_that_does_not_answer_is_told(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    kind.up(Level.NODE)
    monkeypatch.setattr(Client, "is_ready", lambda _: False)
    monkeypatch.setattr("hack.cluster.kind._READY_S", 0.0)
    assert kind.status().problems == ("the API server is not ready",)
    with pytest.raises(ClusterError, match=f"does not answer; see docker logs {kind.node}"):
        kind.up(Level.NODE)


def test_kind_that_fails_is_not_taken_for_no_cluster(kind: Kind, program: Callable[[str, str], Path]) -> None:
    program("kind", "echo 'no permission' >&2; exit 1")
    with pytest.raises(ClusterError, match="does Docker run\\? no permission"):
        kind.status()


BUILDS_AS_GO = """
echo "$PWD $*" >>$0.calls
while [ $1 != -o ]; do shift; done
echo "#!/bin/sh" >"$2"; chmod +x "$2"
"""


@pytest.fixture
def without_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A cluster of kind on a machine where kind is neither installed nor built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "kind" else found(name))
    return Kind(layout.layout("any"))


def test_kind_is_built_once_and_from_what_go_sum_promises(
    without_kind: Kind, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = program("go", BUILDS_AS_GO)
    monkeypatch.setattr(programs, "go", lambda: go)
    for _ in range(2):
        without_kind.prepare(Level.NODE)
        without_kind.status()
    (call,) = go.with_name("go.calls").read_text().splitlines()
    folder, _, words = call.partition(" ")
    assert "-mod=readonly" in words.split()
    assert "sigs.k8s.io/kind v" in Path(folder, "go.mod").read_text()
    assert "sigs.k8s.io/kind v" in Path(folder, "go.sum").read_text()


def test_kind_whose_build_was_interrupted_is_built(
    without_kind: Kind, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "go", lambda: program("go", f"{BUILDS_AS_GO} exit 1"))
    with pytest.raises(ClusterError, match="Building kind"):
        without_kind.prepare(Level.NODE)
    monkeypatch.setattr(programs, "go", lambda: program("go", BUILDS_AS_GO))
    without_kind.prepare(Level.NODE)
    assert without_kind.status().summary == "not running"


def test_machine_without_kind_and_go_is_told_what_is_missing(
    without_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> Path:
        raise UnavailableError("Go is needed")

    monkeypatch.setattr(programs, "go", go)
    with pytest.raises(UnavailableError, match="kind is neither installed nor can it be built: Go is needed"):
        without_kind.prepare(Level.NODE)


def test_checkout_of_any_name_has_a_cluster_that_kind_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CHECKOUT", Path("/home/me/My Fork_of DGDR, with more words"))
    name = layout.layout("test-control-plane_and_more_and_more").name
    assert name.startswith("my-fork-of-d-test-control-plane-and-mo-")
    assert len(f"{name}-control-plane") <= 63  # a host's name


def test_clusters_of_two_caches_have_two_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = layout.layout().name
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert layout.layout().name != before
