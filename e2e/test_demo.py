"""The demo, as a user without root sees it: a virtual node, whose pods are processes of this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import processes
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, binaries
from hack.cluster.layout import CHECKOUT, Layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.aic]

LINES = 60
"""As many as fit a screen."""


def demo(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run the demo with a cache of its own, but for Kubernetes' programs; return what it shows, and its progress."""
    done = subprocess.run(
        [sys.executable, "-m", "hack.demo", *arguments],
        cwd=CHECKOUT,
        env=os.environ
        | {
            "XDG_CACHE_HOME": str(folder),
            "KUBEBUILDER_ASSETS": str(binaries(CONTROL_PLANE).folder),
            "DGDR_KUBECONFIG": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_demo_on_a_virtual_node_ends_with_an_answer_on_one_screen(control_plane: Cluster, tmp_path: Path) -> None:
    if not isinstance(control_plane, Local):
        pytest.skip("the demo runs on the given cluster here")
    said, progress = demo(tmp_path, "--level", "virtual-node")
    (root,) = (path for path in (tmp_path / "dgdr-controller" / "clusters").iterdir() if path.is_dir())
    layout = Layout(root)
    try:
        lines = said.splitlines()
        assert lines[0].startswith("Cluster: a real control plane and a virtual node")
        assert len(lines) + len(progress.splitlines()) <= LINES, said + progress
        assert [line for line in lines if line.endswith("s  Deployed")], said
        assert [line for line in lines if line.startswith("Chosen: ")]
        assert [line for line in lines if line.startswith("  Succeeded ") and " True " in line]
        (answer,) = (line for line in lines if line.endswith("(a simulated engine answers: random syllables)"))
        assert len(answer.split()) > 10
        (pod,) = Client(layout.kubeconfig).request("GET", "/api/v1/namespaces/dgdr-system/pods")["items"]
        assert pod["status"]["podIP"].startswith("127.")
    finally:
        demo(tmp_path, "down")
    assert processes.marked(layout) == []
    assert not root.exists()
