"""A real API server that asks our webhooks: its own control plane, and the webhook server in a thread beside it."""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import os
import threading
import time
import urllib.error
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api import crd
from dgdr_controller.admission import WebhookServer
from dgdr_controller.admission.certificates import Files, Lifetimes, ServingCertificates
from dgdr_controller.admission.certificates.rotation import renewed
from dgdr_controller.admission.server import CONVERT, DEFAULT, VALIDATE
from dgdr_controller.settings import HardwareSettings
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.fixtures import Kept, brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level

SERVER_SIDE = "application/apply-patch+yaml"
KIND = "DynamoGraphDeploymentRequest"
Json = Any


class RefusedError(Exception):
    """What the API server said: the message, and the fields that it names."""

    def __init__(self, said: Json) -> None:
        super().__init__(said["message"])
        self.code: int = said["code"]
        self.message: str = said["message"]
        causes = said.get("details", {}).get("causes", [])
        self.fields = [cause["field"] for cause in causes if "field" in cause]


@dataclass(frozen=True)
class Requests:
    """Requests of one namespace, in any version."""

    api: Client
    namespace: str

    def path(self, version: str, name: str = "") -> str:
        return f"/apis/nvidia.com/{version}/namespaces/{self.namespace}/{crd.PLURAL}{name and f'/{name}'}"

    def create(self, manifest: Json) -> Json:
        """Create a request, under its own apiVersion and in this namespace."""
        metadata = {"name": f"r-{uuid.uuid4().hex[:8]}", **manifest.get("metadata", {}), "namespace": self.namespace}
        version = manifest["apiVersion"].rpartition("/")[2]
        whole = {"kind": KIND, **manifest, "metadata": metadata}
        return self.send("POST", f"{self.path(version)}?fieldValidation=Strict", whole)

    def get(self, name: str, version: str = "v1beta1") -> Json:
        return self.send("GET", self.path(version, name))

    def change(self, name: str, change: Json, version: str = "v1beta1") -> Json:
        return self.send("PATCH", f"{self.path(version, name)}?fieldValidation=Strict", change, MERGE_PATCH)

    def tell(self, name: str, status: Json) -> Json:
        """Write a status, as the controller does."""
        return self.send("PATCH", f"{self.path('v1beta1', name)}/status", {"status": status}, MERGE_PATCH)

    def send(self, method: str, path: str, body: Json = None, content: str = "application/json") -> Json:
        try:
            return self.api.request(method, path, body, content)
        except urllib.error.HTTPError as error:
            raise RefusedError(json.loads(error.read())) from None


class Background:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        waiting: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return waiting.result(30)

    def close(self) -> None:
        self.run(self._end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _end_all(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0.5)  # connections with TLS end a moment after they were closed


@dataclass(frozen=True)
class Webhooks:
    """Where the webhooks are, and whom to trust there."""

    port: int
    bundle: bytes

    def client_config(self, path: str) -> Json:
        return {"url": f"https://localhost:{self.port}{path}", "caBundle": base64.b64encode(self.bundle).decode()}


@pytest.fixture(scope="session")
def webhooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhooks]:
    folder: Path = tmp_path_factory.mktemp("tls")
    material = renewed(None, ["localhost"], dt.datetime.now(dt.UTC), Lifetimes())
    (folder / "tls.crt").write_bytes(material.certificate)
    (folder / "tls.key").write_bytes(material.key)
    background = Background()
    certificates = ServingCertificates(Files(folder))
    server = WebhookServer("127.0.0.1:0", certificates.context, HardwareSettings())
    background.run(certificates.start())
    background.run(server.start())
    yield Webhooks(server.port, material.bundle)
    background.run(server.stop())
    background.run(certificates.stop())
    background.close()


@pytest.fixture
def api_server(webhooks: Webhooks, kept: Kept) -> Client:
    """Each process of the run has one of its own: it asks the webhooks of this process."""
    return kept.have("api server", lambda: asking(webhooks))


@contextlib.contextmanager
def asking(webhooks: Webhooks) -> Iterator[Client]:
    """Bring an API server up that asks webhooks."""
    cluster = Local(layout(f"test-admission-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        api = Client(cluster.kubeconfig)
        definition = crd.manifest()
        definition["spec"]["conversion"]["webhook"]["clientConfig"] = webhooks.client_config(CONVERT)
        where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        applied(api, f"{where}/{crd.NAME}", definition)
        for file in ("mutating", "validating"):
            configure(api, webhooks, file)
        soon(lambda: api.request("GET", f"/apis/nvidia.com/v1alpha1/{crd.PLURAL}"))
        soon(lambda: asks(api))
        yield api


def configure(api: Client, webhooks: Webhooks, which: str) -> None:
    """Apply a webhook configuration as config/webhook ships it, but for where the webhook is."""
    shipped = Path(__file__).parent.parent.parent / "config" / "webhook" / "manifests.yaml"
    for manifest in yaml.safe_load_all(shipped.read_text(encoding="utf-8")):
        if manifest["kind"].lower().startswith(which):
            for webhook in manifest["webhooks"]:
                path = webhook["clientConfig"]["service"]["path"]
                assert path == (DEFAULT if which == "mutating" else VALIDATE)
                webhook["clientConfig"] = webhooks.client_config(path)
            place = f"/apis/admissionregistration.k8s.io/v1/{manifest['kind'].lower()}s/{manifest['metadata']['name']}"
            applied(api, place, manifest)


def applied(api: Client, path: str, manifest: Json) -> None:
    api.request("PATCH", f"{path}?fieldManager=test&force=true&fieldValidation=Strict", manifest, SERVER_SIDE)


def asks(api: Client) -> bool:
    """Say whether the API server asks the webhooks already: it learns of configurations a moment later."""
    try:
        Requests(api, "default").create({"apiVersion": "nvidia.com/v1beta1", "spec": {"model": "m", "sla": WRONG}})
    except RefusedError as refused:
        return "admission webhook" in refused.message
    return False


WRONG = {"e2eLatency": 1, "ttft": 1}


def soon(question: Callable[[], object], limit_s: float = 30) -> None:
    """Ask until the answer is yes."""
    limit = time.monotonic() + limit_s
    while True:
        try:
            if question():
                return
        except urllib.error.HTTPError:
            pass
        assert time.monotonic() < limit, "it does not hold yet"
        time.sleep(0.05)


@pytest.fixture
def requests(api_server: Client) -> Iterator[Requests]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    api_server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield Requests(api_server, name)
    api_server.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def refusal(requests: Requests) -> Callable[[Mapping[str, Json]], RefusedError]:
    """Create what must be refused; return what the API server says."""

    def create(manifest: Mapping[str, Json]) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            requests.create(dict(manifest))
        return caught.value

    return create
