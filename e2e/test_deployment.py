import json
import time
from typing import Any

import pytest

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from e2e.graphs import MODEL, graph
from e2e.journey import GROUP, holds
from hack.cluster.api import MERGE_PATCH, Client
from hack.dynamo.endpoint import Endpoint
from hack.dynamo.operator import TIMINGS

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.alone("node")),
    pytest.mark.usefixtures("dynamo"),
]


def path(deployed: dict[str, Any]) -> str:
    metadata = deployed["metadata"]
    return f"{GROUP}/namespaces/{metadata['namespace']}/dynamographdeployments/{metadata['name']}"


def state(api: Client, deployed: dict[str, Any]) -> str:
    found = api.request("GET", path(deployed))
    status = found.get("status", {})
    is_of_this = status.get("observedGeneration") == found["metadata"]["generation"]
    return str(status["state"]) if is_of_this else "unobserved"


def served(api: Client, deployed: dict[str, Any]) -> Endpoint:
    """Deploy a graph; return its endpoint once it is successful."""
    api.create(deployed)
    assert holds(lambda: state(api, deployed) == "successful"), api.request("GET", path(deployed)).get("status")
    return Endpoint(api, deployed["metadata"]["namespace"], deployed["metadata"]["name"])


def answers(endpoint: Endpoint, tokens: int = 12) -> None:
    assert endpoint.models() == [MODEL]
    answer = endpoint.chat(MODEL, "Why is the sky blue?", tokens)
    assert answer["model"] == MODEL
    assert answer["usage"]["completion_tokens"] == tokens
    assert answer["choices"][0]["message"]["content"].strip()


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
@pytest.mark.parametrize("mode", Mode)
def test_engine_that_has_no_gpus_is_simulated(api: Client, namespace: str, backend: Backend, mode: Mode) -> None:
    answers(served(api, graph(namespace, "engine", backend, mode)))


@pytest.mark.parametrize("mode", Mode)
def test_deployment_in_mocker_mode_is_successful_once_it_answers(api: Client, namespace: str, mode: Mode) -> None:
    answers(served(api, graph(namespace, "mocked", Backend.VLLM, mode, mocker=True, kvRouter=True)))


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_deployment_with_one_role_alone_is_not_successful(api: Client, namespace: str, role: str) -> None:
    whole = graph(namespace, "half", Backend.VLLM, Mode.DISAGGREGATED, mocker=True)
    components = whole["spec"]["components"]
    half = whole | {"spec": {"components": [c for c in components if c["name"] in ("Frontend", role)]}}
    api.create(half)

    def worker_is_ready() -> bool:
        found = api.request("GET", path(half)).get("status", {}).get("components", {})
        return bool(found.get(role, {}).get("availableReplicas"))

    assert holds(worker_is_ready)
    assert not holds(lambda: state(api, half) == "successful", seconds=5)  # with both roles it takes 2
    api.request("PATCH", path(half), {"spec": {"components": components}}, MERGE_PATCH)
    assert holds(lambda: state(api, half) == "successful")
    answers(Endpoint(api, namespace, "half"))


def test_deployment_of_another_candidate_replaces_the_first(api: Client, namespace: str) -> None:
    first = graph(namespace, "changed", Backend.VLLM, Mode.AGGREGATED, mocker=True)
    endpoint = served(api, first)
    second = graph(namespace, "changed", Backend.SGLANG, Mode.DISAGGREGATED)
    api.request("PATCH", path(first), {"spec": second["spec"]}, MERGE_PATCH)
    assert holds(lambda: state(api, first) == "successful")
    answers(endpoint)
    found = api.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    assert {manifest["metadata"]["name"] for manifest in found} == {
        f"changed-{n}" for n in ("frontend", "prefill", "decode")
    }


def test_engines_are_as_fast_as_a_test_says(api: Client, namespace: str) -> None:
    timing = {"prefill_ms": 500, "prefill_ms_per_token": 0, "decode_ms": 100, "decode_ms_per_token": 0}
    data = {"gpus-2": json.dumps(timing)}
    api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TIMINGS, "namespace": namespace}, "data": data}
    )
    endpoint = served(api, graph(namespace, "slow", Backend.VLLM, Mode.AGGREGATED, mocker=True))
    begun = time.monotonic()
    answers(endpoint, tokens=11)
    assert time.monotonic() - begun >= 1.5  # 500 + 10 × 100 ms; the usual times are a tenth of that
