import json
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from hack.dynamo import manifests
from hack.dynamo.endpoint import Endpoint

SERVERS = {"DYN_HTTP_HOST", "DYN_SYSTEM_HOST"}


def graph() -> dict[str, Any]:
    front = {"name": "Frontend", "type": "frontend", "replicas": 1}
    front["podTemplate"] = {"spec": {"containers": [{"name": "main"}]}}
    return {"metadata": {"name": "g", "namespace": "n", "uid": "u"}, "spec": {"components": [front]}}


@pytest.mark.parametrize("virtual", [True, False])
def test_servers_listen_at_the_pods_address_on_virtual_nodes_alone(*, virtual: bool) -> None:
    whole = graph()
    made = manifests.deployment(whole, whole["spec"]["components"][0], virtual=virtual)
    variables = made["spec"]["template"]["spec"]["containers"][0]["env"]
    of_pod = {
        variable["name"]
        for variable in variables
        if variable.get("valueFrom", {}).get("fieldRef") == {"fieldPath": "status.podIP"}
    }
    assert "DYN_TCP_RPC_HOST" in of_pod
    assert of_pod.issuperset(SERVERS) is virtual


class Frontend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": self.path}]}).encode())

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the library's name
        del format


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A frontend at an address of its own; its port is not that of frontends, which may be in use."""
    with ThreadingHTTPServer(("127.64.0.9", 0), Frontend) as server:
        monkeypatch.setattr("hack.dynamo.endpoint.HTTP_PORT", server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.64.0.9:{server.server_port}"
        server.shutdown()


class Api:
    """An API server that knows a pod, and a Service where there is one."""

    def __init__(self, address: str, *, service: bool) -> None:
        self.address, self.service = address.partition(":")[0], service
        self.port = int(address.partition(":")[2])
        self.asked: list[str] = []

    def request(self, method: str, path: str, body: object = None) -> Any:
        del method, body
        self.asked.append(path)
        if "/proxy/" in path:
            return {"data": [{"id": "by the proxy"}]}
        if "/services/" in path and not self.service:
            raise urllib.error.HTTPError(path, 404, "not found", SimpleNamespace(), None)  # type: ignore[arg-type]
        spec = {"containers": [{"ports": [{"containerPort": self.port}]}]}
        ready = {"podIP": self.address, "conditions": [{"type": "Ready", "status": "True"}]}
        return {"items": [{"spec": spec, "status": {"podIP": "0.0.0.0"}}, {"spec": spec, "status": ready}]}  # noqa: S104 - never asked


def test_endpoint_is_asked_at_its_ready_pod_where_no_service_leads_to_it(frontend: str) -> None:
    api: Any = Api(frontend, service=False)
    assert Endpoint(api, "n", "g").models() == ["/v1/models"]
    assert Endpoint(api, "n", "g").address() == f"http://{frontend}"


def test_endpoint_is_asked_through_the_proxy_where_there_is_a_service(frontend: str) -> None:
    api: Any = Api(frontend, service=True)
    assert Endpoint(api, "n", "g").models() == ["by the proxy"]
    assert Endpoint(api, "n", "g").address() is None
