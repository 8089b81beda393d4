"""Images of this checkout on the nodes of a cluster."""

from hack.cluster.api import Client
from hack.cluster.fakes.nodes import MACHINE
from hack.cluster.model import Cluster
from hack.images import names
from hack.images.build import build
from hack.images.inputs import content_hash
from hack.images.names import Target


def load(cluster: Cluster, target: Target) -> str:
    """Build an image and put it on the cluster's nodes, unless they say that they have it; return its name.

    Raises:
        ClusterError: It cannot be built or loaded.
    """
    name = names.image(target, content_hash(target))
    archive = build(target)
    nodes = Client(cluster.kubeconfig).request("GET", "/api/v1/nodes")["items"]
    machines = [
        node["status"].get("images", []) for node in nodes if node["status"]["nodeInfo"]["machineID"] != MACHINE
    ]
    if not all(any(name in (image.get("names") or ()) for image in images) for images in machines):
        cluster.load(archive)
    return name
