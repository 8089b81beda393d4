"""What Dynamo's profiler leaves in ``final_config.yaml``: ConfigMaps for a planner, then the deployment."""

from collections.abc import Mapping
from typing import Any

import yaml


def adopted_graph(
    *,
    version: str = "v1beta1",
    replicas: Any = 1,
    mounts: str = "planner-config-ab12",
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """Make a deployment: a frontend, and workers with four GPUs each, which mount a ConfigMap."""
    gpus = {"limits": {"nvidia.com/gpu": "4"}}
    worker = {"name": "main", "image": "r.io/vllm-runtime:1.6.1", "args": ["--model", "m"], "resources": gpus}
    pod = {"containers": [worker], "volumes": [{"name": "config", "configMap": {"name": mounts}}]}
    components = [
        {"name": "Frontend", "type": "frontend", "replicas": 1},
        {"name": "decode", "type": "decode", "replicas": replicas, "podTemplate": {"spec": pod}},
    ]
    return {
        "apiVersion": f"nvidia.com/{version}",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "vllm-agg", "namespace": "elsewhere"} | metadata,
        "spec": {"components": components} if spec is None else dict(spec),
    }


def config_map(name: str | None, **fields: Any) -> dict[str, Any]:
    """Make a ConfigMap as it lies before the deployment."""
    metadata = {"name": name} if name else {}
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"planner_config.json": "{}"}}
    return found | fields


def adopted_text(*documents: Mapping[str, Any]) -> str:
    """Write documents as the profiler does."""
    return yaml.safe_dump_all(map(dict, documents))
