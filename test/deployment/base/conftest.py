"""A plan to put into base deployments."""

from typing import Any

import pytest

MODULES = {"frontend": "dynamo.frontend", "planner": "dynamo.planner"}


def _component(name: str, kind: str, gpus: int, **main: Any) -> Any:
    command = ["python3", "-m", MODULES.get(kind, "dynamo.vllm")]
    resources = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}} if gpus else {}
    secret = [{"secretRef": {"name": "hf-token-secret", "optional": True}}]
    container = {
        "name": "main",
        "image": "ours",
        "command": command,
        "args": [],
        "envFrom": secret,
        **resources,
        **main,
    }
    template = {"metadata": {"labels": {"nvidia.com/dgdr-name": "qwen"}}, "spec": {"containers": [container]}}
    return {"name": name, "type": kind, "replicas": 1, "podTemplate": template}


def _graph(*components: Any) -> Any:
    labels = {"dgdr.nvidia.com/name": "qwen", "nvidia.com/managed-by": "dynamo-operator"}
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {
            "name": "qwen-dgd",
            "namespace": "team",
            "labels": labels,
            "annotations": {"dgdr.nvidia.com/uid": "u"},
        },
        "spec": {"backendFramework": "vllm", "components": list(components)},
    }


@pytest.fixture
def plan() -> Any:
    """A rendered graph: Frontend, two prefill workers of 2 GPUs, three decode workers of 4."""
    flags = ["--model", "Qwen/Qwen3-32B", "--served-model-name", "qwen3"]
    prefill = _component(
        "prefill", "prefill", 2, args=[*flags, "--tensor-parallel-size", "2", "--disaggregation-mode", "prefill"]
    )
    decode = _component(
        "decode", "decode", 4, args=[*flags, "--tensor-parallel-size", "4", "--disaggregation-mode", "decode"]
    )
    return _graph(_component("Frontend", "frontend", 0), prefill | {"replicas": 2}, decode | {"replicas": 3})


@pytest.fixture
def planner() -> Any:
    """A rendered component that scales the others."""
    return _component("Planner", "planner", 0, args=["--config", "/etc/planner_config.json"])
