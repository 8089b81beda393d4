"""What the manifests say of themselves, without a cluster."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_controller.settings import Settings

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "config"


@pytest.fixture(scope="module")
def pod(kubectl_program: str) -> Any:
    (deployment,) = [each for each in built(kubectl_program) if each["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def built(kubectl: str) -> list[Any]:
    command = [kubectl, "kustomize", str(CONFIG / "default")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


def test_every_part_is_built_and_prefixed(kubectl_program: str) -> None:
    found = [(each["kind"], each["metadata"]["name"]) for each in built(kubectl_program)]
    (settings,) = [name for kind, name in found if kind == "ConfigMap"]
    assert settings.startswith("dgdr-settings-")
    assert sorted(each for each in found if each[0] != "ConfigMap") == [
        ("ClusterRole", "dgdr-controller"),
        ("ClusterRoleBinding", "dgdr-controller"),
        ("CustomResourceDefinition", "dynamographdeploymentrequests.nvidia.com"),
        ("Deployment", "dgdr-controller"),
        ("Namespace", "dgdr-system"),
        ("Role", "dgdr-leader-election"),
        ("RoleBinding", "dgdr-leader-election"),
        ("ServiceAccount", "dgdr-controller"),
    ]


def test_every_right_is_given_for_a_reason() -> None:
    for file in ("role.yaml", "leader_election_role.yaml"):
        text = (CONFIG / "rbac" / file).read_text(encoding="utf-8")
        lines = text.partition("rules:\n")[2].splitlines()
        rules = [index for index, line in enumerate(lines) if line.startswith("  - ")]
        assert rules
        unexplained = [lines[index + 1].strip() for index in rules if not lines[index - 1].startswith("  # ")]
        # roles and rolebindings share the reason of the account before them
        assert unexplained == (["resources: [roles, rolebindings]"] if file == "role.yaml" else [])
        assert "*" not in re.sub(r"#.*", "", text)


def test_the_pod_is_locked_down(pod: Any) -> None:
    (manager,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert manager["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_lead_to_ports_that_are_there(pod: Any) -> None:
    (manager,) = pod["containers"]
    ports = {each["name"]: each["containerPort"] for each in manager["ports"]}
    assert ports == {"metrics": 8080, "health": 8081}
    assert {manager[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    assert {manager[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= set(ports)


def test_the_settings_are_ones_that_there_are(kubectl_program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable would be ignored in silence."""
    (config,) = [each for each in built(kubectl_program) if each["kind"] == "ConfigMap"]
    for name, value in config["data"].items():
        monkeypatch.setenv(name, f"{value}-seen")
    settings = Settings()
    assert (settings.profiling.image, settings.profiling.publisher_image) == (
        "profiler:latest-seen",
        "controller:latest-seen",
    )


def test_every_manifest_in_the_folders_is_used() -> None:
    for folder in (each.parent for each in CONFIG.rglob("kustomization.yaml")):
        resources = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
        there = {str(each.relative_to(folder)) for each in folder.rglob("*.yaml")} - {"kustomization.yaml"}
        assert there <= set(resources), folder
