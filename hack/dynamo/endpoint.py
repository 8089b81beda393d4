"""The endpoint of a graph, asked without any port of this machine: through the API server's proxy, or at its pod.

The proxy leads to Services. On a virtual node there are none, and the address of a pod is one of this machine.
"""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from dgdr_api.names import LABEL_GRAPH
from hack.cluster.api import Client, opener
from hack.dynamo.manifests import HTTP_PORT

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a graph's frontend serves.

    Attributes:
        api: A client that may use the proxy.
        namespace: Namespace of the graph.
        graph: Its name.
    """

    api: Client
    namespace: str
    graph: str

    def models(self) -> list[str]:
        """Return the names of the models that can be asked.

        Raises:
            OSError: Nothing answers.
        """
        return [model["id"] for model in self._request("GET", "models")["data"]]

    def chat(self, model: str, question: str, tokens: int) -> dict[str, Any]:
        """Return the whole answer to a question: OpenAI's chat completion.

        Raises:
            OSError: Nothing answers, or it answers with an error.
        """
        messages = [{"role": "user", "content": question}]
        asked = {"model": model, "messages": messages, "max_tokens": tokens}
        return dict(self._request("POST", "chat/completions", asked))

    def address(self) -> str | None:
        """Return the URL of a ready frontend on a virtual node; None on other nodes, where a Service leads to it.

        Raises:
            OSError: The API server does not answer, or no frontend is ready.
        """
        if self._exists(f"{self._namespace}/services/{self.graph}-frontend"):
            return None
        selector = quote(f"{LABEL_GRAPH}={self.graph}")
        for pod in self.api.request("GET", f"{self._namespace}/pods?labelSelector={selector}")["items"]:
            if _serves(pod) and _is_ready(pod):
                return f"http://{pod['status']['podIP']}:{HTTP_PORT}"
        raise OSError(f"no frontend of {self.graph} is ready")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        address = self.address()
        if address is None:
            proxy = f"{self._namespace}/services/{self.graph}-frontend:{HTTP_PORT}/proxy/v1"
            return self.api.request(method, f"{proxy}/{path}", body)
        asked = urllib.request.Request(  # noqa: S310 - an address of this machine
            f"{address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with opener().open(asked, timeout=_TIMEOUT_S) as answer:
            return json.load(answer)

    @property
    def _namespace(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def _exists(self, path: str) -> bool:
        try:
            self.api.request("GET", path)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.NOT_FOUND:
                    return False
            raise
        return True


def _serves(pod: dict[str, Any]) -> bool:
    """Say whether a pod is a frontend's."""
    ports = pod["spec"]["containers"][0].get("ports", [])
    return any(port["containerPort"] == HTTP_PORT for port in ports)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
