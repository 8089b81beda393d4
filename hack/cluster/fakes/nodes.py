"""Nodes that are objects only, for clusters of several kinds of GPUs: nothing runs on them.

A controller sees ordinary nodes: Ready, untainted, with resources, labels and heartbeats. What keeps the scheduler off
them is ``allocatable.pods: 0``, which nothing but the scheduler looks at. A taint would be seen: whoever counts
the GPUs that a pod can get leaves tainted nodes out, rightly. Pods that are bound to a node by name get there all the
same, and hold its GPUs. A DaemonSet reckons with the node, and its pod for it stays Pending.
"""

import json
import time
import urllib.error
import zlib
from http import HTTPStatus
from typing import Any

from hack.cluster import node as real
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.fakes import heartbeats
from hack.cluster.fakes.gpus import FakeGpus
from hack.cluster.fakes.node_option import TAINT, FakeNode
from hack.cluster.layout import KUBERNETES_VERSION
from hack.cluster.progress import ClusterError

_SETTLED_S = 20.0
_PODS = "/api/v1/namespaces/default/pods"


def add(api: Client, node: FakeNode) -> None:
    """Create a node, or make it anew, and wait until its taints are those of its state.

    Raises:
        ClusterError: The API server refuses it, or the cluster does not settle.
    """
    try:
        _try(api, node)
        _remove(api, node.name)
        created = api.request("POST", "/api/v1/nodes", manifest(node))
        if node.ready:
            heartbeats.beat(api, node.name, created["metadata"]["uid"])  # the process comes by every ten seconds
        if node.in_use and node.gpus:
            _hold(api, node, node.gpus)
    except urllib.error.HTTPError as error:
        raise ClusterError(f"node {node.name} is refused: {_message(error)}") from error
    limit = time.monotonic() + _SETTLED_S
    while _taints_of_state(api, node.name) != _expected(node):
        if time.monotonic() > limit:
            raise ClusterError(f"after {_SETTLED_S:.0f} s node {node.name} is not as asked: see kubectl describe node")
        time.sleep(0.1)


def _message(error: urllib.error.HTTPError) -> str:
    with error:
        return str(json.loads(error.read()).get("message", error.reason))


def _try(api: Client, node: FakeNode) -> None:
    """Let the API server judge a node before its predecessor goes; that there is one is no objection."""
    try:
        api.request("POST", "/api/v1/nodes?dryRun=All", manifest(node))
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise
        error.close()


def _remove(api: Client, name: str) -> None:
    """Remove a node made here; one that a kubelet registered is not ours to remove."""
    try:
        found = api.request("GET", f"/api/v1/nodes/{name}")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.NOT_FOUND:
            return
        raise
    if found["status"]["nodeInfo"]["machineID"] != MACHINE:
        raise ClusterError(f"node {name} exists and is not fake; choose another name")
    for path in (f"{_PODS}/in-use-{name}", f"/api/v1/nodes/{name}"):
        try:
            api.request("DELETE", path)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != HTTPStatus.NOT_FOUND:
                raise


MACHINE = "fake"
"""Machine id of these nodes: how they are told from others where nobody else looks."""


def manifest(node: FakeNode) -> dict[str, Any]:
    """Return the node as a kubelet would have registered it."""
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
    }
    resources = {"cpu": "192", "memory": "2113389568Ki", "ephemeral-storage": "7033871172Ki"}
    resources |= {"hugepages-1Gi": "0", "hugepages-2Mi": "0"}
    if node.gpus:
        resources |= node.gpus.resources
        labels |= node.gpus.labels
    taints = [_taint(text) for text in node.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": labels | node.labels,
            "annotations": {heartbeats.ANNOTATION: "true"} if node.ready else {},
        },
        "spec": {"unschedulable": node.cordoned, "taints": taints},
        "status": {
            "capacity": resources | {"pods": "110"},
            "allocatable": resources | {"pods": str(node.pods)},
            "conditions": _conditions(ready=node.ready),
            "addresses": [
                {"type": "InternalIP", "address": _address(node.name)},
                {"type": "Hostname", "address": node.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": _node_info(),
        },
    }


def _taint(text: str) -> dict[str, str]:
    found = TAINT.fullmatch(text)
    if found is None:
        raise ClusterError(f'"{text}" is no taint: KEY=VALUE:EFFECT')
    key, value, effect = found.groups()
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _conditions(*, ready: bool) -> list[dict[str, str]]:
    good = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    lost = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    reported = good if ready else dict.fromkeys(good, lost)
    return [
        {"type": kind, "status": status, "reason": reason, "message": message} | times
        for kind, (status, reason, message) in reported.items()
    ]


def _address(name: str) -> str:
    """Return an address that leads nowhere, of the network for benchmarks (RFC 2544)."""
    number = zlib.crc32(name.encode()) % 2**16
    return f"198.18.{number // 256}.{number % 256}"


def _node_info() -> dict[str, str]:
    return {
        "machineID": MACHINE,
        "systemUUID": MACHINE,
        "bootID": MACHINE,
        "kernelVersion": "6.8.0-60-generic",
        "osImage": "Ubuntu 24.04.2 LTS",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kubeletVersion": f"v{KUBERNETES_VERSION}",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }


def _taints_of_state(api: Client, name: str) -> set[str]:
    """Return the taints by which the node lifecycle controller says what it thinks of a node."""
    found = api.request("GET", f"/api/v1/nodes/{name}")
    keys = {taint["key"] for taint in found["spec"].get("taints", [])}
    return {key for key in keys if key.startswith("node.kubernetes.io/")}


def _expected(node: FakeNode) -> set[str]:
    own = {text.partition("=")[0].partition(":")[0] for text in node.taints}
    expected = {key for key in own if key.startswith("node.kubernetes.io/")}
    if node.cordoned:
        expected.add("node.kubernetes.io/unschedulable")
    if not node.ready:
        expected.add("node.kubernetes.io/unreachable")
    return expected


def _hold(api: Client, node: FakeNode, gpus: FakeGpus) -> None:
    """Create a pod that holds GPUs of the node and counts as running."""
    name = f"in-use-{node.name}"
    limits = {gpus.resource: str(node.in_use)}
    container = {"name": "main", "image": real.PAUSE_IMAGE, "resources": {"limits": limits, "requests": limits}}
    api.request(
        "POST",
        _PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node.name,
                "containers": [container],
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 0,  # no kubelet is there to say that it has ended
            },
        },
    )
    set_running(api, f"{_PODS}/{name}")


def set_running(api: Client, path: str, address: str = "") -> None:
    """Write into the status of a pod on a fake node what its kubelet would: it runs."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    container = api.request("GET", path)["spec"]["containers"][0]
    runs = {"ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": now}}}
    status: dict[str, Any] = {
        "phase": "Running",
        "startTime": now,
        "conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready", "ContainersReady")],
        "containerStatuses": [runs | {"name": container["name"], "image": container["image"], "imageID": ""}],
    }
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    api.request("PATCH", f"{path}/status", {"status": status}, MERGE_PATCH)
