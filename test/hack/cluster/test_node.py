import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from hack.cluster import node
from hack.cluster.api import Client
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level

pytestmark = [pytest.mark.cluster, pytest.mark.alone("node")]  # they share its GPUs


def pod(name: str, gpus: int = 0) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "main", "image": node.PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": {"limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }


def wait_for(api: Client, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    limit = time.monotonic() + 60
    while True:
        found: dict[str, Any] = api.request("GET", path)
        if holds(found) or time.monotonic() > limit:
            return found
        time.sleep(0.2)


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in found["status"].get("conditions", []) if c["type"] == kind), {})


def test_pod_with_gpus_runs_and_gpus_are_counted(cluster: Cluster, namespace: str) -> None:
    api, pods = Client(cluster.kubeconfig), f"/api/v1/namespaces/{namespace}/pods"
    api.request("POST", pods, pod("six", gpus=6))
    api.request("POST", pods, pod("four", gpus=4))
    running = wait_for(api, f"{pods}/six", lambda found: condition(found, "Ready").get("status") == "True")
    assert running["status"]["phase"] == "Running"
    assert running["status"]["podIP"].startswith("10.244.0.")
    waiting = wait_for(api, f"{pods}/four", lambda found: bool(condition(found, "PodScheduled")))
    assert "Insufficient nvidia.com/gpu" in condition(waiting, "PodScheduled")["message"]
    api.request("DELETE", f"{pods}/six")
    assert (
        wait_for(api, f"{pods}/four", lambda found: found["status"]["phase"] == "Running")["status"]["phase"]
        == "Running"
    )
    api.request("DELETE", f"{pods}/four")


def test_node_says_which_gpus_it_has(cluster: Cluster) -> None:
    found = Client(cluster.kubeconfig).request("GET", f"/api/v1/nodes/{node.NAME}")
    assert found["status"]["capacity"]["nvidia.com/gpu"] == "8"
    assert found["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H200"


def traces(cluster: Local, link: str) -> dict[str, str]:
    """Everything outside its folder by which a cluster could be noticed, its network link among it."""
    commands = {
        "mounts": "mount",
        "links": "ip -o link",
        "rules": "iptables-save",
        "cgroups": "find /sys/fs/cgroup -name dgdr*",
        "processes": "ps -ww -eo args",
    }
    printed = {
        name: subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        for name, command in commands.items()
    }
    lines = {name: text.splitlines() for name, text in printed.items()}
    # Other programs, containers of others, and clusters of other checkouts come and go meanwhile.
    lines["mounts"] = [line for line in lines["mounts"] if not line.startswith("overlay ") or cluster.name in line]
    lines["processes"] = [line for line in lines["processes"] if str(cluster.layout.root) in line]
    lines["cgroups"] = [line for line in lines["cgroups"] if cluster.name in line]
    lines["links"] = [line for line in lines["links"] if "dgdr" not in line or f" {link}@" in line]
    # Times and counters change by themselves.
    rules = (line for line in lines["rules"] if not line.startswith("#"))
    lines["rules"] = [re.sub(r"\[\d+:\d+\]", "[0:0]", line) for line in rules]
    return {name: "\n".join(told) for name, told in lines.items()}


def test_node_that_is_up_is_kept_when_less_is_asked_for(cluster: Cluster) -> None:
    before = Client(cluster.kubeconfig).request("GET", f"/api/v1/nodes/{node.NAME}")["metadata"]["uid"]
    cluster.up(Level.CONTROL_PLANE)
    assert Client(cluster.kubeconfig).request("GET", f"/api/v1/nodes/{node.NAME}")["metadata"]["uid"] == before


def test_machine_is_as_before_after_down(cluster: Cluster) -> None:
    own = Local(layout("test-traces"))
    before = traces(own, "none")
    assert before["processes"] == ""
    with brought_up(own, Level.NODE):
        link = own.layout.read_facts()["link"]
        assert Client(own.kubeconfig).server != Client(cluster.kubeconfig).server
        during = traces(own, link)
        assert {name for name in before if before[name] != during[name]} == {"links", "cgroups", "processes"}
        api, pods = Client(own.kubeconfig), "/api/v1/namespaces/default/pods"
        names = [f"pod-{number}" for number in range(12)]  # enough of them to be ending still when down goes on
        for name in names:
            api.request("POST", pods, pod(name))
        for name in names:
            wait_for(api, f"{pods}/{name}", lambda found: found["status"]["phase"] == "Running")
    limit = time.monotonic() + 10
    while traces(own, link) != before and time.monotonic() < limit:
        time.sleep(0.2)
    assert traces(own, link) == before
    assert not own.layout.root.exists()
