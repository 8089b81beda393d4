"""The cluster's GPUs where no label tells of them: the controller asks DCGM exporters, which run in pods."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.journey import Journey
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.fakes import dcgm_exporter
from hack.cluster.fakes import nodes as fake_nodes
from hack.cluster.fakes.dcgm_exporter import Exporter
from hack.cluster.fakes.node_option import read
from hack.cluster.model import Cluster

pytestmark = [*(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node"))]

MACHINES = {
    "hgx-h100": ("8xNVIDIA-H100-80GB-HBM3:81559", 18),
    "nvl72": ("4xNVIDIA-GB200:189471", 18),
    "small-l4": ("1xNVIDIA-L4:23034", 0),
    "sliced-a100": ("2xNVIDIA-A100-SXM4-80GB:81920,mig=1g.10gb", 12),
    "silent": ("8xNVIDIA-L40S:46068", 0),
}
"""GPUs of a node, and the NVLinks of each."""

SOON_S = 30
"""The controller looks for exporters every ten seconds while a request waits for GPUs; one that is silent takes three."""


@pytest.fixture(scope="module")
def machines(installed: Cluster) -> Iterator[None]:
    """Nodes without a word of their GPUs in their labels, and an exporter for each: one never answers."""
    api = Client(installed.kubeconfig)
    for name, (gpus, links) in MACHINES.items():
        node = read(f"{name}={gpus}")
        fake_nodes.add(api, node)
        labels = api.request("GET", f"/api/v1/nodes/{name}")["metadata"]["labels"]
        gone = {label: None for label in labels if label.startswith("nvidia.com/")}
        api.request("PATCH", f"/api/v1/nodes/{name}", {"metadata": {"labels": gone}}, MERGE_PATCH)
        assert node.gpus is not None
        dcgm_exporter.start(api, Exporter(name, node.gpus, links, ("-delay=20s",) if name == "silent" else ()))
    yield
    for name in MACHINES:
        for pod in ("", "-server"):
            dcgm_exporter.stop(api, f"nvidia-dcgm-exporter-{name}{pod}")
        api.request("DELETE", f"/api/v1/nodes/{name}")


@pytest.mark.usefixtures("machines")
def test_gpus_are_known_by_what_exporters_measure(api: Client, namespace: str) -> None:
    expected: dict[str, dict[str, Any]] = {
        "h100_sxm": {"totalGpus": 8, "numGpusPerNode": 8, "vramMb": 81559, "interconnect": "nvlink"},
        "gb200": {"totalGpus": 4, "numGpusPerNode": 4, "vramMb": 189471, "interconnect": "nvlink"},
        "l4": {"totalGpus": 1, "numGpusPerNode": 1, "vramMb": 23034, "interconnect": None},
    }
    found: dict[str, Any] = {}
    for sku in expected:
        with Journey(api, namespace, f"of-{sku.replace('_', '-')}") as journey:
            journey.apply(backend="vllm", autoApply=False, hardware={"gpuSku": sku})
            assert journey.wait(lambda: "hardware" in journey.status(), SOON_S), journey.status()["conditions"]
            found[sku] = journey.status()["hardware"]
            api.request("DELETE", journey.path)
    for sku, values in expected.items():
        assert {name: found[sku].get(name) for name in values} == values
        sources = found[sku]["sources"]
        assert (sources["totalGpus"], sources["vramMb"]) == ("node-allocatable", "dcgm"), sources


@pytest.mark.usefixtures("machines")
def test_node_whose_exporter_is_silent_is_named_with_what_was_tried(api: Client, namespace: str) -> None:
    with Journey(api, namespace, "silent") as journey:
        journey.apply(backend="vllm", autoApply=False, hardware={"gpuSku": "l40s"})
        found = journey.wait(lambda: "does not answer within 3 s" in str(journey.status()), SOON_S)
        assert found, journey.status()
        api.request("DELETE", journey.path)
