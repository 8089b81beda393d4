"""Which cluster is meant: one that is given, else kind's where Docker works, else one made of processes."""

import os

from hack.cluster.given import Given
from hack.cluster.kind import Kind, docker_works
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster


def resolve(context: str | None = None, purpose: str = "") -> Cluster:
    """Return the cluster to use.

    Args:
        context: Context of a kubeconfig; with ``DGDR_KUBECONFIG`` of that one, else of kubectl's own.
        purpose: What it is for, where it is to be apart from the developer's own.
    """
    place = layout(purpose)
    source = os.environ.get("DGDR_KUBECONFIG")
    if source or context:
        return Given(place, source, context)
    if docker_works() and not place.facts.exists():  # which tells of a cluster of processes that is there already
        return Kind(place)
    return Local(place)
