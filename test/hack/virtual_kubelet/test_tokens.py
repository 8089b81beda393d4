import asyncio
import json
from types import SimpleNamespace
from typing import Any

from dgdr_controller.runtime.transport import Request
from hack.virtual_kubelet.tokens import Tokens

SOURCE = {"path": "token", "expirationSeconds": 1000, "audience": "me"}
POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u"},
    "spec": {
        "serviceAccountName": "sa",
        "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": SOURCE}]}}],
    },
}


class ApiServer:
    """Answers requests for tokens with numbered ones, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def send(self, request: Request) -> bytes:
        self.asked.append(request)
        return json.dumps({"status": {"token": f"token {len(self.asked)}"}}).encode()


def test_token_is_bound_to_its_pod_and_renewed_at_80_percent_of_its_life() -> None:
    server = ApiServer()
    client: Any = SimpleNamespace(transport=server)
    now = [0.0]
    own, seen = Tokens(client, clock=lambda: now[0]), []
    for now[0] in (0.0, 799.0, 800.0):
        asyncio.run(own.renew(POD))
        seen.append(own.text(SOURCE))
    assert seen == ["token 1", "token 1", "token 2"]
    request = server.asked[0]
    assert request.path == "/api/v1/namespaces/n/serviceaccounts/sa/token"
    spec = json.loads(request.body or b"")["spec"]
    assert spec["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    assert (spec["audiences"], spec["expirationSeconds"]) == (["me"], 1000)
