import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run
from typing import Any
from urllib.error import HTTPError

import pytest

from hack.cluster.api import Client, without_proxies
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.virtual_kubelet import programs
from hack.virtual_kubelet.programs import Program

Pod = dict[str, Any]
_PATIENCE_S = 40.0


@pytest.fixture(scope="session")
def cluster() -> Iterator[Local]:
    """A cluster with a virtual node that runs shells and Python, shared by the run."""
    found = Local(layout("test-virtual-node"))
    with brought_up(found, Level.VIRTUAL_NODE):
        own = programs.python_program(Path(sys.prefix) / "bin", "python3")
        programs.offer(found.layout.root, {"localhost/sh": Program(("sh", "-c")), "localhost/python": own})
        yield found


@pytest.fixture
def kubectl(cluster: Local, kubectl_program: str) -> Callable[..., str]:
    """Run kubectl on the cluster; return what it writes, errors too."""

    def call(*arguments: str) -> str:
        done = run(
            [kubectl_program, f"--kubeconfig={cluster.kubeconfig}", *arguments],
            env=without_proxies(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        return done.stdout + done.stderr

    return call


class Pods:
    """Creates pods of one namespace, and waits for what becomes of them."""

    def __init__(self, api: Client, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self.path = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, name: str, script: str = "", **spec: Any) -> None:
        """Create a pod of one shell script, or of the containers that are given."""
        containers = spec.pop("containers", None) or [self.shell("main", script, **spec.pop("container", {}))]
        grace = {"terminationGracePeriodSeconds": 5} | spec
        metadata = {"name": name, "namespace": self.namespace, "labels": {"app": name}}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers} | grace}
        self.api.create(manifest)

    def get(self, name: str) -> Pod:
        """Return a pod; an empty one when it does not exist."""
        try:
            return dict(self.api.request("GET", f"{self.path}/{name}"))
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return {}
            raise

    def wait(self, name: str, holds: Callable[[Pod], Any], what: str) -> Pod:
        """Wait until something holds of a pod."""
        limit = time.monotonic() + _PATIENCE_S
        while True:
            pod = self.get(name)
            if holds(pod):
                return pod
            assert time.monotonic() < limit, f"{name}: {what} does not hold: {pod.get('status')}"
            time.sleep(0.1)

    def ended(self, name: str) -> Pod:
        """Wait until a pod has succeeded or failed."""
        return self.wait(name, lambda pod: pod["status"].get("phase") in {"Succeeded", "Failed"}, "it has ended")

    def ready(self, name: str) -> Pod:
        """Wait until a pod is ready."""
        return self.wait(name, self.is_ready, "it is ready")

    def waiting(self, name: str, reason: str) -> Pod:
        """Wait until the first container of a pod waits for this reason."""
        return self.wait(name, lambda pod: self.state(pod).get("waiting", {}).get("reason") == reason, reason)

    def delete(self, name: str, grace: int | None = None) -> None:
        """Delete a pod."""
        asked = "" if grace is None else f"?gracePeriodSeconds={grace}"
        self.api.request("DELETE", f"{self.path}/{name}{asked}")

    def events(self, name: str) -> list[str]:
        """Return reasons and messages of the events about a pod."""
        found = self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [f"{event['reason']}: {event['message']}" for event in found if event["involvedObject"]["name"] == name]

    @staticmethod
    def shell(name: str, script: str, **more: Any) -> Pod:
        """Return a container that runs a shell script."""
        return {"name": name, "image": "localhost/sh:any", "args": [script]} | more

    @staticmethod
    def status(pod: Pod, container: str = "") -> Pod:
        """Return the status of a container, by default of the first one."""
        of = pod.get("status", {})
        known = [*of.get("containerStatuses", []), *of.get("initContainerStatuses", [])]
        return dict(next((status for status in known if container in {"", status["name"]}), {}))

    def state(self, pod: Pod, container: str = "") -> Pod:
        """Return the state of a container, by default of the first one."""
        return dict(self.status(pod, container).get("state", {}))

    @staticmethod
    def is_ready(pod: Pod) -> bool:
        """Say whether a pod is ready."""
        return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))

    def event(self, name: str, begin: str) -> str:
        """Wait for an event about a pod."""
        limit = time.monotonic() + _PATIENCE_S
        while not (found := [event for event in self.events(name) if event.startswith(begin)]):
            assert time.monotonic() < limit, f"{name}: no {begin} in {self.events(name)}"
            time.sleep(0.1)
        return found[0]


@pytest.fixture
def pods(cluster: Local, api: Client, namespace: str) -> Pods:
    """The pods of a namespace of this test."""
    del cluster
    return Pods(api, namespace)
