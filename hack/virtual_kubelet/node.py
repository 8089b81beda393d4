"""The node's object and Lease."""

import asyncio
import os
import platform
from datetime import UTC, datetime

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import AlreadyExistsError, Client, Key, NotFoundError, RequestError
from dgdr_controller.runtime.log import get_logger
from hack.cluster.layout import KUBERNETES_VERSION
from hack.cluster.node import NAME
from hack.virtual_kubelet.addresses import HOST
from hack.virtual_kubelet.clock import timestamp
from hack.virtual_kubelet.kinds import LEASES, NODES

TYPE_LABEL = "type"
VIRTUAL = "virtual-kubelet"
"""Value of the label that tells virtual nodes from others; the name is the field's own."""
_LEASE_NAMESPACE = "kube-node-lease"
_LEASE_S, _INTERVAL_S = 40, 10
_PODS = "110"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
log = get_logger(__name__)


def manifest() -> Manifest:
    """Return the node as it is registered."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    labels = {
        "kubernetes.io/hostname": NAME,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        TYPE_LABEL: VIRTUAL,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": labels}}


def status(port: int) -> Manifest:
    """Return the status of the node, without what others have added to it, such as GPUs.

    Args:
        port: Where the kubelet's server listens.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    resources = {"cpu": str(os.cpu_count()), "memory": f"{memory}Ki", "pods": _PODS}
    return {
        "capacity": resources,
        "allocatable": resources,
        "conditions": _conditions(),
        "addresses": [{"type": "InternalIP", "address": HOST}, {"type": "Hostname", "address": NAME}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": _node_info(),
    }


def _conditions() -> list[Manifest]:
    good = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "virtual kubelet is posting ready status"),
    }
    times = {"lastHeartbeatTime": timestamp(), "lastTransitionTime": timestamp()}
    return [
        {"type": kind, "status": status, "reason": reason, "message": message} | times
        for kind, (status, reason, message) in good.items()
    ]


def _node_info() -> Manifest:
    return {
        "machineID": VIRTUAL,
        "systemUUID": VIRTUAL,
        "bootID": VIRTUAL,
        "kernelVersion": platform.release(),
        "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "containerRuntimeVersion": "processes://1",
        "kubeletVersion": f"v{KUBERNETES_VERSION}",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }


def is_ready(node: Manifest) -> bool:
    """Say whether a node counts as ready."""
    found = node.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in found)


async def run(client: Client, port: int) -> None:
    """Keep the node registered and ready until cancelled.

    Args:
        client: Asks the API server, as the node.
        port: Where the kubelet's server listens.
    """
    begun = True
    while True:
        try:
            node = await _registered(client)
            await _renew_lease(client, node["metadata"]["uid"])
            if begun or not is_ready(node):
                change = {"status": status(port)}
                await client.patch(NODES, Key("", NAME), change, subresource="status")
            begun = False
        except RequestError as error:
            log.warning("Cannot write the node's status", error=error)
        await asyncio.sleep(_INTERVAL_S)


async def _registered(client: Client) -> Manifest:
    """Return the node's object, created if it is not there."""
    try:
        return await client.get(NODES, Key("", NAME))
    except NotFoundError:
        pass
    try:
        return await client.create(NODES, manifest())
    except AlreadyExistsError:
        return await client.get(NODES, Key("", NAME))


async def _renew_lease(client: Client, uid: str) -> None:
    owner = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": NAME, "uid": uid}
    renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "metadata": {"namespace": _LEASE_NAMESPACE, "name": NAME, "ownerReferences": [owner]},
        "spec": {"holderIdentity": NAME, "leaseDurationSeconds": _LEASE_S, "renewTime": renewed},
    }
    await client.apply(LEASES, lease)
