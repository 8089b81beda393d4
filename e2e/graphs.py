"""Graphs to deploy without a request: an engine, or the mocker in its place, as they are rendered."""

from typing import Any

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.v1beta1 import Backend, DgdrSpec
from dgdr_controller.deployment.render import GraphRequest, render
from dgdr_controller.settings import Settings

MODEL = "Qwen/Qwen3-32B"
_ROLES = {Mode.AGGREGATED: (Role.AGGREGATED,), Mode.DISAGGREGATED: (Role.PREFILL, Role.DECODE)}
_UNMEASURED = Performance(
    ttft=0, itl=0, e2e=0, tokens_per_s=0, tokens_per_s_per_gpu=0, tokens_per_s_per_user=0, concurrency=0, request_rate=0
)


def graph(namespace: str, name: str, backend: Backend, mode: Mode, **features: bool) -> dict[str, Any]:
    """Return the graph of a candidate with two GPUs for each worker, and these features."""
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=2), count=1, batch=8, max_num_tokens=5504) for role in _ROLES[mode]
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
    told = ValueSource.SPEC
    hardware = HardwareUsed(
        gpu_sku="h200_sxm",
        gpu_sku_source=told,
        total_gpus=Resolved(value=8, source=told),
        num_gpus_per_node=Resolved(value=8, source=told),
        vram_mib=Resolved(value=143_771, source=told),
    )
    spec = DgdrSpec.model_validate({"model": MODEL, "features": features})
    request = GraphRequest(name=name, namespace=namespace, uid=None, spec=spec, model=MODEL, hardware=hardware)
    rendered = render(candidate, request, Settings()).graph.model_dump(mode="json", by_alias=True, exclude_none=True)
    return rendered | {"metadata": {"name": name, "namespace": namespace}}
