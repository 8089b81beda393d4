"""A request that is profiled thoroughly, and what its profiler wants to be deployed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.trials import TrialLog, TrialStatus
from dgdr_api.v1beta1 import Backend, DgdrStatus, Hardware, Phase
from dgdr_controller.hardware.resolve import resolve
from dgdr_controller.hardware.status import shown
from dgdr_controller.reconciler.observed_state import ObservedState
from test.builders.observed_state import NODE, job_of, observed_of, pod_of, published_of, request_of


def candidate(tp: int = 4, *, batch: int = 64) -> Candidate:
    worker = Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=tp), count=1, batch=batch, max_num_tokens=8192)
    return Candidate(
        backend=Backend.VLLM, backend_version="0.31.0", mode=Mode.AGGREGATED, workers=(worker,), replicas=1,
        context_length=8192, source=Source.SILICON,
    )  # fmt: skip


def log_of(*wanted: Candidate) -> TrialLog:
    return TrialLog(model="Qwen/Qwen3-32B", wanted=wanted)


def measuring(
    *wanted: Candidate,
    statuses: Mapping[str, TrialStatus] | None = None,
    used: int | None = 0,
    spec: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    **seen: Any,
) -> ObservedState:
    """Return a thorough request whose profiler wants trials; its node has eight GPUs."""
    request = request_of(searchStrategy="thorough", **(spec or {}))
    node = replace(NODE, used=used)
    hardware = shown(resolve(Hardware(), (node,), multinode=False))
    status = DgdrStatus(phase=Phase.PROFILING, observed_generation=1, hardware=hardware)
    observed = observed_of(request.model_copy(update={"status": status}), nodes=(node,))
    published = published_of(observed, trials=log_of(*wanted), statuses=statuses, **(run or {}))
    state: dict[str, Any] = {"job": job_of(observed), "pods": (pod_of(phase="Running"),)} | published | seen
    return replace(observed, **state)
