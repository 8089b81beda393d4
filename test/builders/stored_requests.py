"""Requests on a real API server that has the CRD, and fixtures for folders that store some."""

import json
import time
import urllib.error
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api import crd
from hack.cluster.api import Client
from hack.cluster.model import Cluster

ROOT = Path(__file__).parents[2]
FILES = ("config/crd/bases/nvidia.com_dynamographdeploymentrequests.yaml", "hack/dynamo/crd.yaml")
SERVER_SIDE = "application/apply-patch+yaml"


@dataclass(frozen=True)
class RefusedError(Exception):
    """What the API server said: the whole message, and the fields that it names."""

    code: int
    message: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Requests:
    """Requests of one namespace."""

    api: Client
    namespace: str

    @property
    def path(self) -> str:
        return f"/apis/nvidia.com/v1beta1/namespaces/{self.namespace}/{crd.PLURAL}"

    def create(self, spec: Mapping[str, object] | None = None, /, *, dry: bool = False, **top: object) -> Any:
        """Create a request with strict field validation: the smallest one, with this over it."""
        manifest = {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": f"r-{uuid.uuid4().hex[:8]}"},
            "spec": {"model": "Qwen/Qwen3-32B", **(spec or {})},
        } | top
        return self.send("POST", f"?fieldValidation=Strict{'&dryRun=All' if dry else ''}", manifest)

    def takes(self, spec: Mapping[str, object]) -> bool:
        """Say whether the API server would store a request of this spec."""
        try:
            self.create(spec, dry=True)
        except RefusedError as refused:
            if refused.code in (400, 422):
                return False
            raise
        return True

    def send(self, method: str, rest: str, body: object = None, content: str = "application/json") -> Any:
        try:
            return self.api.request(method, f"{self.path}{rest}", body, content)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
            causes = said.get("details", {}).get("causes", [])
            raise RefusedError(error.code, said["message"], tuple(cause["field"] for cause in causes)) from None


@pytest.fixture(scope="session")
def definitions(control_plane: Cluster) -> None:
    """Both CRDs, as the repository holds them, served."""
    if not control_plane.ours:
        pytest.skip("a cluster that was given keeps its own CRDs")
    api = Client(control_plane.kubeconfig)
    for file in FILES:
        manifest = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{manifest['metadata']['name']}"
        api.request("PATCH", f"{path}?fieldManager=test&force=true&fieldValidation=Strict", manifest, SERVER_SIDE)
        plural, limit = manifest["spec"]["names"]["plural"], time.monotonic() + 20
        while not (served(api, f"/apis/nvidia.com/v1beta1/{plural}") and explained(api, plural)):
            assert time.monotonic() < limit
            time.sleep(0.05)


def explained(api: Client, plural: str) -> bool:
    """Say whether ``kubectl explain`` knows a kind: its schema is published a moment after it is served."""
    path = "/openapi/v3/apis/nvidia.com/v1beta1"
    return served(api, path) and any(plural in name for name in api.request("GET", path)["paths"])


def served(api: Client, path: str) -> bool:
    try:
        api.request("GET", path)
    except urllib.error.HTTPError:
        return False
    return True


@pytest.fixture
def requests(definitions: None, api: Client, namespace: str) -> Requests:  # noqa: ARG001 - must be there first
    return Requests(api, namespace)
