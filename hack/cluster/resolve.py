"""Which cluster is meant: one that is given, else kind's where Docker works, else one made of processes."""

import os
from pathlib import Path

from hack.cluster import docker
from hack.cluster.existing import Existing
from hack.cluster.kind import Kind
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster
from hack.cluster.progress import ClusterError


def resolve(context: str | None = None, purpose: str = "", *, docker_too: bool = True) -> Cluster:
    """Return the cluster to use.

    Args:
        context: Context of a kubeconfig; with ``DGDR_KUBECONFIG`` of that one, else of kubectl's own.
        purpose: What it is for, where it is to be apart from the developer's own.
        docker_too: Whether kind's will do.
    """
    found_layout = layout(purpose)
    source = os.environ.get("DGDR_KUBECONFIG")
    if source and not any(Path(path).is_file() for path in source.split(os.pathsep)):
        raise ClusterError(f"DGDR_KUBECONFIG={source} does not exist: correct it, or unset it for a cluster made here")
    if source or context:
        return Existing(found_layout, source, context)
    is_there = found_layout.facts.exists()  # a cluster of processes
    if docker_too and docker.answers() and not is_there:
        return Kind(found_layout)
    return Local(found_layout)
