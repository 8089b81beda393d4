"""Graphs to lay overrides over."""

from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.defaults import Cache
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, render
from dgdr_controller.settings import Settings

REQUEST = GraphRequest("qwen", "team", "0b6c", "Qwen/Qwen3-32B", "qwen3", None, None, Cache("claim", None, "/models"))


def _rendered(mode: Mode, backend: Backend = Backend.VLLM) -> Any:
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
    return render(candidate, REQUEST, Settings()).manifest()


@pytest.fixture(scope="session")
def aggregated() -> Any:
    """A rendered graph: Frontend and two workers of two GPUs; not to be changed."""
    return _rendered(Mode.AGGREGATED)


@pytest.fixture(scope="session")
def disaggregated() -> Any:
    """A rendered graph: Frontend, two prefill and two decode workers of two GPUs; not to be changed."""
    return _rendered(Mode.DISAGGREGATED)


@pytest.fixture(scope="session")
def rendered() -> Callable[..., Any]:
    """Render a graph of this mode and backend."""
    return _rendered
