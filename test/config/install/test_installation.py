"""What `make deploy` installs, on a control plane of its own, with the rights that the cluster really grants.

There is no node: pods are made and wait. That is enough to see that the API server admits all of it.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.golden import golden

pytestmark = [pytest.mark.cluster, pytest.mark.alone("install")]  # one cluster, used in turn

Installer = Any  # test modules do not import each other
ROOT = Path(__file__).parents[3]
SYSTEM = "dgdr-system"
CONTROLLER = f"system:serviceaccount:{SYSTEM}:dgdr-controller"


def test_manifests_are_taken_with_strict_validation(deployed: Installer) -> None:
    whole = deployed.make("build-installer") + (ROOT / "dist" / "install.yaml").read_text(encoding="utf-8")
    said = deployed.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-", stdin=whole
    )
    assert len(said.splitlines()) == len(list(yaml.safe_load_all(whole)))
    assert "unchanged" in deployed.make("deploy")


@pytest.mark.parametrize("what", ["dgdr.spec --recursive", "dgdr.spec.sla", "dgdr.spec.overrides", "dgdr.status"])
def test_kubectl_explains_it(deployed: Installer, what: str) -> None:
    """Read the file and see whether a user would understand; ``GOLDEN=write`` writes what kubectl says now."""
    limit = time.monotonic() + 20
    while True:
        try:
            said = deployed.kubectl("explain", *what.split())
            break
        except AssertionError:  # the API server publishes what it knows of a new CRD a little later
            if time.monotonic() > limit:
                raise
            time.sleep(0.5)
    file = Path(__file__).parent / "golden" / f"explain-{what.replace(' ', '')}.txt"
    assert said == golden(file, said)


def test_pod_is_admitted_where_only_restricted_pods_are(deployed: Installer) -> None:
    limit = time.monotonic() + 20
    while len(pods := json.loads(deployed.kubectl("get", "pods", "-n", SYSTEM, "-o", "json"))["items"]) < 2:
        events = deployed.kubectl("get", "events", "-n", SYSTEM)
        assert time.monotonic() < limit, events
        time.sleep(0.2)
    for pod in pods:
        assert pod["metadata"]["name"].startswith("dgdr-controller-")
        assert pod["spec"]["containers"][0]["image"] == deployed.images["IMG"]
        assert pod["spec"]["serviceAccountName"] == "dgdr-controller"


def test_images_that_were_named_reach_the_settings(deployed: Installer) -> None:
    (settings,) = [
        config_map["data"]
        for config_map in json.loads(deployed.kubectl("get", "configmaps", "-n", SYSTEM, "-o", "json"))["items"]
        if config_map["metadata"]["name"].startswith("dgdr-settings-")
    ]
    assert settings == {
        "DGDR_PROFILING__IMAGE": deployed.images["PROFILER_IMG"],
        "DGDR_PROFILING__MEASURER_IMAGE": deployed.images["MEASURER_IMG"],
        "DGDR_PROFILING__PUBLISHER_IMAGE": deployed.images["IMG"],
        "DGDR_WEBHOOK__ADDRESS": ":9443",
        "DGDR_WEBHOOK__CERTIFICATES": "self-managed",
    }


REQUESTS, GRAPHS = "nvidia.com/dynamographdeploymentrequests", "nvidia.com/dynamographdeployments"
RBAC, EVENTS, LEASES = "rbac.authorization.k8s.io/", "events", "coordination.k8s.io/leases"
RIGHTS = {
    REQUESTS: "get list watch patch",
    f"{REQUESTS}:status": "patch",
    GRAPHS: "get list watch create patch delete",
    "batch/jobs": "get list watch create delete",
    "pods": "list watch",
    "pods:log": "",
    "configmaps": "get list watch create patch delete",
    "serviceaccounts": "get create patch",
    f"{RBAC}roles": "get create patch",
    f"{RBAC}rolebindings": "get create patch",
    "persistentvolumeclaims": "get",
    "nodes": "list watch",
    EVENTS: "create patch",
    LEASES: "",
    "secrets": "",
    "pods:exec": "",
    "pods:portforward": "",
    "serviceaccounts:token": "",
    f"{REQUESTS}:finalizers": "",
    "apiextensions.k8s.io/customresourcedefinitions": "",
    f"{RBAC}clusterroles": "",
    f"{RBAC}clusterrolebindings": "",
    "apps/deployments": "get list watch create patch delete",
    "services": "get create patch",
    "networking.k8s.io/networkpolicies": "get create patch",
    "namespaces": "",
}
VERBS = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
]


@pytest.mark.parametrize("resource", RIGHTS)
def test_controller_may_do_this_and_nothing_else(deployed: Installer, resource: str) -> None:
    assert [verb for verb in VERBS if deployed.may(verb, resource, "default")] == [
        verb for verb in VERBS if verb in RIGHTS[resource].split()
    ]


def test_controller_may_hold_its_own_lease_alone(deployed: Installer) -> None:
    held = [verb for verb in VERBS if deployed.may(verb, LEASES, SYSTEM, "dgdr-controller")]
    assert held == ["get", "create", "update"]
    assert [verb for verb in VERBS if deployed.may(verb, LEASES, SYSTEM, "another")] == ["create"]


def test_controller_may_see_the_token_for_gated_models_and_no_other_secret(deployed: Installer) -> None:
    assert [verb for verb in VERBS if deployed.may(verb, "secrets", "default", "hf-token-secret")] == ["get"]
    assert [verb for verb in VERBS if deployed.may(verb, "secrets", "default", "another")] == []


def role(verbs: list[str], resource: str = "configmaps") -> str:
    metadata = {"name": "dgdr-output-qwen", "namespace": "default"}
    rule = {"apiGroups": [""], "resources": [resource], "resourceNames": ["dgdr-output-qwen"], "verbs": verbs}
    kind: dict[str, Any] = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata}
    return json.dumps(kind | {"rules": [rule]})


def test_controller_may_grant_what_the_publisher_needs(deployed: Installer) -> None:
    deployed.kubectl("apply", "--server-side", f"--as={CONTROLLER}", "-f", "-", stdin=role(["get", "patch"]))
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "dgdr-output-qwen", "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dgdr-output-qwen"},
        "subjects": [{"kind": "ServiceAccount", "name": "dgdr-profiling-job", "namespace": "default"}],
    }
    deployed.kubectl("apply", "--server-side", f"--as={CONTROLLER}", "-f", "-", stdin=json.dumps(binding))


@pytest.mark.parametrize(("verbs", "resource"), [(["get"], "secrets"), (["update"], "configmaps")])
def test_controller_may_grant_nothing_that_it_has_not_itself(
    deployed: Installer, verbs: list[str], resource: str
) -> None:
    with pytest.raises(AssertionError, match="attempting to grant RBAC permissions not currently held"):
        deployed.kubectl("apply", "--server-side", f"--as={CONTROLLER}", "-f", "-", stdin=role(verbs, resource))
