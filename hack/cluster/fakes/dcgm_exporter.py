"""A DCGM exporter for GPUs that are not there: a pod whose metrics have the format of NVIDIA's (see ``dcgm/``)."""

import re
import time
import urllib.error
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from hack.cluster import node
from hack.cluster.api import Client
from hack.cluster.fakes.gpus import DRIVER, FakeGpus
from hack.cluster.fakes.nodes import set_running
from hack.cluster.progress import ClusterError

DCGM_IMAGE = "localhost/dcgm-exporter:local"
PORT = 9400
LABELS = {"app": "nvidia-dcgm-exporter", "app.kubernetes.io/name": "dcgm-exporter"}
"""By which discovery finds an exporter: as NVIDIA's GPU operator labels it, and its Helm chart."""

_PODS = "/api/v1/namespaces/default/pods"
_READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Exporter:
    """An exporter and what it tells.

    Attributes:
        node: Name of the node that it is the exporter of.
        gpus: GPUs of that node.
        nvlinks: NVLinks of a GPU.
        flags: More flags of the program; ``-answer=error`` and ``-delay=20s`` are ways to fail.
    """

    node: str
    gpus: FakeGpus
    nvlinks: int = 0
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of its pod."""
        return f"nvidia-dcgm-exporter-{self.node}"


def model_name(product: str) -> str:
    """Return a product's name as DCGM has it: GFD writes "-" for spaces, and some names have a "-" of their own."""
    own = re.search(r"[AV]100-(SXM\d|PCIE)-\d+GB", product)
    name = product.replace("-", " ")
    return name.replace(own[0].replace("-", " "), own[0]) if own else name


def manifest(exporter: Exporter) -> dict[str, Any]:
    """Return the exporter's pod, bound to the node that runs."""
    gpus = exporter.gpus
    flags = {
        "hostname": exporter.node,
        "product": model_name(gpus.product),
        "gpus": gpus.count,
        "memory": gpus.memory_mib,
        "nvlinks": exporter.nvlinks,
        "driver": DRIVER,
    }
    if gpus.mig:
        flags |= {"mig": gpus.mig, "mig-instances": gpus.instances, "mig-memory": gpus.instance_mib}
    container = {
        "name": "nvidia-dcgm-exporter",
        "image": DCGM_IMAGE,
        "imagePullPolicy": "Never",
        "args": [*(f"-{key}={value}" for key, value in flags.items()), *exporter.flags],
        "ports": [{"name": "metrics", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": exporter.name, "labels": dict(LABELS)},
        "spec": {
            "nodeName": node.NAME,
            "containers": [container],
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 1,
        },
    }


def start(api: Client, exporter: Exporter) -> str:
    """Start an exporter, anew when the node has one; return the path of the pod that discovery finds.

    On a fake node no pod runs. There it is a pod that is said to run, with the address of one that does, on the real
    node and without the labels.

    Raises:
        ClusterError: It does not get ready.
    """
    pod = manifest(exporter)
    if exporter.node == node.NAME:
        _create(api, pod)
        _address(api, exporter.name)
        return f"{_PODS}/{exporter.name}"
    server = pod | {"metadata": {"name": f"{exporter.name}-server"}}
    _create(api, server)
    pod["spec"] |= {"nodeName": exporter.node, "terminationGracePeriodSeconds": 0}
    _create(api, pod)
    set_running(api, f"{_PODS}/{exporter.name}", _address(api, f"{exporter.name}-server"))
    return f"{_PODS}/{exporter.name}"


def stop(api: Client, name: str) -> None:
    """Remove an exporter's pod at once; nothing happens where there is none."""
    try:
        api.request("DELETE", f"{_PODS}/{name}?gracePeriodSeconds=0")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != HTTPStatus.NOT_FOUND:
            raise


def _create(api: Client, pod: dict[str, Any]) -> None:
    stop(api, pod["metadata"]["name"])
    api.request("POST", _PODS, pod)


def _address(api: Client, name: str) -> str:
    """Wait until a pod is ready; return its address."""
    limit = time.monotonic() + _READY_S
    while time.monotonic() < limit:
        status = api.request("GET", f"{_PODS}/{name}")["status"]
        if any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])):
            return str(status["podIP"])
        time.sleep(0.1)
    raise ClusterError(f"after {_READY_S:.0f} s pod {name} is not ready; see kubectl describe pod {name}")
