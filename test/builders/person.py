"""Somebody who sends requests to an API server."""

import functools
import json
import ssl
import urllib.error
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_api import crd
from hack.cluster.api import MERGE_PATCH, Client


class RefusedError(Exception):
    """What the API server said."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Person(Client):
    """Sends requests as somebody else.

    Attributes:
        user: Who; empty: the administrator.
        namespace: Where their requests are.
    """

    user: str = ""
    namespace: str = "default"

    @functools.cached_property
    def _access(self) -> tuple[str, ssl.SSLContext, dict[str, str]]:
        server, verified, headers = Client(self.kubeconfig)._access
        return server, verified, headers | ({"Impersonate-User": self.user} if self.user else {})

    def send(self, method: str, path: str, body: object = None, content: str = "application/json") -> Any:
        """Send a request.

        Raises:
            RefusedError: The API server refuses it.
        """
        try:
            return self.request(method, path, body, content)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
            raise RefusedError(error.code, said["message"]) from None

    def path(self, name: str = "", version: str = "v1beta1") -> str:
        return f"/apis/nvidia.com/{version}/namespaces/{self.namespace}/{crd.PLURAL}{name and f'/{name}'}"

    def writes(
        self,
        spec: Mapping[str, object] | None = None,
        annotations: Mapping[str, str] | None = None,
        *,
        name: str = "",
        version: str = "v1beta1",
    ) -> Any:
        """Create a request; without a name it is not stored."""
        manifest = {
            "apiVersion": f"nvidia.com/{version}",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": name or f"r-{uuid.uuid4().hex[:8]}", "annotations": dict(annotations or {})},
            "spec": {"model": "Qwen/Qwen3-32B", **(spec or {})},
        }
        dry = "" if name else "&dryRun=All"
        return self.send("POST", f"{self.path(version=version)}?fieldValidation=Strict{dry}", manifest)

    def changes(self, name: str, change: object, rest: str = "") -> Any:
        return self.send("PATCH", f"{self.path(name)}{rest}", change, MERGE_PATCH)
