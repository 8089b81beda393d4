"""An installation of Dynamo from before v1beta1 has stored requests as v1alpha1; they are read from etcd as they are."""

import base64
import json
import os
import re
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dgdr_api import crd, effective, parse_request
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.layout import layout

pytestmark = pytest.mark.cluster

DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd.NAME}"
OLD = {
    "apiVersion": "nvidia.com/v1alpha1",
    "metadata": {"name": "old"},
    "spec": {
        "model": "Qwen/Qwen3-0.6B",
        "backend": "vllm",
        "autoApply": False,
        "profilingConfig": {
            "profilerImage": "nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1",
            "config": {
                "sla": {"isl": 3000, "osl": 150, "ttft": 200, "itl": 20},
                "sweep": {"use_ai_configurator": True},
                "planner": {"planner_min_endpoint": 2},
            },
        },
    },
}


@pytest.fixture
def stored(api_server: Client) -> Iterator[Callable[[str], None]]:
    """Choose the version in which the API server stores requests."""

    def choose(version: str) -> None:
        versions = api_server.request("GET", DEFINITION)["spec"]["versions"]
        changed = [entry | {"storage": entry["name"] == version} for entry in versions]
        api_server.request("PATCH", DEFINITION, {"spec": {"versions": changed}}, MERGE_PATCH)

    yield choose
    choose("v1beta1")


def in_etcd(namespace: str, name: str) -> Any:
    """Return an object as it is stored, by etcd's JSON gateway."""
    of = layout(f"test-admission-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    found = re.search(r"--etcd-servers=(https://[\d.:]+)", (of.root / "components.json").read_text(encoding="utf-8"))
    assert found
    trusted = ssl.create_default_context(cafile=str(of.certificates / "ca.crt"))
    trusted.load_cert_chain(of.certificates / "etcd.crt", of.certificates / "etcd.key")
    key = base64.b64encode(f"/registry/nvidia.com/{crd.PLURAL}/{namespace}/{name}".encode()).decode()
    asked = urllib.request.Request(f"{found[1]}/v3/kv/range", json.dumps({"key": key}).encode())
    with urllib.request.urlopen(asked, context=trusted, timeout=10) as answer:
        (value,) = json.load(answer)["kvs"]
    return json.loads(base64.b64decode(value["value"]))


def test_request_stored_as_v1alpha1_is_read_changed_and_stored_anew(
    requests: Any, stored: Callable[[str], None]
) -> None:
    stored("v1alpha1")
    limit = time.monotonic() + 30
    while True:  # the API server serves what it stores in the other version a moment later
        requests.create(OLD)
        if (before := in_etcd(requests.namespace, "old"))["apiVersion"] == OLD["apiVersion"]:
            break
        requests.send("DELETE", requests.path("v1beta1", "old"))
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert before["spec"] == OLD["spec"]
    stored("v1beta1")
    read = requests.get("old", "v1beta1")
    assert effective(parse_request(read)) == effective(parse_request(before))
    assert requests.get("old", "v1alpha1")["spec"] == OLD["spec"]
    while in_etcd(requests.namespace, "old")["apiVersion"] == OLD["apiVersion"]:
        requests.change("old", {"metadata": {"labels": {"seen": str(time.monotonic_ns())}}})
        assert time.monotonic() < limit + 30
    assert requests.get("old", "v1alpha1")["spec"] == OLD["spec"]
    assert effective(parse_request(requests.get("old", "v1beta1"))) == effective(parse_request(before))
