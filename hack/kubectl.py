"""kubectl, led to one cluster."""

import os
import subprocess

from hack.cluster.api import without_proxies
from hack.cluster.binaries import kubectl as program
from hack.cluster.model import Cluster
from hack.cluster.progress import ClusterError


def kubectl(cluster: Cluster, *arguments: str) -> str:
    """Run kubectl on the cluster; return what it prints.

    Raises:
        ClusterError: It fails.
    """
    done = subprocess.run(  # noqa: S603 - kubectl, with our arguments
        [program(), *arguments],
        env=environment(cluster),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def environment(cluster: Cluster) -> dict[str, str]:
    """Return what leads programs to the cluster."""
    return (without_proxies() if cluster.ours else dict(os.environ)) | {"KUBECONFIG": str(cluster.kubeconfig)}
