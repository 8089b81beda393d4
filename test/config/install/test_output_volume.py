"""The samples around the volume of the profiler's files."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api import parse_request
from dgdr_controller.profiling_job.run import output_volume
from hack.cluster.model import Cluster

SAMPLES = Path(__file__).parents[3] / "config" / "samples"
FOLDER = SAMPLES / "output-volume"


def manifest(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_request_claim_and_pod_go_together() -> None:
    claim, pod = manifest(FOLDER / "claim.yaml"), manifest(FOLDER / "access-pod.yaml")
    source = {"persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert output_volume(parse_request(manifest(SAMPLES / "keep-files.yaml"))) == source
    (volume,) = pod["spec"]["volumes"]
    assert volume == {"name": "data", **source}


def test_pod_has_the_names_of_dynamos_documents() -> None:
    pod = manifest(FOLDER / "access-pod.yaml")
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["name"] == "pvc-access-pod"
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]


@pytest.mark.cluster
def test_manifests_are_taken_where_pods_are_restricted(
    control_plane: Cluster, kubectl: Any, namespace: str, kubectl_program: str
) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=30s")
    command = [kubectl_program, f"--kubeconfig={control_plane.kubeconfig}", "-n", namespace, "apply", "-o", "json"]
    done = subprocess.run([*command, "-f", str(FOLDER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "would violate" not in done.stderr
    assert {item["kind"] for item in json.loads(done.stdout)["items"]} == {"Pod", "PersistentVolumeClaim"}
