"""Volumes and ServiceAccounts on a real API server and the virtual kubelet."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.cluster


def created(pods: Any, kind: str, name: str, data: dict[str, str]) -> None:
    metadata = {"name": name, "namespace": pods.namespace}
    pods.api.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})


def logged(pods: Any, kubectl: Callable[..., str], container: dict[str, Any], volumes: list[dict[str, Any]]) -> str:
    """What a container says that runs to its end."""
    spec = {"volumes": volumes, "restartPolicy": "Never", "automountServiceAccountToken": False}
    pods.create("p", containers=[container], **spec)
    assert pods.ended("p")["status"]["phase"] == "Succeeded", kubectl("-n", pods.namespace, "logs", "p")
    return kubectl("-n", pods.namespace, "logs", "p")


def test_config_map_and_secret_are_files(pods: Any, kubectl: Callable[..., str]) -> None:
    created(pods, "ConfigMap", "c", {"a": "from a\n", "b": "from b\n"})
    created(pods, "Secret", "s", {"k": base64.b64encode(b"from k\n").decode()})
    mounts = [{"name": "c", "mountPath": "/etc/c"}, {"name": "s", "mountPath": "/etc/s"}]
    container = pods.shell("main", "")
    container |= {"command": ["cat", "/etc/c/renamed/a", "/etc/s/k"], "args": [], "volumeMounts": mounts}
    volumes = [
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "a", "path": "renamed/a"}]}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
    ]
    assert logged(pods, kubectl, container, volumes) == "from a\nfrom k\n"


def test_downward_api_tells_of_the_pod(pods: Any, kubectl: Callable[..., str]) -> None:
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
    ]
    container = pods.shell("main", "") | {"command": ["cat", "/pod/name", "/pod/labels"], "args": []}
    container["volumeMounts"] = [{"name": "pod", "mountPath": "/pod"}]
    assert logged(pods, kubectl, container, [{"name": "pod", "downwardAPI": {"items": items}}]) == 'papp="p"'


def test_host_path_is_shared_by_pods(pods: Any, kubectl: Callable[..., str]) -> None:
    volumes = [{"name": "h", "hostPath": {"path": f"/run/{pods.namespace}", "type": "DirectoryOrCreate"}}]
    mounted = {"volumeMounts": [{"name": "h", "mountPath": "/shared"}], "env": [{"name": "F", "value": "/shared/f"}]}
    writer = pods.shell("main", 'echo shared > "$F"; exec sleep 60', **mounted)
    pods.create("writer", containers=[writer], volumes=volumes)
    pods.ready("writer")
    reader = pods.shell("main", 'until cat "$F"; do sleep 0.1; done 2>&-', **mounted)
    assert logged(pods, kubectl, reader, volumes) == "shared\n"


def test_volume_that_cannot_be_had_is_said_in_an_event(pods: Any) -> None:
    pods.create("missing", "exit 0", volumes=[{"name": "c", "configMap": {"name": "later"}}], restartPolicy="Never")
    claim = [{"name": "weights", "persistentVolumeClaim": {"claimName": "x"}}]
    pods.create("claim", "exit 0", volumes=claim, nodeName="node1")  # no scheduler, which would wait for the claim
    assert 'configmap "later" not found' in pods.event("missing", "FailedMount")
    assert 'volume "weights": a virtual node has no persistentVolumeClaim volumes' in pods.event("claim", "FailedMount")
    assert pods.state(pods.get("missing"))["waiting"]["reason"] == "ContainerCreating"
    created(pods, "ConfigMap", "later", {})
    assert pods.ended("missing")["status"]["phase"] == "Succeeded"


def test_service_account_is_who_asks(pods: Any, kubectl: Callable[..., str], kubectl_program: str) -> None:
    pods.create("p", f"{kubectl_program} auth whoami -o yaml", restartPolicy="Never")
    assert pods.ended("p")["status"]["phase"] == "Succeeded"
    told = kubectl("-n", pods.namespace, "logs", "p")
    assert f"system:serviceaccount:{pods.namespace}:default" in told
    assert "authentication.kubernetes.io/pod-name" in told


def test_service_account_may_do_what_its_roles_allow_and_no_more(
    pods: Any, kubectl: Callable[..., str], kubectl_program: str
) -> None:
    script = f"{kubectl_program} get pods -o name; {kubectl_program} get secrets"
    assert "created" in kubectl(
        *("-n", pods.namespace, "create", "rolebinding", "view", "--clusterrole=view"),
        f"--serviceaccount={pods.namespace}:default",
    )
    pods.create("p", script, restartPolicy="Never")
    pods.ended("p")
    told = kubectl("-n", pods.namespace, "logs", "p")
    assert "pod/p" in told
    assert "secrets is forbidden" in told
