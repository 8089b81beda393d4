"""DCGM exporters by the labels of all their installations: every running one, and once."""

from typing import Any

import pytest

from dgdr_controller.hardware.exporters import find
from dgdr_controller.kinds import PODS
from dgdr_controller.runtime import Client, RequestError
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time

LABELS: dict[str, dict[str, str]] = {
    "operator": {"app": "nvidia-dcgm-exporter"},
    "manifest": {"app": "dcgm-exporter"},
    "chart": {"app.kubernetes.io/name": "dcgm-exporter"},
    "both": {"app": "nvidia-dcgm-exporter", "app.kubernetes.io/name": "dcgm-exporter"},
}


def pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "gpu-operator", "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.7"},
    }


def selected(query: dict[str, str], labels: dict[str, str]) -> bool:
    name, _, value = query["labelSelector"].partition("=")
    return labels.get(name) == value


@virtual_time
async def test_exporter_is_found_once_whatever_labels_it_has() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(PODS)
        for name, labels in LABELS.items():
            server.put(PODS, pod(name, labels))
        found = [exporter.name for exporter in await find(client)]
        assert found == [f"gpu-operator/{name}" for name in sorted(LABELS)]
        queries = [query for _, _, query in server.requests]
        chosen = {name: sum(selected(query, labels) for query in queries) for name, labels in LABELS.items()}
        assert chosen == {"operator": 1, "manifest": 1, "chart": 1, "both": 2}


@virtual_time
async def test_cluster_without_exporters_has_none() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(PODS)
        assert await find(client) == []


@virtual_time
async def test_api_server_that_does_not_list_pods_is_an_error() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        with pytest.raises(RequestError):
            await find(client)
