import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.layout import CHECKOUT
from hack.virtual_kubelet.installation import kustomization


def installed(folder: Path, kubectl_program: str) -> dict[str, list[dict[str, Any]]]:
    """What kustomize makes of the overlay, by kind."""
    base = os.path.relpath(CHECKOUT / "config" / "default", folder)
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization(base, "localhost/c:1", "localhost/p:1")))
    made = subprocess.run([kubectl_program, "kustomize", str(folder)], capture_output=True, text=True, check=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for manifest in yaml.safe_load_all(made.stdout):
        found.setdefault(manifest["kind"], []).append(manifest)
    return found


def test_installation_has_nothing_that_needs_a_service(tmp_path: Path, kubectl_program: str) -> None:
    found = installed(tmp_path, kubectl_program)
    assert not {"Service", "Secret", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} & set(found)
    assert "webhook" not in json.dumps([manifest["metadata"] for kind in found.values() for manifest in kind])
    assert all("conversion" not in manifest["spec"] for manifest in found["CustomResourceDefinition"])
    (settings,) = (
        manifest for manifest in found["ConfigMap"] if manifest["metadata"]["name"].startswith("dgdr-settings")
    )
    assert settings["data"]["DGDR_WEBHOOK__ADDRESS"] == ""
    assert settings["data"]["DGDR_PROFILING__IMAGE"] == "localhost/p:1"


def test_installation_runs_one_manager_at_its_pods_address(tmp_path: Path, kubectl_program: str) -> None:
    (deployment,) = installed(tmp_path, kubectl_program)["Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 1
    assert container["image"] == "localhost/c:1"
    assert "--health-address=$(POD_IP):8081" in container["args"]
    assert any(variable["name"] == "POD_IP" for variable in container["env"])
