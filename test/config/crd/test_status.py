"""The status has an endpoint of its own: who writes one cannot change the other."""

import datetime as dt
import json
from typing import Any

import pytest

from dgdr_api.hardware import ValueSource
from dgdr_api.v1beta1 import (
    Backend,
    Condition,
    DeploymentInfo,
    DgdrStatus,
    DynamoGraphDeploymentRequest,
    HardwareSources,
    HardwareStatus,
    ParetoItem,
    Phase,
    ProfilingProgress,
    ProfilingResults,
    Provenance,
)
from dgdr_api.v1beta1.status import EstimateRange

pytestmark = pytest.mark.cluster

Requests = Any
MERGE = "application/merge-patch+json"
NOON = dt.datetime(2026, 8, 1, 12, 0, 0, tzinfo=dt.UTC)
GRAPH: Any = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": {"components": [{"x": 1.5}]}}
EVERYTHING = DgdrStatus(
    phase=Phase.DEPLOYED,
    profiling_phase="SomethingThatANewerProfilerSays",
    profiling_job_name="profile-qwen",
    dgd_name="qwen-dgd",
    observed_generation=3,
    conditions=(
        Condition(
            type="Succeeded",
            status="True",
            reason="Deployed",
            message="Deployment is healthy",
            last_transition_time=NOON,
            observed_generation=3,
        ),
    ),
    deployment_info=DeploymentInfo(uid="11111111-0000-4000-8000-000000000000", replicas=4, available_replicas=4),
    profiling_results=ProfilingResults(
        selected_config=GRAPH,
        pareto=(
            ParetoItem(
                id="vllm-agg-0123456789",
                backend=Backend.VLLM,
                mode="aggregated",
                parallelization="2 × tp4",
                gpus=8,
                throughput=2512.5,
                throughput_per_gpu=314.0,
                throughput_per_gpu_range=EstimateRange(low=250.0, high=390.0),
                ttft=812.5,
                ttft_range=EstimateRange(low=400.0, high=1600.0),
                itl=9.5,
                itl_range=EstimateRange(low=8.5, high=11.0),
                concurrency=64,
                source="estimated",
                meets_sla=True,
                sla_chance_percent=84,
                config=GRAPH,
            ),
        ),
        start_time=NOON,
        completion_time=NOON,
        provenance=Provenance(
            engine="aiconfigurator", engine_version="0.12.0", perf_database={"vllm": "1"}, mode="rapid", notes=("a",)
        ),
    ),
    profiling_progress=ProfilingProgress(completed=3, total=6, message="vllm", estimated_completion_time=NOON),
    hardware=HardwareStatus(
        gpu_sku="h200_sxm",
        vram_mb=143771,
        num_gpus_per_node=8,
        total_gpus=8,
        interconnect="nvlink",
        rdma=False,
        rdma_resource="rdma/ib",
        rdma_per_node=8,
        gpu_products=("NVIDIA-H200",),
        multinode=True,
        sources=HardwareSources(
            gpu_sku=ValueSource.SPEC,
            vram_mb=ValueSource.DCGM,
            num_gpus_per_node=ValueSource.NODE_LABELS,
            total_gpus=ValueSource.SKU_TABLE,
            interconnect=ValueSource.DCGM,
            rdma=ValueSource.NODE_LABELS,
        ),
    ),
    image="nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
    generated_deployment=GRAPH,
)


def wire(status: DgdrStatus) -> Any:
    return json.loads(status.model_dump_json(exclude_none=True))


def write(requests: Requests, status: object) -> Any:
    name = requests.create()["metadata"]["name"]
    return requests.send("PATCH", f"/{name}/status?fieldValidation=Strict", {"status": status}, MERGE)


def test_every_field_of_the_status_is_kept_and_read_back(requests: Requests) -> None:
    stored = write(requests, wire(EVERYTHING))
    assert stored["status"] == wire(EVERYTHING)
    assert DynamoGraphDeploymentRequest.model_validate_json(json.dumps(stored)).status == EVERYTHING


