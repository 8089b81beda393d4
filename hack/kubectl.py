"""kubectl, led to one cluster."""

import contextlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator

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


@contextlib.contextmanager
def port_forward(cluster: Cluster, namespace: str, target: str, port: int) -> Iterator[int]:
    """Forward a free local port to one of a pod or a Deployment (``deployment/NAME``); yield the local one."""
    command = [program(), "--namespace", namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(command, env=environment(cluster), stdout=subprocess.PIPE, text=True) as forwarding:  # noqa: S603 - the same
        try:
            yield _local_port(forwarding)
        finally:
            forwarding.terminate()


@contextlib.contextmanager
def steady_port_forward(cluster: Cluster, namespace: str, target: str, port: int) -> Iterator[int]:
    """Forward a local port as long as it is wanted: kubectl ends with the first connection that the pod resets."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        local = int(free.getsockname()[1])
    command = [program(), "--namespace", namespace, "port-forward", target, f"{local}:{port}"]
    ended = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def forward() -> None:
        while not ended.wait(0.2):
            silent = subprocess.DEVNULL
            with subprocess.Popen(command, env=environment(cluster), stdout=silent, stderr=silent) as process:  # noqa: S603 - the same
                running[:] = [process]

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        yield local
    finally:
        ended.set()
        while thread.is_alive():  # one may begin just now
            for process in running:
                process.terminate()
            thread.join(0.1)


def _local_port(forwarding: "subprocess.Popen[str]") -> int:
    """Return the port in kubectl's first line: ``Forwarding from 127.0.0.1:40123 -> 8080``."""
    line = forwarding.stdout.readline() if forwarding.stdout else ""
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    if found is None:
        raise ClusterError(f"kubectl port-forward has not begun: {line.strip() or 'it has ended'}")
    return int(found[1])


def environment(cluster: Cluster) -> dict[str, str]:
    """Return what leads programs to the cluster."""
    return (without_proxies() if cluster.ours else dict(os.environ)) | {"KUBECONFIG": str(cluster.kubeconfig)}
