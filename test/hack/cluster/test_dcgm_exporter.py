import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hack.cluster import node
from hack.cluster.api import Client
from hack.cluster.fakes import dcgm_exporter
from hack.cluster.fakes import nodes as fake_nodes
from hack.cluster.fakes.dcgm_exporter import Exporter
from hack.cluster.fakes.gpus import FakeGpus
from hack.cluster.fakes.node_option import read
from hack.cluster.model import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.alone("node"), pytest.mark.usefixtures("cluster")]

GPUS = FakeGpus(8, "NVIDIA-H200", 143_771)
MEMORY = ("DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED")


@pytest.fixture(autouse=True)
def removed_at_the_end(cluster: Cluster) -> Iterator[None]:
    yield
    dcgm_exporter.stop(Client(cluster.kubeconfig), f"nvidia-dcgm-exporter-{node.NAME}")


def scraped(api: Client, path: str) -> str:
    answer: bytes = api.request("GET", f"{path}:9400/proxy/metrics")
    return answer.decode()


def families(text: str) -> dict[str, Any]:
    # The parser takes the suffix _total off counters, which DCGM's do not have, and no other name apart.
    return {family.name: family for family in text_string_to_metric_families(text)}


def memory_of_each(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for name in MEMORY:
        for sample in found[name].samples if name in found else ():
            sums[sample.labels["gpu"], sample.labels.get("GPU_I_ID", "")] += int(sample.value)
    return sums


def test_gpus_memory_and_labels_are_those_of_the_node(api: Client) -> None:
    path = dcgm_exporter.start(api, Exporter(node.NAME, GPUS, nvlinks=18, flags=("-used=1000",)))
    found = families(scraped(api, path))
    temperatures = found["DCGM_FI_DEV_GPU_TEMP"].samples
    assert [sample.labels["gpu"] for sample in temperatures] == [str(gpu) for gpu in range(8)]
    assert len({sample.labels["UUID"] for sample in temperatures}) == 8
    assert {sample.labels["modelName"] for sample in temperatures} == {"NVIDIA H200"}
    assert {sample.labels["Hostname"] for sample in temperatures} == {node.NAME}
    assert set(temperatures[0].labels) == {
        *("gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "DCGM_FI_DRIVER_VERSION")
    }
    assert memory_of_each(found) == {(str(gpu), ""): 143_771 for gpu in range(8)}
    assert {sample.value for sample in found["DCGM_FI_DEV_FB_USED"].samples} == {1000}
    assert (found["DCGM_FI_DEV_FB_FREE"].type, found["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"].type) == (
        "gauge",
        "counter",
    )
    assert all(len(family.samples) == 8 and family.documentation for family in found.values())
    assert "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL" in found
    assert "DCGM_FI_DEV_NVLINK_LINK_COUNT" not in found  # not among the defaults of NVIDIA's


def test_discovery_finds_it_by_each_of_the_labels_in_use(api: Client) -> None:
    dcgm_exporter.start(api, Exporter(node.NAME, GPUS))
    for selector in ("app=nvidia-dcgm-exporter", "app.kubernetes.io/name=dcgm-exporter"):
        items = api.request("GET", f"/api/v1/pods?labelSelector={selector}")["items"]
        assert f"nvidia-dcgm-exporter-{node.NAME}" in [item["metadata"]["name"] for item in items]  # others have theirs


def test_older_one_has_no_reserved_memory_and_a_customised_one_the_number_of_links(api: Client) -> None:
    flags = ("-without=DCGM_FI_DEV_FB_RESERVED,DCGM_FI_DEV_XID_ERRORS", "-link-count")
    path = dcgm_exporter.start(api, Exporter(node.NAME, GPUS, nvlinks=18, flags=flags))
    found = families(scraped(api, path))
    assert not {"DCGM_FI_DEV_FB_RESERVED", "DCGM_FI_DEV_XID_ERRORS"} & set(found)
    assert all(143_771 * 0.98 < total < 143_771 for total in memory_of_each(found).values())
    assert {sample.value for sample in found["DCGM_FI_DEV_NVLINK_LINK_COUNT"].samples} == {18}


def test_exporter_of_a_fake_node_is_on_that_node_and_shows_its_instances(api: Client) -> None:
    sliced = read("sliced=2xNVIDIA-A100-SXM4-80GB:81920,mig=1g.10gb,taint=team=a:NoExecute")
    fake_nodes.add(api, sliced)
    try:
        assert sliced.gpus is not None
        path = dcgm_exporter.start(api, Exporter("sliced", sliced.gpus))
        pod = api.request("GET", path)
        assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("sliced", "Running")
        assert pod["metadata"]["labels"] == dcgm_exporter.LABELS
        found = families(scraped(api, path))
        assert "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL" not in found
        labels = [sample.labels for sample in found["DCGM_FI_DEV_FB_FREE"].samples]
        assert Counter(series["gpu"] for series in labels) == {"0": 7, "1": 7}
        assert len({series["UUID"] for series in labels}) == 2
        assert {(series["Hostname"], series["modelName"], series["GPU_I_PROFILE"]) for series in labels} == {
            ("sliced", "NVIDIA A100-SXM4-80GB", "1g.10gb")
        }
        assert set(memory_of_each(found).values()) == {9728}
    finally:
        for name in ("nvidia-dcgm-exporter-sliced", "nvidia-dcgm-exporter-sliced-server"):
            dcgm_exporter.stop(api, name)
        api.request("DELETE", "/api/v1/nodes/sliced")


def test_exporter_fails_in_the_ways_that_a_reader_must_withstand(api: Client) -> None:
    def answers(*flags: str) -> str:
        return dcgm_exporter.start(api, Exporter(node.NAME, GPUS, flags=flags))

    path = answers("-answer=error")
    with pytest.raises(urllib.error.HTTPError, match="500"):
        scraped(api, path)
    path = answers("-answer=garbage")
    with pytest.raises(ValueError, match="could not convert string"):
        families(scraped(api, path))
    path = answers("-answer=cut")
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says of half a line
        families(scraped(api, path))
    assert scraped(api, answers("-answer=empty")) == ""
    assert len(scraped(api, answers("-answer=huge"))) > 64 * 2**20
    path = answers("-delay=2s")
    begun = time.monotonic()
    assert families(scraped(api, path))
    assert time.monotonic() - begun >= 2
