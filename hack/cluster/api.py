"""The few requests that bringing a cluster up needs, with verified TLS and the administrator's certificate."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from hack.cluster.control_plane import ADMIN
from hack.cluster.layout import Layout

_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "EndpointSlice": "endpointslices",
    "Node": "nodes",
    "Service": "services",
}
_MERGE_PATCH = "application/merge-patch+json"


def request(layout: Layout, method: str, path: str, body: object = None, content: str = "application/json") -> Any:
    """Send a request; return the decoded answer.

    Raises:
        OSError: The API server does not answer, or answers with an error (`urllib.error.HTTPError`).
    """
    pki = layout.certificates
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / f"{ADMIN.file}.crt", pki / f"{ADMIN.file}.key")
    asked = urllib.request.Request(  # noqa: S310 - our own API server
        f"{layout.read_facts()['server']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": content},
    )
    with urllib.request.urlopen(asked, context=context, timeout=5) as answer:  # noqa: S310 - the same
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else text


def is_ready(layout: Layout) -> bool:
    """Say whether the API server is ready."""
    try:
        return bool(request(layout, "GET", "/readyz") == b"ok")
    except (OSError, KeyError):
        return False


def admits_pods(layout: Layout) -> bool:
    """Say whether the default namespace has its service account, without which pods are refused."""
    try:
        request(layout, "GET", "/api/v1/namespaces/default/serviceaccounts/default")
    except urllib.error.HTTPError:
        return False
    return True


def node_is_ready(layout: Layout, name: str) -> bool:
    """Say whether a node has registered and is ready."""
    try:
        found = request(layout, "GET", f"/api/v1/nodes/{name}")
    except urllib.error.HTTPError:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", []))


def create(layout: Layout, manifest: dict[str, Any]) -> None:
    """Create an object of one of the kinds that a new cluster gets."""
    version = manifest["apiVersion"]
    namespace = manifest["metadata"].get("namespace")
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    request(layout, "POST", f"{group}{place}/{_PLURALS[manifest['kind']]}", manifest)


def patch_node(layout: Layout, name: str, change: object, subresource: str = "") -> None:
    """Merge a change into a node (``subresource`` "/status": into its status)."""
    request(layout, "PATCH", f"/api/v1/nodes/{name}{subresource}", change, _MERGE_PATCH)
