"""The objects that serve a request's results page in the cluster. The same inputs, the same bytes.

Its server listens on the loopback of its pod alone: who may forward a port reaches it, and nobody else. Its account may
read this request, its results and its deployment, and annotate this request.
"""

from dgdr_api.names import (
    ANNOTATION_INPUTS,
    ANNOTATION_UID,
    GROUP,
    LABEL_NAME,
    output_name,
    results_page_name,
)
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import containers
from dgdr_controller.profiling_job.builder import labels, owner_reference
from dgdr_controller.profiling_job.run import digest
from dgdr_controller.settings import Settings

_PORT = 8080
_APP = {"app.kubernetes.io/name": "dgdr-results-page"}
_PYTHON = "/opt/dgdr/bin/python3"
_CONNECTS = f"import socket; socket.create_connection(('127.0.0.1', {_PORT}), 5).close()"
"""What a probe runs: nothing of the package, which would take ten times as long."""
_READ = ["get", "list", "watch"]


def results_page(request: DynamoGraphDeploymentRequest, graph: str, settings: Settings) -> list[Manifest]:
    """Return the objects, the Deployment last: when it is there, and of these inputs, everything is.

    Args:
        request: The request.
        graph: Name of its deployment.
        settings: The installation's settings.
    """
    made = [
        _service_account(request),
        _role(request, graph),
        _role_binding(request),
        _network_policy(request),
        _service(request),
        _deployment(request, graph, settings),
    ]
    inputs = digest(made)
    for manifest in made:
        manifest["metadata"]["annotations"][ANNOTATION_INPUTS] = inputs
    return made


def _metadata(request: DynamoGraphDeploymentRequest) -> Manifest:
    return {
        "name": results_page_name(request.metadata.name),
        "namespace": request.metadata.namespace,
        "labels": labels(request) | _APP,
        "annotations": {ANNOTATION_UID: request.metadata.uid},
        "ownerReferences": [owner_reference(request)],
    }


def _selected(request: DynamoGraphDeploymentRequest) -> Manifest:
    return _APP | {LABEL_NAME: request.metadata.name}


def _service_account(request: DynamoGraphDeploymentRequest) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(request)}


def _role(request: DynamoGraphDeploymentRequest, graph: str) -> Manifest:
    name = request.metadata.name

    def rule(group: str, resource: str, named: str, verbs: list[str]) -> Manifest:
        return {"apiGroups": [group], "resources": [resource], "resourceNames": [named], "verbs": verbs}

    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(request),
        "rules": [
            rule(GROUP, "dynamographdeploymentrequests", name, [*_READ, "patch"]),
            rule(GROUP, "dynamographdeployments", graph, _READ),
            rule("", "configmaps", output_name(name), _READ),
        ],
    }


def _role_binding(request: DynamoGraphDeploymentRequest) -> Manifest:
    metadata = _metadata(request)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": metadata["name"], "namespace": metadata["namespace"]}],
    }


def _network_policy(request: DynamoGraphDeploymentRequest) -> Manifest:
    """Return the policy by which nothing in the cluster reaches the pod; a forwarded port does not come that way."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(request),
        "spec": {"podSelector": {"matchLabels": _selected(request)}, "policyTypes": ["Ingress"]},
    }


def _service(request: DynamoGraphDeploymentRequest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(request),
        "spec": {
            "selector": _selected(request),
            "ports": [{"name": "http", "port": 80, "targetPort": _PORT, "protocol": "TCP"}],
        },
    }


def _deployment(request: DynamoGraphDeploymentRequest, graph: str, settings: Settings) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(request),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _selected(request)},
            "template": {
                "metadata": {"labels": labels(request) | _selected(request)},
                "spec": _pod(request, graph, settings),
            },
        },
    }


def _pod(request: DynamoGraphDeploymentRequest, graph: str, settings: Settings) -> Manifest:
    metadata, profiling = request.metadata, settings.profiling
    probe = {"exec": {"command": [_PYTHON, "-S", "-E", "-c", _CONNECTS]}, "timeoutSeconds": 10}
    return {
        "serviceAccountName": results_page_name(metadata.name),
        "enableServiceLinks": False,
        "securityContext": containers.of_pod(),
        "imagePullSecrets": [{"name": name} for name in profiling.pull_secrets],
        "containers": [
            {
                "name": "results",
                "image": profiling.publisher_image,
                "imagePullPolicy": profiling.pull_policy,
                "args": [
                    "results",
                    f"--name={metadata.name}",
                    f"--namespace={metadata.namespace}",
                    f"--deployment={graph}",
                    f"--port={_PORT}",
                ],
                "env": _environment(settings),
                "ports": [{"name": "http", "containerPort": _PORT, "protocol": "TCP"}],
                "startupProbe": probe | {"periodSeconds": 2, "failureThreshold": 60},
                "readinessProbe": probe | {"periodSeconds": 60},
                "livenessProbe": probe | {"periodSeconds": 120},
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "160Mi"}},
                "securityContext": containers.locked_down(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
    }


def _environment(settings: Settings) -> list[Manifest]:
    """Return the settings that deployments are rendered with: the page's are those of the controller."""
    dynamo = settings.dynamo
    values = {
        "DGDR_DYNAMO__REGISTRY": dynamo.registry,
        "DGDR_DYNAMO__VERSION": dynamo.version,
        "DGDR_DYNAMO__TRUST_REMOTE_CODE": str(dynamo.trust_remote_code).lower(),
        "DGDR_HF_TOKEN_SECRET": settings.hf_token_secret,
        "DGDR_PROMETHEUS_ENDPOINT": settings.prometheus_endpoint,
    }
    return [{"name": name, "value": value} for name, value in values.items()]
