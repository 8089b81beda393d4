"""What a person sees who has kubectl and no documentation."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("definitions")]

Requests = Any
Kubectl = Callable[..., str]


def test_explain_tells_the_latency_targets_with_units_and_defaults(kubectl: Kubectl) -> None:
    said = " ".join(kubectl("explain", "dgdr.spec.sla").split())
    assert "Latency targets: either ttft and itl, or e2eLatency. A target that cannot be met is a warning" in said
    assert "ttft <number> Target for the time to first token in milliseconds. Default: 2000." in said
    assert "optimizationType <string> enum: hybrid, latency, throughput What to optimise" in said


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("spec", "model <string> -required- Hugging Face id of the model"),
        ("spec.features", "planner <Object> Planner that scales the deployment at run time: true, false, or an object"),
        ("spec.overrides.profilingJob.template.spec", "tolerations <[]Object>"),
        ("status", "phase <string> enum: Pending, Profiling, Ready, Deploying"),
        ("status.conditions", "reason <string> -required- Why, in one word for programs."),
    ],
)
def test_explain_knows_every_level(kubectl: Kubectl, field: str, sentence: str) -> None:
    assert sentence in " ".join(kubectl("explain", f"dgdr.{field}").split())


def test_get_shows_where_a_request_stands(requests: Requests, kubectl: Kubectl, namespace: str) -> None:
    requests.create({"backend": "vllm"}, metadata={"name": "qwen"})
    condition = {"type": "Succeeded", "status": "False", "reason": "Profiling", "message": "Profiling is in progress"}
    status = {
        "phase": "Profiling",
        "profilingPhase": "SweepingDecode",
        "dgdName": "qwen-dgd",
        "conditions": [condition | {"lastTransitionTime": "2026-08-01T12:00:00Z"}],
    }
    requests.send("PATCH", "/qwen/status", {"status": status}, "application/merge-patch+json")
    for name in ("dgdr", "dynamographdeploymentrequests", "dynamo"):  # short name, plural, category
        header, line = kubectl("get", name, "-n", namespace).splitlines()
        assert header.split() == ["NAME", "MODEL", "BACKEND", "PHASE", "PROFILING", "REASON", "MESSAGE", "DGD", "AGE"]
        columns = [column.strip() for column in line.split("  ") if column.strip()]
        assert columns[1:-1] == [
            "Qwen/Qwen3-32B", "vllm", "Profiling", "SweepingDecode", "Profiling", "Profiling is in progress", "qwen-dgd",
        ]  # fmt: skip


def test_new_request_has_no_empty_words_in_its_line(requests: Requests, kubectl: Kubectl, namespace: str) -> None:
    requests.create(metadata={"name": "new"})
    _, line = kubectl("get", "dgdr", "-n", namespace).splitlines()
    assert line.split()[:3] == ["new", "Qwen/Qwen3-32B", "auto"]
    assert "<" not in line


def test_stand_in_for_a_deployment_takes_what_we_render_and_shows_its_columns(
    api: Any, kubectl: Kubectl, namespace: str
) -> None:
    graph = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "qwen-dgd", "namespace": namespace},
        "spec": {"backendFramework": "vllm", "components": [{"name": "Frontend", "podTemplate": {"spec": {}}}]},
    }
    assert api.create(graph)["spec"] == graph["spec"]
    ready = {"status": {"state": "successful", "conditions": [{"type": "Ready", "status": "True"}]}}
    path = f"/apis/nvidia.com/v1beta1/namespaces/{namespace}/dynamographdeployments/qwen-dgd/status"
    assert api.request("PATCH", path, ready, "application/merge-patch+json")["status"] == ready["status"]
    header, line = kubectl("get", "dgd", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "READY", "BACKEND", "AGE"]
    assert line.split()[:3] == ["qwen-dgd", "True", "vllm"]
