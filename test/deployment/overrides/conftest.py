"""Graphs to lay overrides over."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.hardware import HardwareUsed
from dgdr_api.v1beta1 import Backend, DgdrSpec, ModelCache
from dgdr_controller.deployment.render import GraphRequest, render
from dgdr_controller.settings import Settings

SPEC = DgdrSpec(model="qwen3", model_cache=ModelCache(pvc_name="claim", pvc_mount_path="/models"))


def _rendered(hardware: HardwareUsed, mode: Mode, backend: Backend = Backend.VLLM) -> Any:
    roles = (Role.AGGREGATED,) if mode is Mode.AGGREGATED else (Role.PREFILL, Role.DECODE)
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=2), count=1, batch=8, max_num_tokens=4096) for role in roles
    )
    zero = dict.fromkeys(Performance.model_fields, 0.0)
    candidate = Candidate(
        backend=backend,
        backend_version="1",
        mode=mode,
        workers=workers,
        replicas=2,
        context_length=8192,
        performance=Performance(**zero),
        source=Source.MIXED,
    )
    request = GraphRequest(
        name="qwen", namespace="team", uid="0b6c", spec=SPEC, model="Qwen/Qwen3-32B", hardware=hardware
    )
    return render(candidate, request, Settings()).graph.manifest()


@pytest.fixture(scope="session")
def aggregated(hardware: HardwareUsed) -> Any:
    """A rendered graph: Frontend and two workers of two GPUs; not to be changed."""
    return _rendered(hardware, Mode.AGGREGATED)


@pytest.fixture(scope="session")
def disaggregated(hardware: HardwareUsed) -> Any:
    """A rendered graph: Frontend, two prefill and two decode workers of two GPUs; not to be changed."""
    return _rendered(hardware, Mode.DISAGGREGATED)


@pytest.fixture(scope="session")
def rendered(hardware: HardwareUsed) -> Callable[..., Any]:
    """Render a graph of this mode and backend."""
    return partial(_rendered, hardware)
