"""The rights that config/ grants, beside what the controller asked the API server for, as its audit log has it."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.journey import Journey
from hack.cluster.api import Client, opener
from hack.cluster.control_plane import audit_log
from hack.cluster.local import Local
from hack.kubectl import kubectl, port_forward

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]

Right = tuple[str, str, str]
"""Group, resource with its part, verb."""
DECISION = "authorization.k8s.io/decision"
ACCOUNT = "system:serviceaccount:dgdr-system:dgdr-controller"
FOR_RARE_CASES = {
    "list": "servers that cannot stream lists, and pages after a watch that came too late",
    "nvidia.com dynamographdeploymentrequests get": "a results page is granted it",
    " services create": "a patch that applies what is not there takes it, and is logged as a patch",
    "apps deployments create": "the same",
    "networking.k8s.io networkpolicies create": "the same",
    "apps deployments delete": "autoApply is switched on after a page was there",
    "nvidia.com dynamographdeployments get": "a deployment of the name exists that the watch has not told of",
    "nvidia.com dynamographdeployments patch": "somebody has one of an earlier request changed in place",
    "nvidia.com dynamographdeployments delete": "a thorough search takes down what it has measured",
    "batch jobs get": "a Job of the name exists that the watch has not told of",
    " configmaps delete": "a result for other inputs is in the way",
    " events patch": "an event repeats itself",
    " serviceaccounts get": "a request names a ServiceAccount of its own",
    " persistentvolumeclaims get": "a request has a model cache",
    " secrets get": "a request has a gated model",
    " serviceaccounts create": "a patch that applies what is not there takes it, and is logged as a patch",
    "rbac.authorization.k8s.io roles create": "the same",
    "rbac.authorization.k8s.io rolebindings create": "the same",
    "coordination.k8s.io leases create": "the first start in a cluster, perhaps before the log begins",
    "coordination.k8s.io leases update": "the first renewal",
}


def asked(log: Path) -> Iterator[tuple[Right, bool]]:
    """What the controller has asked for, and whether it may do that."""
    for line in log.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        about = found.get("objectRef")
        if found["user"]["username"] == ACCOUNT and about and "responseStatus" in found:
            resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
            yield (about.get("apiGroup", ""), resource, found["verb"]), found["annotations"][DECISION] == "allow"


def granted(cluster: Local) -> set[Right]:
    """What the controller's roles grant."""
    rules: list[Any] = []
    for kind, names in (
        ("clusterroles", ("dgdr-controller", "dgdr-webhook-certificates", "dgdr-metrics-auth")),
        ("roles", ("dgdr-leader-election", "dgdr-webhook-certificates")),
    ):
        for name in names:
            rules += json.loads(kubectl(cluster, "-n", "dgdr-system", "get", kind, name, "-o", "json"))["rules"]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def scraped(cluster: Local, namespace: str) -> str:
    """Read metrics as Prometheus does: with the token of an account that has the ClusterRole for it."""
    kubectl(cluster, "-n", namespace, "create", "serviceaccount", "prometheus")
    binding = ("create", "clusterrolebinding", f"{namespace}-metrics", "--clusterrole=dgdr-metrics-reader")
    kubectl(cluster, *binding, f"--serviceaccount={namespace}:prometheus")
    token = kubectl(cluster, "-n", namespace, "create", "token", "prometheus").strip()
    unverified = ssl._create_unverified_context()  # noqa: S323 - its certificate signs itself
    try:
        with port_forward(cluster, "dgdr-system", "deployment/dgdr-controller", 8080) as port:
            request = urllib.request.Request(f"https://127.0.0.1:{port}/metrics")
            request.add_header("Authorization", f"Bearer {token}")
            with opener(urllib.request.HTTPSHandler(context=unverified)).open(request, timeout=10) as answer:
                return str(answer.read().decode())
    finally:
        kubectl(cluster, "delete", "clusterrolebinding", f"{namespace}-metrics")


def test_rights_are_all_there_and_all_used(dynamo: Local, api: Client, namespace: str) -> None:
    assert "controller_runtime_reconcile_total" in scraped(dynamo, namespace)
    with Journey(api, namespace, "rights") as journey:
        journey.apply(backend="vllm", workload={"isl": 40_000})
        assert journey.reaches("Failed") == "Failed"
        api.request("PATCH", journey.path, {"spec": {"workload": None}}, "application/merge-patch+json")
        assert journey.reaches("Deployed", seconds=240) == "Deployed", (
            journey.status()["conditions"][-1],
            kubectl(dynamo, "get", "pods", "-A", "-o", "wide"),
        )
    api.request("DELETE", journey.graph_path)
    seen = list(asked(audit_log(dynamo.layout)))
    assert {right for right, may in seen if not may} == set()
    rights = granted(dynamo)
    unused = rights - {right for right, _ in seen}
    assert {
        right for right in unused if right[2] not in FOR_RARE_CASES and " ".join(right) not in FOR_RARE_CASES
    } == set()
