"""A request on its way, watched by somebody who is not the controller."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from types import TracebackType
from typing import Any, Self

from hack.cluster.api import MERGE_PATCH, Client

GROUP = "/apis/nvidia.com/v1beta1"


def holds(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something holds; say whether it does in time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


@dataclass
class Journey:
    """One request and everything that was ever seen of it.

    Attributes:
        api: The administrator's client.
        namespace: Namespace of the request.
        name: Its name.
        phases: Phases in the order in which they were seen.
        jobs: UIDs of Jobs that were seen.
        graphs: UIDs of DynamoGraphDeployments that were seen.
    """

    api: Client
    namespace: str
    name: str
    phases: list[str] = field(default_factory=list)
    jobs: set[str] = field(default_factory=set)
    graphs: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/dynamographdeploymentrequests/{self.name}"

    @property
    def graph_path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/dynamographdeployments/{self.name}-dgd"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            phase = self.status().get("phase")
            if phase and self.phases[-1:] != [phase]:
                self.phases.append(phase)
            for seen, collection in (
                (self.jobs, f"/apis/batch/v1/namespaces/{self.namespace}/jobs"),
                (self.graphs, f"{GROUP}/namespaces/{self.namespace}/dynamographdeployments"),
            ):
                seen |= {item["metadata"]["uid"] for item in (self.get(collection) or {"items": []})["items"]}

    def apply(self, annotations: dict[str, str] | None = None, **spec: Any) -> None:
        self.api.create(
            {
                "apiVersion": "nvidia.com/v1beta1",
                "kind": "DynamoGraphDeploymentRequest",
                "metadata": {"name": self.name, "namespace": self.namespace, "annotations": annotations or {}},
                "spec": {"model": "Qwen/Qwen3-32B", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 2}} | spec,
            }
        )

    def annotate(self, **annotations: str) -> None:
        named = {f"dgdr.nvidia.com/{name}": value for name, value in annotations.items()}
        self.api.request("PATCH", self.path, {"metadata": {"annotations": named}}, MERGE_PATCH)

    def get(self, path: str) -> Any:
        """Return an object, or None while there is none or the API server is away."""
        try:
            return self.api.request("GET", path)
        except (OSError, HTTPException):  # it is away, or went away while it answered
            return None

    def status(self) -> dict[str, Any]:
        return dict((self.get(self.path) or {}).get("status", {}))

    def condition(self, kind: str) -> dict[str, Any]:
        return next((c for c in self.status().get("conditions", []) if c["type"] == kind), {})

    def reaches(self, *phases: str, seconds: float = 180) -> str:
        """Wait until the request is in one of these phases; return where it is at the end."""
        self.wait(lambda: bool(self.phases) and self.phases[-1] in phases, seconds)
        return self.phases[-1] if self.phases else ""

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        return holds(condition, seconds)

    def events(self) -> list[str]:
        items = (self.get(f"/api/v1/namespaces/{self.namespace}/events") or {"items": []})["items"]
        ours = [item for item in items if item["involvedObject"]["kind"] == "DynamoGraphDeploymentRequest"]
        return [item["reason"] for item in sorted(ours, key=lambda item: int(item["metadata"]["resourceVersion"]))]
