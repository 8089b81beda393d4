"""The endpoint of a graph, asked through the API server's proxy: no port of this machine is needed."""

from dataclasses import dataclass
from typing import Any

from hack.cluster.api import Client


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
        return [model["id"] for model in self.api.request("GET", f"{self._path}/models")["data"]]

    def chat(self, model: str, question: str, tokens: int) -> dict[str, Any]:
        """Return the whole answer to a question: OpenAI's chat completion.

        Raises:
            OSError: Nothing answers, or it answers with an error.
        """
        messages = [{"role": "user", "content": question}]
        asked = {"model": model, "messages": messages, "max_tokens": tokens}
        return dict(self.api.request("POST", f"{self._path}/chat/completions", asked))

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/services/{self.graph}-frontend:8000/proxy/v1"
