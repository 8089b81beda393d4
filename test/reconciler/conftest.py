"""Worlds for the phases: a request, and what exists around it, as the API server would give it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.conditions import RequestWarning
from dgdr_api.gpus import find_product
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.names import ANNOTATION_JOB_UID
from dgdr_api.v1beta1 import Backend, DgdrStatus, DynamoGraphDeploymentRequest, Hardware, OptimizationType, Phase
from dgdr_controller.hardware.nodes import NodeGpus
from dgdr_controller.hardware.resolve import resolve
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, JOBS, PODS, REQUESTS, ConfigMap, Graph, Job, Pod
from dgdr_controller.profiling_job import builder, output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import Goal, Provenance, RequestIdentity, Results, RunState, RunStatus
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.settings import RightsSettings, Settings

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
UID = "11111111-0000-4000-8000-000000000000"
NODE = NodeGpus("n1", "NVIDIA-H200", find_product("NVIDIA-H200"), 8, 143_771)
Make = Callable[..., Any]


def rfc3339(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def request_of(
    name: str = "qwen", *, status: DgdrStatus | None = None, annotations: dict[str, str] | None = None, **spec: Any
) -> DynamoGraphDeploymentRequest:
    """Make a request as the API server stores one."""
    manifest = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": name, "namespace": "team", "uid": UID, "annotations": annotations or {}},
        "spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm"} | spec,
    }
    request = REQUESTS.decode(msgspec.json.encode(manifest))
    return request.model_copy(update={"status": status})


def world_of(request: DynamoGraphDeploymentRequest | None = None, **seen: Any) -> ObservedState:
    """Make a observed with one node of GPUs; what is not named is not there."""
    fields: dict[str, Any] = {
        "generation": 1,
        "settings": Settings(rights=RightsSettings(mode="enforce")),
        "now": NOW,
        "nodes": (NODE,),
    } | seen
    return ObservedState(request=request or request_of(), **fields)


def after(observed: ObservedState, decision: Decision, *, s: float = 0.0, **seen: Any) -> ObservedState:
    """Return the observed once a decision is carried out, some time later."""
    request = observed.request.model_copy(update={"status": decision.status})
    if decision.annotations:
        annotations = (request.metadata.annotations or {}) | {k: v for k, v in decision.annotations.items() if v}
        request = request.model_copy(
            update={"metadata": request.metadata.model_copy(update={"annotations": annotations})}
        )
    return replace(observed, request=request, now=observed.now + dt.timedelta(seconds=s), **seen)


def candidate_of(tp: int = 2, *, per_gpu: float = 500.0, ttft: float = 100.0, **other: Any) -> Candidate:
    """Make an aggregated candidate of one replica."""
    performance = Performance(
        ttft=ttft, itl=10, e2e=ttft + 9990, tokens_per_s=per_gpu * tp, tokens_per_s_per_gpu=per_gpu,
        tokens_per_s_per_user=100, concurrency=8, request_rate=1,
    )  # fmt: skip
    worker = Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=tp), count=1, batch=8, max_num_tokens=8192)
    fields: dict[str, Any] = {
        "backend": Backend.VLLM, "backend_version": "0.31.0", "mode": Mode.AGGREGATED, "workers": (worker,),
        "replicas": 1, "context_length": 10_000, "performance": performance, "source": Source.MIXED,
    }  # fmt: skip
    return Candidate(**(fields | other))


def results_of(
    candidates: Sequence[Candidate] = (),
    *,
    selected: int | None = 0,
    warnings: Sequence[RequestWarning] = (),
    pareto: Sequence[int] | None = None,
) -> Results:
    """Make the results of a search: by default two candidates, both on the front, the first one chosen."""
    found = tuple(candidates) or (candidate_of(2), candidate_of(4, per_gpu=400, ttft=60))
    front = range(len(found)) if pareto is None else pareto
    return Results(
        request=RequestIdentity(name="qwen", namespace="team", spec=request_of().spec),
        model="Qwen/Qwen3-32B",
        goal=Goal(isl=4000, osl=1000, objective=OptimizationType.HYBRID),
        hardware=HardwareUsed(
            gpu_sku="h200_sxm",
            gpu_sku_source=ValueSource.SPEC,
            total_gpus=Resolved(value=8, source=ValueSource.SPEC),
            num_gpus_per_node=Resolved(value=8, source=ValueSource.SPEC),
            vram_mib=Resolved(value=143_771, source=ValueSource.SPEC),
        ),
        candidates=found,
        pareto=tuple(found[each].id for each in front),
        selected=None if selected is None else found[selected].id,
        warnings=tuple(warnings),
        provenance=Provenance(engine="aic", engine_version="0.12.0", perf_database={"vllm": "1"}, mode="rapid"),
    )


def run_of(observed: ObservedState) -> Run:
    """Return the profiling run that Pending would begin in a observed."""
    return Run(
        observed.request,
        resolve(observed.request.spec.hardware or Hardware(), observed.nodes, multinode=observed.multinode),
        observed.settings,
    )


def _decoded(resource: Any, manifest: dict[str, Any], status: dict[str, Any] | None = None) -> Any:
    return resource.decode(msgspec.json.encode(manifest | ({"status": status} if status else {})))


def job_of(
    observed: ObservedState,
    uid: str = "job-1",
    *,
    owner: str = UID,
    deleted: bool = False,
    inputs: str = "",
    **conditions: Any,
) -> Job:
    """Make the Job of a world; conditions: ``Failed=(reason, message)``, ``Complete=seconds ago``."""
    manifest = builder.job(run_of(observed))
    manifest["metadata"] |= {"uid": uid} | ({"deletionTimestamp": rfc3339(NOW)} if deleted else {})
    manifest["metadata"]["ownerReferences"][0]["uid"] = owner
    if inputs:
        manifest["metadata"]["annotations"]["dgdr.nvidia.com/inputs"] = inputs
    told = []
    for kind, what in conditions.items():
        reason, message = what if isinstance(what, tuple) else ("", "")
        ago = 0 if isinstance(what, tuple) else what
        at = rfc3339(observed.now - dt.timedelta(seconds=ago))
        told.append({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at})
    job: Job = _decoded(JOBS, manifest, {"conditions": told})
    return job


def map_of(  # noqa: PLR0913 - each by name
    observed: ObservedState,
    published: Output | None = None,
    *,
    seen: str = "",
    owner: str = UID,
    inputs: str = "",
    deleted: bool = False,
    version: str = "1",
) -> ConfigMap:
    """Make the ConfigMap of the output, with what is published in it."""
    manifest = builder.output_config_map(run_of(observed))
    manifest["metadata"] |= {"uid": "map-1", "resourceVersion": version} | (
        {"deletionTimestamp": rfc3339(NOW)} if deleted else {}
    )
    manifest["metadata"]["ownerReferences"][0]["uid"] = owner
    if seen:
        manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] = seen
    if inputs:
        manifest["metadata"]["annotations"]["dgdr.nvidia.com/inputs"] = inputs
    found: ConfigMap = _decoded(CONFIG_MAPS, manifest | (output.data(published) if published else {}))
    return found


def published_of(
    observed: ObservedState,
    results: Results | None = None,
    *,
    job: str = "job-1",
    inputs: str = "",
    **run: Any,
) -> dict[str, Any]:
    """Return what a observed has of an output: the ConfigMap and what is read from it."""
    fields: dict[str, Any] = {"status": RunState.RUNNING, "phase": "SweepingDecode", "message": "vllm aggregated"}
    if results is not None:
        fields |= {"status": RunState.SUCCESS, "phase": "Done", "exit_code": 0}
    packed = pack(results.model_dump_json(exclude_none=True).encode()) if results else ""
    told = Output(job, inputs or run_of(observed).inputs, RunStatus(**(fields | run)), packed)
    found = map_of(observed, told, seen=job)
    return {"output_map": found, "output": output.read(found)}


def pod_of(name: str = "profile-qwen-x", *, job: str = "job-1", created_ago: float = 10, **status: Any) -> Pod:
    """Make a pod of a Job."""
    metadata = {
        "name": name,
        "namespace": "team",
        "creationTimestamp": rfc3339(NOW - dt.timedelta(seconds=created_ago)),
        "labels": {"batch.kubernetes.io/controller-uid": job},
        "ownerReferences": [{"kind": "Job", "name": "profile-qwen", "uid": job, "controller": True}],
    }
    pod: Pod = _decoded(PODS, {"metadata": metadata}, status)
    return pod


def container(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "image": f"registry/{name}:1", "restartCount": 0, "state": state}


def graph_of(
    manifest: dict[str, Any], state: str = "successful", *, generation: int = 1, observed: int = 1, **status: Any
) -> Graph:
    """Make a deployment as Dynamo's operator would show it."""
    metadata = manifest["metadata"] | {"uid": "dgd-1", "generation": generation}
    told = {"state": state, "observedGeneration": observed} | status
    graph: Graph = _decoded(GRAPHS, manifest | {"metadata": metadata}, told)
    return graph


