import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from hack.cluster import api, local, node
from hack.cluster.layout import Layout, layout
from hack.cluster.local import Level

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, gpus: int = 0) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "main", "image": node.PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": {"limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }


def wait_for(cluster: Layout, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    limit = time.monotonic() + 60
    while True:
        found: dict[str, Any] = api.request(cluster, "GET", f"{PODS}/{name}")
        if holds(found) or time.monotonic() > limit:
            return found
        time.sleep(0.2)


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in found["status"].get("conditions", []) if c["type"] == kind), {})


def test_a_pod_with_gpus_runs_and_gpus_are_counted(cluster: Layout) -> None:
    api.request(cluster, "POST", PODS, pod("six", gpus=6))
    api.request(cluster, "POST", PODS, pod("four", gpus=4))
    running = wait_for(cluster, "six", lambda found: condition(found, "Ready").get("status") == "True")
    assert running["status"]["phase"] == "Running"
    assert running["status"]["podIP"].startswith("10.244.0.")
    waiting = wait_for(cluster, "four", lambda found: bool(condition(found, "PodScheduled")))
    assert "Insufficient nvidia.com/gpu" in condition(waiting, "PodScheduled")["message"]
    api.request(cluster, "DELETE", f"{PODS}/six")
    assert (
        wait_for(cluster, "four", lambda found: found["status"]["phase"] == "Running")["status"]["phase"] == "Running"
    )
    api.request(cluster, "DELETE", f"{PODS}/four")


def test_the_node_says_which_gpus_it_has(cluster: Layout) -> None:
    found = api.request(cluster, "GET", f"/api/v1/nodes/{node.NAME}")
    assert found["status"]["capacity"]["nvidia.com/gpu"] == "8"
    assert found["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H200"


def traces(place: Layout) -> dict[str, str]:
    """Everything outside its folder by which a cluster could be noticed."""
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
    # Other programs, and clusters of other checkouts, come and go meanwhile.
    lines["processes"] = [line for line in lines["processes"] if str(place.root) in line]
    lines["cgroups"] = [line for line in lines["cgroups"] if place.name in line]
    link = place.read_facts().get("link", "none")
    lines["links"] = [line for line in lines["links"] if "dgdr" not in line or f" {link}@" in line]
    return {name: "\n".join(told) for name, told in lines.items()}


def test_after_down_the_machine_is_as_before(cluster: Layout) -> None:
    place = layout("test-traces")
    before = traces(place)
    assert before["processes"] == ""
    local.up(place, Level.NODE)
    try:
        assert place.read_facts()["server"] != cluster.read_facts()["server"]
        during = traces(place)
        assert {name for name in before if before[name] != during[name]} == {"links", "cgroups", "processes"}
    finally:
        local.down(place)
    limit = time.monotonic() + 10
    while traces(place) != before and time.monotonic() < limit:
        time.sleep(0.2)
    assert traces(place) == before
    assert not place.root.exists()
