"""What the controller observes: a request, and what exists around it, as the API server would give it."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from dgdr_api.gpus import find_product
from dgdr_api.names import ANNOTATION_JOB_UID
from dgdr_api.results import Results
from dgdr_api.trials import TrialLog, TrialReport, TrialStatus
from dgdr_api.v1beta1 import DgdrStatus, DynamoGraphDeploymentRequest, Hardware, Phase
from dgdr_controller.hardware.nodes import NodeGpus
from dgdr_controller.hardware.resolve import resolve
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, JOBS, PODS, REQUESTS, ConfigMap, Graph, Job, Pod
from dgdr_controller.profiling_job import builder, output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler import profiling_run
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import ObservedState
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


def observed_of(request: DynamoGraphDeploymentRequest | None = None, **seen: Any) -> ObservedState:
    """Make a state with one node of GPUs; what is not named is not there."""
    fields: dict[str, Any] = {
        "generation": 1,
        "settings": Settings(rights=RightsSettings(mode="enforce")),
        "now": NOW,
        "nodes": (NODE,),
    } | seen
    return ObservedState(request=request or request_of(), **fields)


def after(observed: ObservedState, decision: Decision, *, s: float = 0.0, **seen: Any) -> ObservedState:
    """Return the state once a decision is carried out, some time later."""
    request = observed.request.model_copy(update={"status": decision.status})
    if decision.annotations:
        annotations = (request.metadata.annotations or {}) | {k: v for k, v in decision.annotations.items() if v}
        request = request.model_copy(
            update={"metadata": request.metadata.model_copy(update={"annotations": annotations})}
        )
    return replace(observed, request=request, now=observed.now + dt.timedelta(seconds=s), **seen)


def run_of(observed: ObservedState) -> Run:
    """Return the profiling run that Pending would begin in a state."""
    hardware = resolve(observed.request.spec.hardware or Hardware(), observed.nodes or (), multinode=observed.multinode)
    return profiling_run.run_on(hardware, observed)


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
    """Make the Job of an observed state; conditions: ``Failed=(reason, message)``, ``Complete=seconds ago``."""
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
    trials: TrialLog | None = None,
    statuses: Mapping[str, TrialStatus] | None = None,
    **run: Any,
) -> dict[str, Any]:
    """Return what a state has of an output: the ConfigMap and what is read from it."""
    fields: dict[str, Any] = {"status": RunState.RUNNING, "phase": "SweepingDecode", "message": "vllm aggregated"}
    if results is not None:
        fields |= {"status": RunState.SUCCESS, "phase": "Done", "exit_code": 0}
    packed = pack(results.model_dump_json(exclude_none=True).encode()) if results else None
    log = trials.model_dump_json(exclude_none=True) if trials else ""
    told = Output(job, inputs or run_of(observed).inputs, RunStatus(**(fields | run)), packed, trials=log)
    found = map_of(observed, told, seen=job)
    if statuses:
        found = msgspec.structs.replace(
            found, data=found.data | output.trial_status(TrialReport(trials=dict(statuses)))
        )
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