def said(decision: Decision, type_: str) -> tuple[str, str, str]:
    """Return status, reason and message of a condition of the decided status."""
    found = [c for c in decision.status.conditions or () if c.type == type_]
    assert len(found) == 1, f"{len(found)} conditions of type {type_}"
    return found[0].status, found[0].reason, found[0].message


def in_phase(phase: Phase, observed: ObservedState, decision: Decision) -> ObservedState:
    assert decision.status.phase is phase
    return after(observed, decision)


@pytest.fixture
def profiling_world() -> ObservedState:
    """A request whose Job has just been made."""
    observed = world_of()
    observed = in_phase(Phase.PENDING, observed, pending(observed))
    return in_phase(Phase.PROFILING, observed, pending(observed))


@pytest.fixture
def ready_world(profiling_world: ObservedState) -> ObservedState:
    """A request with results that is not to be deployed."""
    request = profiling_world.request
    held = request.model_copy(update={"spec": request.spec.model_copy(update={"auto_apply": False})})
    observed = replace(profiling_world, request=held)
    observed = replace(observed, **published_of(observed, results_of()))
    return in_phase(Phase.READY, observed, profiling(observed))


@pytest.fixture
def deploying_world(profiling_world: ObservedState) -> ObservedState:
    """A request whose deployment is written and not made yet."""
    observed = replace(profiling_world, **published_of(profiling_world, results_of()))
    return in_phase(Phase.DEPLOYING, observed, profiling(observed))