def test_examples_leave_no_field_out() -> None:
    def absent(model: Any) -> list[str]:
        return [f"{type(model).__name__}.{name}" for name in type(model).model_fields if getattr(model, name) is None]

    results, hardware = EVERYTHING.profiling_results, EVERYTHING.hardware
    assert results
    assert hardware
    assert results.pareto
    assert EVERYTHING.conditions
    parts: list[Any] = [EVERYTHING, results, hardware, hardware.sources, results.provenance, results.pareto[0]]
    parts += [EVERYTHING.deployment_info, EVERYTHING.profiling_progress, EVERYTHING.conditions[0]]
    assert [name for part in parts for name in absent(part)] == []


def test_status_that_comes_with_the_object_is_ignored(requests: Requests) -> None:
    stored = requests.create(status={"phase": "Deployed"})
    assert "status" not in stored
    name = stored["metadata"]["name"]
    patched = requests.send("PATCH", f"/{name}", {"status": {"phase": "Failed"}}, MERGE)
    assert "status" not in patched
    assert patched["metadata"]["generation"] == 1


def test_status_endpoint_leaves_the_spec_alone(requests: Requests) -> None:
    name = requests.create()["metadata"]["name"]
    change = {"spec": {"model": "other"}, "metadata": {"labels": {"a": "b"}}, "status": {"phase": "Pending"}}
    stored = requests.send("PATCH", f"/{name}/status", change, MERGE)
    assert stored["status"] == {"phase": "Pending"}
    assert stored["spec"]["model"] == "Qwen/Qwen3-32B"
    assert stored["metadata"]["generation"] == 1
    assert "labels" not in stored["metadata"]


CONDITION = {
    "type": "Succeeded",
    "status": "True",
    "reason": "Deployed",
    "message": "",
    "lastTransitionTime": "2026-08-01T12:00:00Z",
}


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"phase": "Done"}, "status.phase"),
        ({"observedGeneration": -1}, "status.observedGeneration"),
        ({"conditions": [CONDITION | {"status": "Maybe"}]}, "status.conditions[0].status"),
        ({"conditions": [CONDITION | {"reason": "two words"}]}, "status.conditions[0].reason"),
        ({"conditions": [CONDITION | {"lastTransitionTime": "noon"}]}, "status.conditions[0].lastTransitionTime"),
        ({"conditions": [{**CONDITION, "reason": None}]}, "status.conditions[0].reason"),
        ({"conditions": [CONDITION, CONDITION]}, "status.conditions[1]"),
        ({"profilingResults": {"pareto": [{}] * 13}}, "status.profilingResults.pareto"),
        ({"profilingResults": {"pareto": [{"source": "guess"}]}}, "status.profilingResults.pareto[0].source"),
        ({"profilingResults": {"pareto": [{"mode": "agg"}]}}, "status.profilingResults.pareto[0].mode"),
        ({"profilingResults": {"provenance": {"mode": "x"}}}, "status.profilingResults.provenance.mode"),
        ({"deploymentInfo": {"replicas": -1}}, "status.deploymentInfo.replicas"),
        ({"hardware": {"sources": {"gpuSku": "magic"}}}, "status.hardware.sources.gpuSku"),
    ],
)
def test_status_outside_its_limits_is_refused_by_name(requests: Requests, status: object, field: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the error's class is in conftest
        write(requests, status)
    assert getattr(caught.value, "code", None) == 422
    assert field in getattr(caught.value, "fields", ())


def test_conditions_are_applied_one_by_one(requests: Requests) -> None:
    """They are a map by type: two writers of different conditions do not drop each other's."""
    name = requests.create()["metadata"]["name"]
    for manager, kind in (("one", "Succeeded"), ("two", "SLAWarning")):
        change = {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": name},
            "status": {"conditions": [CONDITION | {"type": kind}]},
        }
        stored = requests.send(
            "PATCH", f"/{name}/status?fieldManager={manager}", change, "application/apply-patch+yaml"
        )
    assert {condition["type"] for condition in stored["status"]["conditions"]} == {"Succeeded", "SLAWarning"}
