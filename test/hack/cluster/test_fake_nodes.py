import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import node
from hack.cluster.api import Client
from hack.cluster.fakes import heartbeats
from hack.cluster.fakes import nodes as fake_nodes
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.fakes.node_option import FakeNode, read
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.progress import ClusterError

pytestmark = [pytest.mark.cluster, pytest.mark.alone("node")]

PODS = "/api/v1/namespaces/default/pods"


def found(api: Client, name: str) -> Any:
    return api.request("GET", f"/api/v1/nodes/{name}")


def ready(api: Client, name: str) -> str:
    return str(next(c["status"] for c in found(api, name)["status"]["conditions"] if c["type"] == "Ready"))


def taints(api: Client, name: str) -> set[str]:
    return {taint["key"] for taint in found(api, name)["spec"].get("taints", [])}


def wait_until(holds: Callable[[], bool], limit_s: float) -> bool:
    limit = time.monotonic() + limit_s
    while not holds() and time.monotonic() < limit:
        time.sleep(0.2)
    return holds()


def pod(name: str, gpus: int = 0, on: str = "") -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "main", "image": node.PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": {"limits": limits}}
    selector = {"kubernetes.io/hostname": on} if on else {}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeSelector": selector}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def scheduled(api: Client, manifest: dict[str, Any]) -> tuple[str | None, str]:
    """Create a pod; return where the scheduler puts it, or why nowhere."""
    path = f"{PODS}/{manifest['metadata']['name']}"
    api.request("POST", PODS, manifest)

    def said() -> list[Any]:
        conditions = api.request("GET", path)["status"].get("conditions", [])
        return [c for c in conditions if c["type"] == "PodScheduled"]

    try:
        assert wait_until(lambda: bool(said()), 20)
        return api.request("GET", path)["spec"].get("nodeName"), said()[0].get("message", "")
    finally:
        api.request("DELETE", f"{path}?gracePeriodSeconds=0")


@pytest.mark.parametrize(
    ("text", "is_ready", "keys"),
    [
        ("plain", "True", set()),
        ("h200=8xNVIDIA-H200:143771", "True", set()),
        ("cordoned=8xNVIDIA-H200:143771,cordoned", "True", {"node.kubernetes.io/unschedulable"}),
        ("tainted=8xNVIDIA-H200:143771,taint=team=a:NoSchedule", "True", {"team"}),
        ("lost=8xNVIDIA-H200:143771,not-ready", "Unknown", {"node.kubernetes.io/unreachable"}),
    ],
)
def test_node_is_at_once_as_asked(api: Client, text: str, is_ready: str, keys: set[str]) -> None:
    asked = read(text)
    fake_nodes.add(api, asked)
    assert ready(api, asked.name) == is_ready
    assert taints(api, asked.name) == keys


def test_node_that_is_named_again_is_made_anew(api: Client) -> None:
    fake_nodes.add(api, read("again=8xNVIDIA-H200:143771,in-use=8,cordoned"))
    fake_nodes.add(api, read("again=4xTesla-T4:15360,in-use=1"))
    assert found(api, "again")["status"]["capacity"]["nvidia.com/gpu"] == "4"
    assert taints(api, "again") == set()
    (limits,) = [c["resources"]["limits"] for c in api.request("GET", f"{PODS}/in-use-again")["spec"]["containers"]]
    assert limits == {"nvidia.com/gpu": "1"}


def test_refusal_of_the_api_server_is_said_in_its_words(api: Client) -> None:
    with pytest.raises(ClusterError, match=r'^node wrong is refused: .*metadata\.labels: Invalid value: "a b"'):
        fake_nodes.add(api, FakeNode("wrong", labels={"a b": "c"}))


def test_node_stays_when_its_successor_is_refused(api: Client) -> None:
    fake_nodes.add(api, FakeNode("stays"))
    before = found(api, "stays")["metadata"]["uid"]
    with pytest.raises(ClusterError, match="node stays is refused"):
        fake_nodes.add(api, FakeNode("stays", labels={"a b": "c"}))
    assert found(api, "stays")["metadata"]["uid"] == before


