"""What `kubectl get dgdr` says of a deployment that does not become healthy, and that it goes when the cause goes."""

import re
from typing import Any

import pytest

from e2e.journey import Journey
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.local import Local
from hack.cluster.node import PAUSE_IMAGE
from hack.kubectl import kubectl

pytestmark = [*(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node"))]


def columns(cluster: Local, journey: Journey) -> str:
    return " ".join(kubectl(cluster, "-n", journey.namespace, "get", "dgdr", journey.name, "-o", "wide").split())


def test_busy_gpus_are_named_and_waited_for(installed: Local, api: Client, namespace: str) -> None:
    gpus = {"limits": {"nvidia.com/gpu": "8"}}
    holder = {"name": "main", "image": PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": gpus}
    metadata = {"name": "holder", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [holder]}})
    with Journey(api, namespace, "busy") as journey:
        journey.apply(backend="vllm")
        assert journey.wait(lambda: journey.condition("Succeeded").get("reason") == "Unschedulable", 180), (
            journey.status()
        )
        shown = columns(installed, journey)
        assert re.search(r"Deploying .*pod busy-dgd-\S+ cannot be scheduled: .*Insufficient nvidia.com/gpu", shown), (
            shown
        )
        assert re.search(r"\(since \d{4}-\d\d-\d\d \d\d:\d\d UTC\)", shown), shown
        assert journey.wait(lambda: "Unschedulable" in journey.events(), 10), journey.events()
        api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/holder?gracePeriodSeconds=0")
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert "cannot be scheduled" not in columns(installed, journey)
        api.request("DELETE", journey.path)
    api.request("DELETE", journey.graph_path)


def test_worker_that_crashes_is_shown_with_its_last_words(installed: Local, api: Client, namespace: str) -> None:
    def worker(graph: dict[str, Any]) -> dict[str, Any]:
        (found,) = (component for component in graph["spec"]["components"] if component["name"] != "Frontend")
        return dict(found["podTemplate"]["spec"]["containers"][0])

    override = {"spec": {"services": {"worker": {"extraPodSpec": {"mainContainer": {"args": ["--nonsense", "1"]}}}}}}
    with Journey(api, namespace, "crashing") as journey:
        journey.apply(backend="vllm", features={"mocker": True}, overrides={"dgd": override})
        assert journey.wait(lambda: journey.condition("DeploymentReady").get("reason") == "CrashLoop", 180), (
            journey.status()
        )
        shown = columns(installed, journey)
        assert "--nonsense" in shown, shown
        assert "ended with exit code 2 (Error)" in shown
        graph = api.request("GET", journey.graph_path)
        components = graph["spec"]["components"]
        container = worker(graph)
        container["args"] = [word for word in container["args"] if word not in ("--nonsense", "1")]
        changed = [
            c
            if c["name"] == "Frontend"
            else c | {"podTemplate": c["podTemplate"] | {"spec": {"containers": [container]}}}
            for c in components
        ]
        api.request("PATCH", journey.graph_path, {"spec": {"components": changed}}, MERGE_PATCH)
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        api.request("DELETE", journey.path)
    api.request("DELETE", journey.graph_path)


def test_deployment_of_an_earlier_request_is_changed_in_place_if_somebody_says_so(
    installed: Local, api: Client, namespace: str
) -> None:
    """The documented way to change a spec: delete the request and create it again. Its deployment serves all the while."""
    with Journey(api, namespace, "again") as first:
        first.apply(backend="vllm", features={"mocker": True})
        assert first.reaches("Deployed", "Failed") == "Deployed", first.status()["conditions"]
        before = api.request("GET", first.graph_path)
        api.request("DELETE", first.path)
    with Journey(api, namespace, "again") as second:
        second.apply(backend="sglang", features={"mocker": True})
        assert second.wait(lambda: second.condition("Succeeded").get("reason") == "NameConflict", 180), second.status()
        assert "set annotation dgdr.nvidia.com/replace-dgd to again-dgd" in columns(installed, second)
        assert api.request("GET", second.graph_path)["metadata"]["generation"] == before["metadata"]["generation"]
        second.annotate(**{"replace-dgd": "again-dgd"})
        assert second.reaches("Deployed", "Failed") == "Deployed", second.status()["conditions"]
        after = api.request("GET", second.graph_path)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["spec"]["backendFramework"] == "sglang" != before["spec"]["backendFramework"]
        request = api.request("GET", second.path)
        assert after["metadata"]["annotations"]["dgdr.nvidia.com/uid"] == request["metadata"]["uid"]
        assert second.wait(lambda: "DeploymentReplaced" in second.events(), 10), second.events()
        api.request("DELETE", second.path)
    api.request("DELETE", second.graph_path)
