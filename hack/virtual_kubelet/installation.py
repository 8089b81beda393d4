"""Installs the controller on a virtual node: config/default without what needs a Service that leads to pods.

Left out are admission and conversion by webhook. The rules hold in the controller too; requests of v1alpha1 are not
converted.
"""

import json
import os
from pathlib import Path

from dgdr_controller.manifest import Manifest
from hack.cluster.layout import CHECKOUT
from hack.cluster.local import Local
from hack.kubectl import kubectl

_NAMESPACE = "dgdr-system"
_DEPLOYMENT = "dgdr-controller"
_CONTAINER = "/spec/template/spec/containers/0"
_PATIENCE_S = 120
_WEBHOOKS = {
    "MutatingWebhookConfiguration": "dgdr-mutating-webhook-configuration",
    "ValidatingWebhookConfiguration": "dgdr-validating-webhook-configuration",
    "Service": "dgdr-webhook-service",
    "Secret": "dgdr-webhook-server-cert",
    "Role": "dgdr-webhook-certificates",
    "RoleBinding": "dgdr-webhook-certificates",
    "ClusterRole": "dgdr-webhook-certificates",
    "ClusterRoleBinding": "dgdr-webhook-certificates",
}
"""Objects of config/webhook by kind."""


def install(cluster: Local, controller: str, profiler: str) -> None:
    """Install the controller and wait until it is ready.

    Args:
        cluster: A cluster with a virtual node.
        controller: Image of the controller.
        profiler: Image of the profiler.

    Raises:
        ClusterError: kubectl fails, or the controller does not get ready.
    """
    overlay = cluster.layout.root / "overlay"
    overlay.mkdir(exist_ok=True)
    text = json.dumps(kustomization(_relative(overlay), controller, profiler), indent=1)
    (overlay / "kustomization.yaml").write_text(text)
    kubectl(cluster, "apply", "-k", str(overlay))
    rollout = ("rollout", "status", f"deployment/{_DEPLOYMENT}", f"--timeout={_PATIENCE_S}s")
    kubectl(cluster, "-n", _NAMESPACE, *rollout)


def _relative(overlay: Path) -> str:
    """Return the path of config/default as kustomize takes it: it refuses absolute ones."""
    return os.path.relpath(CHECKOUT / "config" / "default", overlay.resolve())


def kustomization(base: str, controller: str, profiler: str) -> Manifest:
    """Return the overlay.

    Args:
        base: Path of config/default.
        controller: Image of the controller.
        profiler: Image of the profiler.
    """
    settings = {
        "DGDR_PROFILING__IMAGE": profiler,
        "DGDR_PROFILING__PUBLISHER_IMAGE": controller,
        "DGDR_WEBHOOK__ADDRESS": "",
    }
    return {
        "resources": [base],
        "replicas": [{"name": _DEPLOYMENT, "count": 1}],
        "patches": [
            *(_removal(kind, name) for kind, name in _WEBHOOKS.items()),
            _patch("CustomResourceDefinition", [{"op": "remove", "path": "/spec/conversion"}]),
            _patch("Deployment", _deployment(controller)),
        ],
        "configMapGenerator": [
            {
                "name": "settings",
                "namespace": _NAMESPACE,
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in settings.items()],
            }
        ],
    }


def _removal(kind: str, name: str) -> Manifest:
    return {
        "target": {"kind": f"^{kind}$", "name": f"^{name}$"},
        "patch": json.dumps({"$patch": "delete", "apiVersion": "v1", "kind": kind, "metadata": {"name": name}}),
    }


def _patch(kind: str, operations: list[Manifest]) -> Manifest:
    return {"target": {"kind": f"^{kind}$"}, "patch": json.dumps(operations)}


def _deployment(controller: str) -> list[Manifest]:
    """Let the manager listen on its pod's address alone: other pods use the same ports."""
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    arguments = ["manager", "--metrics-address=$(POD_IP):8080", "--health-address=$(POD_IP):8081"]
    return [
        {"op": "replace", "path": f"{_CONTAINER}/image", "value": controller},
        {"op": "replace", "path": f"{_CONTAINER}/args", "value": arguments},
        {"op": "add", "path": f"{_CONTAINER}/env/-", "value": address},
    ]
