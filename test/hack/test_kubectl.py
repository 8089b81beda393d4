from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hack import kubectl
from hack.cluster.progress import ClusterError


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    return SimpleNamespace(ours=True, kubeconfig=tmp_path / "kubeconfig")


def as_kubectl(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(kubectl, "program", lambda: str(program))


def test_port_forward_yields_the_local_port_and_ends_with_its_block(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Any
) -> None:
    asked = tmp_path / "asked"
    script = f'echo "$@" > {asked}; echo $$ >> {asked}; echo "Forwarding from 127.0.0.1:40123 -> 9400"; exec sleep 60'
    as_kubectl(monkeypatch, tmp_path, script)
    with kubectl.port_forward(cluster, "ns", "pod/exporter", 9400) as port:
        assert port == 40123
    words, process = asked.read_text().splitlines()
    assert words == "--namespace ns port-forward pod/exporter :9400"
    assert not Path("/proc", process).exists()


def test_port_forward_that_does_not_begin_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Any
) -> None:
    as_kubectl(monkeypatch, tmp_path, "exit 1")
    with (
        pytest.raises(ClusterError, match="has not begun: it has ended"),
        kubectl.port_forward(cluster, "ns", "pod/a", 1),
    ):
        pass
