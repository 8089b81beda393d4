"""Heartbeats of nodes that no kubelet runs: without them a node is *NotReady* after 50 s and its pods are evicted.

Run as ``python -m hack.cluster.fakes.heartbeats ROOT``, one process for each cluster. Which nodes need them says their
annotation; to see a node fail, take it away: ``kubectl annotate node NAME dgdr.nvidia.com/heartbeat-``.
"""

import datetime as dt
import sys
import time
from pathlib import Path

from hack.cluster.api import Client
from hack.cluster.layout import Layout
from hack.cluster.progress import say
from hack.cluster.supervisor import Component

ANNOTATION = "dgdr.nvidia.com/heartbeat"
_INTERVAL_S = 10
"""As a kubelet's."""
_LEASE_S = 40


def component(layout: Layout) -> Component:
    """Return how the supervisor runs it; it starts after the API server."""
    return Component("heartbeats", (sys.executable, "-m", "hack.cluster.fakes.heartbeats", str(layout.root)))


def beat(api: Client, name: str, uid: str) -> None:
    """Renew the Lease of a node, or create it; it goes with the node.

    Raises:
        OSError: The API server does not answer, or refuses.
    """
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": _LEASE_S, "renewTime": now},
    }
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
    api.request("PATCH", f"{path}?fieldManager=heartbeats&force=true", lease, "application/apply-patch+yaml")


def beat_all(api: Client) -> None:
    """Renew the Leases of all nodes that are to have heartbeats; one that fails does not keep the others back."""
    try:
        nodes = api.request("GET", "/api/v1/nodes")["items"]
    except OSError as error:
        say(f"nodes could not be listed: {error}")
        return
    for node in nodes:
        if ANNOTATION in node["metadata"].get("annotations", {}):
            try:
                beat(api, node["metadata"]["name"], node["metadata"]["uid"])
            except OSError as error:
                say(f"the Lease of {node['metadata']['name']} could not be renewed: {error}")


if __name__ == "__main__":
    administrator = Client(Layout(Path(sys.argv[1])).kubeconfig)
    while True:
        beat_all(administrator)
        time.sleep(_INTERVAL_S)
