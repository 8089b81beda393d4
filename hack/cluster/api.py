"""The few requests that bringing a cluster up and testing it need, with verified TLS."""

import base64
import functools
import json
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.progress import ClusterError

_TIMEOUT_S = 10.0
MERGE_PATCH = "application/merge-patch+json"


def opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Return what sends requests to this machine: never to the proxies that lead from it to the internet."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


def without_proxies() -> dict[str, str]:
    """Return this process's environment for programs that talk to a cluster of this machine alone."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass(frozen=True)
class Client:
    """Sends requests to the API server of a kubeconfig's current context.

    Attributes:
        kubeconfig: A kubeconfig with client certificate or token.
    """

    kubeconfig: Path

    @functools.cached_property
    def _access(self) -> tuple[str, ssl.SSLContext, dict[str, str]]:
        """Return the server's URL, how it is verified, and the headers that say who asks."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        authority = cluster.get("certificate-authority-data")  # none: one that the machine trusts anyway
        verified = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        if token := user.get("token"):
            return cluster["server"], verified, {"Authorization": f"Bearer {token}"}
        if "client-certificate-data" not in user:
            raise ClusterError(f"{self.kubeconfig}: user {context['user']} has neither client certificate nor token")
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads certificates from files alone
            file.write(base64.b64decode(user["client-certificate-data"]))
            file.write(base64.b64decode(user["client-key-data"]))
            file.flush()
            verified.load_cert_chain(file.name)
        return cluster["server"], verified, {}

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._access[0]

    def request(self, method: str, path: str, body: object = None, content: str = "application/json") -> Any:
        """Send a request; return the decoded answer, or its bytes when it is no JSON object.

        Raises:
            OSError: The API server does not answer, or answers with an error (`urllib.error.HTTPError`).
        """
        server, context, headers = self._access
        asked = urllib.request.Request(  # noqa: S310 - the API server
            f"{server}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers | {"Content-Type": content},
        )
        with opener(urllib.request.HTTPSHandler(context=context)).open(asked, timeout=_TIMEOUT_S) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else text

    def create(self, manifest: dict[str, Any]) -> Any:
        """Create an object; return it as stored."""
        version, metadata = manifest["apiVersion"], manifest["metadata"]
        namespace_path = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        plural = f"{manifest['kind'].lower()}s"  # of all kinds that are created here
        return self.request(
            "POST", f"/{'apis' if '/' in version else 'api'}/{version}{namespace_path}/{plural}", manifest
        )

    def patch_node(self, name: str, change: object, subresource: str = "") -> None:
        """Merge a change into a node (``subresource`` "/status": into its status)."""
        self.request("PATCH", f"/api/v1/nodes/{name}{subresource}", change, MERGE_PATCH)

    def is_ready(self) -> bool:
        """Say whether the API server is ready."""
        try:
            return bool(self.request("GET", "/readyz") == b"ok")
        except (OSError, HTTPException):
            return False

    def admits_pods(self, namespace: str = "default") -> bool:
        """Say whether a namespace has its service account, without which pods are refused."""
        return self._get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default") is not None

    def node_is_ready(self, name: str) -> bool:
        """Say whether a node has registered and is ready."""
        found = self._get(f"/api/v1/nodes/{name}") or {"status": {}}
        return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", []))

    def _get(self, path: str) -> Any:
        try:
            return self.request("GET", path)
        except urllib.error.HTTPError:
            return None


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)
