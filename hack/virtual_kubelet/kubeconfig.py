"""A kubeconfig in place of the files that clients look for at a path that cannot be mounted."""

import json
from pathlib import Path

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.launch import SERVICE_ACCOUNT, Sandbox
from hack.virtual_kubelet.volumes import mounts


def write(path: str, sandbox: Sandbox, container: Manifest, server: str) -> None:
    """Write the kubeconfig of a container's ServiceAccount; its token is read from the volume, where it is renewed.

    Args:
        path: Where to.
        sandbox: The container's pod.
        container: A container that mounts the account's token at the well-known path.
        server: URL of the API server.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    account = mounts(container, sandbox.mount_paths)[SERVICE_ACCOUNT]
    Path(path).write_text(json.dumps(content(account, sandbox.pod, server)))


def content(folder: str, pod: Manifest, server: str) -> Manifest:
    """Return the kubeconfig.

    Args:
        folder: The volume with ``token`` and ``ca.crt``.
        pod: The pod, whose namespace is the default one.
        server: URL of the API server.
    """
    namespace = pod["metadata"]["namespace"]
    context = {"cluster": "cluster", "user": "service-account", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "cluster", "cluster": {"server": server, "certificate-authority": f"{folder}/ca.crt"}}],
        "users": [{"name": "service-account", "user": {"tokenFile": f"{folder}/token"}}],
        "contexts": [{"name": "pod", "context": context}],
    }
