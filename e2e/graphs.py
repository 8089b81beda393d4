"""Graphs to deploy without a request: in mocker mode as written down here, with an engine as it is rendered."""

import json
from typing import Any

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, render
from dgdr_controller.settings import Settings

MODEL = "Qwen/Qwen3-32B"
_ROLES = {
    Mode.AGGREGATED: {"worker": Role.AGGREGATED},
    Mode.DISAGGREGATED: {"prefill": Role.PREFILL, "decode": Role.DECODE},
}
_UNMEASURED = Performance(
    ttft=0, itl=0, e2e=0, tokens_per_s=0, tokens_per_s_per_gpu=0, tokens_per_s_per_user=0, concurrency=0, request_rate=0
)


def mocker(namespace: str, name: str, mode: Mode, backend: Backend = Backend.VLLM) -> dict[str, Any]:
    """Return a graph in mocker mode."""
    parts = [_component("Frontend", "frontend", ["-m", "dynamo.frontend"])]
    for component, role in _ROLES[mode].items():
        flags = ["--model-path", MODEL, "--model-name", MODEL, "--speedup-ratio", "1.0", "--engine-type", str(backend)]
        flags += ["--max-num-seqs", "32", "--max-num-batched-tokens", "8192", "--max-model-len", "5000"]
        flags += ["--data-parallel-size", "1", "--ais-perf-model", "--ais-backend", str(backend)]
        flags += ["--ais-backend-version", "0.24.0", "--ais-system", "h200_sxm", "--ais-tp-size", "2"]
        if role is not Role.AGGREGATED:
            flags += ["--disaggregation-mode", str(role)]
        parts.append(_component(component, component, ["-m", "dynamo.mocker", *flags]))
    return _graph(namespace, name, {"backendFramework": str(backend), "components": parts})


def engine(namespace: str, name: str, mode: Mode, backend: Backend) -> dict[str, Any]:
    """Return a graph with a real engine, two GPUs for each worker."""
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=2), count=1, batch=8, max_num_tokens=5504)
        for role in _ROLES[mode].values()
    )
    candidate = Candidate(
        backend=backend,
        backend_version="1",
        mode=mode,
        workers=workers,
        replicas=1,
        context_length=5000,
        performance=_UNMEASURED,
        source=Source.MIXED,
    )
    request = GraphRequest(name, namespace, None, MODEL, MODEL, None, None)
    rendered = json.loads(render(candidate, request, Settings()).model_dump_json(by_alias=True, exclude_none=True))
    return _graph(namespace, name, rendered["spec"])


def _component(name: str, kind: str, args: list[str]) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.example/dynamo:1.6.1", "command": ["python3"], "args": args}
    return {"name": name, "type": kind, "replicas": 1, "podTemplate": {"spec": {"containers": [container]}}}


def _graph(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "metadata": metadata, "spec": spec}