def test_gpus_that_are_offered_replace_those_before(api: Client) -> None:
    fake_nodes.add(api, read("changed=8xNVIDIA-H200:143771,label=pool=a"))
    offer_gpus(api, "changed", FakeGpus(2, "AMD_Instinct_MI300X_OAM", 196_592))
    changed = found(api, "changed")
    assert {key for key in changed["status"]["capacity"] if "/" in key} == {"amd.com/gpu"}
    assert {key for key in changed["metadata"]["labels"] if "nvidia.com/" in key} == set()
    offer_gpus(api, "changed", None)
    changed = found(api, "changed")
    assert [key for key in (changed["status"]["allocatable"] | changed["metadata"]["labels"]) if "amd.com" in key] == []
    assert changed["metadata"]["labels"]["pool"] == "a"


def test_scheduler_puts_nothing_on_it_unless_asked_to(api: Client) -> None:
    fake_nodes.add(api, read("off=8xNVIDIA-H200:143771"))
    where, why = scheduled(api, pod("nowhere", on="off"))
    assert where is None
    assert "Too many pods" in why
    fake_nodes.add(api, read("on=8xNVIDIA-H200:143771,in-use=6,pods=110"))
    assert scheduled(api, pod("two", gpus=2, on="on")) == ("on", "")
    where, why = scheduled(api, pod("three", gpus=3, on="on"))
    assert where is None
    assert "Insufficient nvidia.com/gpu" in why


def test_gpus_in_use_are_held_by_a_pod_that_runs(api: Client) -> None:
    fake_nodes.add(api, read("m=2xNVIDIA-A100-SXM4-80GB:81920,mig-mixed=3g.40gb,in-use=3"))
    held = api.request("GET", f"{PODS}/in-use-m")
    assert held["status"]["phase"] == "Running"
    assert held["spec"]["nodeName"] == "m"
    assert held["spec"]["containers"][0]["resources"]["requests"] == {"nvidia.com/mig-3g.40gb": "3"}


@pytest.mark.usefixtures("cluster")
def test_pods_run_on_the_real_node_beside_nodes_with_more_gpus(api: Client) -> None:
    fake_nodes.add(api, read("bigger=16xNVIDIA-H200:143771"))
    try:
        for name in ("first", "second", "third"):
            assert scheduled(api, pod(name, gpus=1)) == (node.NAME, "")
    finally:
        api.request("DELETE", "/api/v1/nodes/bigger")


@pytest.mark.usefixtures("cluster")
def test_real_node_is_not_replaced(api: Client) -> None:
    before = found(api, node.NAME)["metadata"]["uid"]
    with pytest.raises(ClusterError, match="node node1 exists and is not fake"):
        fake_nodes.add(api, FakeNode(node.NAME))
    assert found(api, node.NAME)["metadata"]["uid"] == before


@pytest.mark.slow
def test_heartbeats_are_what_keeps_a_node_ready() -> None:
    own = Local(layout("test-heartbeats"))
    with brought_up(own, Level.CONTROL_PLANE):
        api = Client(own.kubeconfig)
        for name in ("kept", "forgotten"):
            fake_nodes.add(api, FakeNode(name, FakeGpus(8, "NVIDIA-H200", 143_771), in_use=1))
        api.patch_node("forgotten", {"metadata": {"annotations": {heartbeats.ANNOTATION: None}}})
        begun = time.monotonic()
        assert wait_until(lambda: ready(api, "forgotten") == "Unknown", 90)
        assert time.monotonic() - begun > 30
        time.sleep(max(0.0, begun + 65 - time.monotonic()))
        assert (ready(api, "kept"), taints(api, "kept")) == ("True", set())
        (pid,) = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if b"hack.cluster.fakes.heartbeats" in (command := path.read_bytes())
            and str(own.layout.root).encode() in command
        ]
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: ready(api, "kept") == "Unknown", 90)
        assert wait_until(lambda: "node.kubernetes.io/unreachable" in taints(api, "kept"), 10)
        assert own.status().problems[0].startswith("heartbeats ended with exit code -9")
