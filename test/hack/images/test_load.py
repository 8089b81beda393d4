import json
import subprocess
import time
import urllib.request
from typing import Any

import pytest

from hack.cluster.api import Client
from hack.cluster.fakes import dcgm_exporter
from hack.cluster.layout import CHECKOUT
from hack.cluster.model import Cluster
from hack.images.load import load
from hack.images.names import Target
from hack.kubectl import port_forward

pytestmark = [pytest.mark.cluster, pytest.mark.images, pytest.mark.alone("node")]

LOCKED_DOWN = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def profiler(cluster: Cluster) -> str:
    """The profiler's image on the node."""
    return load(cluster, Target.PROFILER)


def pod(image: str, *arguments: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "args": list(arguments),
        "securityContext": LOCKED_DOWN,
        "volumeMounts": [{"name": "request", "mountPath": "/request"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    return {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "request", "configMap": {"name": "request"}}, {"name": "tmp", "emptyDir": {}}],
    }


def wait_for(api: Client, path: str, states: set[str]) -> dict[str, Any]:
    limit = time.monotonic() + 240
    while time.monotonic() < limit:
        found: dict[str, Any] = api.request("GET", path)
        reached = {c["type"] for c in found["status"].get("conditions", []) if c["status"] == "True"}
        if reached & states:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{path} reached none of {states}")


def test_job_of_the_profiler_image_plans_a_mounted_request(api: Client, namespace: str, profiler: str) -> None:
    text = (CHECKOUT / "config" / "samples" / "qwen3-32b.yaml").read_text()
    metadata = {"name": "request", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"dgdr.yaml": text}})
    template = {
        "metadata": {"labels": {"app": "plan"}},
        "spec": pod(profiler, "plan", "-f", "/request/dgdr.yaml", "--format", "json"),
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata | {"name": "plan"}}
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    api.request("POST", jobs, job | {"spec": {"backoffLimit": 0, "template": template}})
    done = wait_for(api, f"{jobs}/plan", {"Complete", "Failed"})
    assert [c["type"] for c in done["status"]["conditions"] if c["status"] == "True"][-1] == "Complete"
    (ran,) = api.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=app=plan")["items"]
    log = api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{ran['metadata']['name']}/log")
    results = json.loads(log[log.index(b"{\n") :]) if isinstance(log, bytes) else log
    chosen = next(c for c in results["candidates"] if c["id"] == results["selected"])
    assert results["hardware"]["totalGpus"]["value"] == 8
    assert sum(worker["count"] * worker["parallelism"]["tp"] for worker in chosen["workers"]) * chosen["replicas"] == 8


def test_logs_exec_and_port_forward_work_on_the_node(
    cluster: Cluster, api: Client, namespace: str, kubectl_program: str
) -> None:
    kubectl = [kubectl_program, f"--kubeconfig={cluster.kubeconfig}"]
    kubectl.append(f"--namespace={namespace}")
    container = {"name": "main", "image": dcgm_exporter.DCGM_IMAGE, "imagePullPolicy": "Never", "args": ["-gpus=2"]}
    metadata = {"name": "exporter", "namespace": namespace}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    wait_for(api, f"/api/v1/namespaces/{namespace}/pods/exporter", {"Ready"})
    done = subprocess.run(
        [*kubectl, "exec", "exporter", "--", "/dcgm", "-answer=nothing"], capture_output=True, text=True, check=False
    )
    assert 'no answer "nothing"' in done.stderr
    logs = subprocess.run([*kubectl, "logs", "exporter"], capture_output=True, text=True, check=True)
    assert logs.stdout == ""
    with (
        port_forward(cluster, namespace, "pod/exporter", 9400) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
    ):
        assert b'DCGM_FI_DEV_GPU_TEMP{gpu="1"' in answer.read()


def test_image_is_loaded_once(cluster: Cluster, profiler: str, capsys: pytest.CaptureFixture[str]) -> None:
    api = Client(cluster.kubeconfig)
    limit = time.monotonic() + 60  # the kubelet tells of its images now and then
    while time.monotonic() < limit:
        images = api.request("GET", f"/api/v1/nodes/{cluster.node}")["status"].get("images", [])
        if any(profiler in image["names"] for image in images):
            break
        time.sleep(1)
    assert load(cluster, Target.PROFILER) == profiler
    assert "Loading" not in capsys.readouterr().err
