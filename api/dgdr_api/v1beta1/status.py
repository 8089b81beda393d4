"""What the controller found and did: the status of a request.

A superset of upstream's. Fields are absent until they are known, and nothing but a condition's own fields is
required: objects whose status upstream's operator wrote are read as well.
"""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, PlainSerializer

from dgdr_api.hardware import ValueSource
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1.spec import Backend

MAX_PARETO = 12
"""Configurations that are listed in the status; all of them are in the output ConfigMap."""


def _rfc3339(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(_rfc3339, when_used="json")]
"""A time as Kubernetes writes it: UTC, whole seconds."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Measure = Annotated[float, Field(ge=0)]


class StatusModel(ApiModel):
    """A part of the status: what another version of the controller wrote into it is skipped."""

    model_config = ConfigDict(extra="ignore")


class Phase(StrEnum):
    """Where a request stands."""

    PENDING = "Pending"
    """Validated; hardware and prerequisites are looked for."""
    PROFILING = "Profiling"
    """A Job searches configurations."""
    READY = "Ready"
    """A configuration is chosen; nothing is deployed while autoApply is false."""
    DEPLOYING = "Deploying"
    """The DynamoGraphDeployment is there and not healthy yet."""
    DEPLOYED = "Deployed"
    """The DynamoGraphDeployment is healthy."""
    FAILED = "Failed"
    """The user must change something; `conditions` say what."""


class Condition(StatusModel):
    """One aspect of the request and how it stands (metav1.Condition)."""

    type: str = Field(pattern=r"^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$", max_length=316)
    """Which aspect, for example Succeeded."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str = Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)
    """Why, in one word for programs."""
    message: str = Field(max_length=32768)
    """Why, in sentences for people."""
    last_transition_time: Time
    """When the status changed last."""
    observed_generation: int | None = Field(default=None, ge=0)
    """Generation of the spec that this was said about."""


class DeploymentInfo(StatusModel):
    """The DynamoGraphDeployment that was made, and its replicas over all its components."""

    uid: str | None = None
    """Its UID: it was made, and is not made again when it is gone."""
    replicas: Count | None = None
    """Replicas that are wanted."""
    available_replicas: Count | None = None
    """Replicas that are available."""


class EstimateRange(StatusModel):
    """The range that a number truly is in with 80 %."""

    low: Measure | None = None
    """Below it with 10 %."""
    high: Measure | None = None
    """Above it with 10 %."""


class ParetoItem(StatusModel):
    """A configuration that no other is better than in everything."""

    id: str | None = None
    """Id of the candidate, for annotation `dgdr.nvidia.com/deploy` and the table in the output ConfigMap."""
    backend: Backend | None = None
    """Inference engine, never auto."""
    mode: Literal["aggregated", "disaggregated"] | None = None
    """Whether prefill and decode have engines of their own."""
    parallelization: str | None = None
    """How engines are spread over GPUs, for example 2 × tp4."""
    gpus: Count | None = None
    """GPUs of the whole configuration."""
    throughput: Measure | None = None
    """Output tokens per second."""
    throughput_per_gpu: Measure | None = None
    """Output tokens per second for each GPU."""
    throughput_per_gpu_range: EstimateRange | None = None
    """The range that it truly is in with 80 %."""
    ttft: Measure | None = None
    """Time to first token in milliseconds."""
    ttft_range: EstimateRange | None = None
    """The range that it truly is in with 80 %."""
    itl: Measure | None = None
    """Inter-token latency in milliseconds."""
    itl_range: EstimateRange | None = None
    """The range that it truly is in with 80 %."""
    concurrency: Measure | None = None
    """Requests in flight that the numbers are for."""
    source: Literal["estimated", "measured", "naive"] | None = None
    """What the numbers rest on: a simulation, a measurement, or memory fit alone."""
    meets_sla: bool | None = None
    """Whether it meets every target that the spec has, by its numbers."""
    sla_chance_percent: Count | None = None
    """How likely it truly meets them."""
    config: dict[str, JsonValue] | None = None
    """The configuration as a DynamoGraphDeployment; left out where the status would grow too large."""


class Provenance(StatusModel):
    """Where the numbers of the profiling results come from."""

    engine: str | None = None
    """Program that made them."""
    engine_version: str | None = None
    """Its version."""
    perf_database: dict[str, str] | None = None
    """Version of the performance data for each backend."""
    mode: Literal["rapid", "thorough", "naive"] | None = None
    """How candidates got their numbers: simulated, measured, or from memory fit alone."""
    notes: tuple[str, ...] | None = None
    """What a reader of the numbers should know."""


class ProfilingResults(StatusModel):
    """What profiling found."""

    selected_config: dict[str, JsonValue] | None = None
    """The chosen configuration, a whole DynamoGraphDeployment."""
    pareto: tuple[ParetoItem, ...] | None = Field(default=None, max_length=MAX_PARETO)
    """The best trade-offs, the chosen one among them; the whole table is in the output ConfigMap."""
    start_time: Time | None = None
    """When profiling began."""
    completion_time: Time | None = None
    """When profiling ended."""
    provenance: Provenance | None = None


class HardwareSources(StatusModel):
    """Who said each property of the hardware."""

    gpu_sku: ValueSource | None = None
    """Who said the SKU."""
    vram_mb: ValueSource | None = None
    """Who said the memory of one GPU."""
    num_gpus_per_node: ValueSource | None = None
    """Who said the GPUs of one node."""
    total_gpus: ValueSource | None = None
    """Who said the budget."""
    interconnect: ValueSource | None = None
    """Who said the interconnect."""
    rdma: ValueSource | None = None
    """Who said whether there is RDMA."""


class HardwareStatus(StatusModel):
    """The hardware that the request is planned for; spec.hardware is never written."""

    gpu_sku: str | None = None
    """SKU of the GPUs."""
    vram_mb: Measure | None = None
    """Memory of one GPU in MiB."""
    num_gpus_per_node: Count | None = None
    """Number of GPUs per node."""
    total_gpus: Count | None = None
    """GPUs that the deployment may use in all."""
    interconnect: str | None = None
    """Interconnect between the GPUs of a node; absent when unknown."""
    rdma: bool | None = None
    """Whether nodes reach each other by RDMA; absent when unknown."""
    rdma_resource: str | None = None
    """Extended resource by which nodes offer RDMA devices; absent when there is none or it is unknown."""
    rdma_per_node: Count | None = None
    """Devices of that resource on each node."""
    gpu_products: tuple[str, ...] | None = None
    """Product labels of the nodes that pods are kept to; absent where the cluster has one kind of GPU."""
    multinode: bool | None = None
    """Whether an engine may span nodes: Grove or LWS is installed."""
    sources: HardwareSources | None = None


class ProfilingProgress(StatusModel):
    """How far profiling has come."""

    completed: Count | None = None
    """Searches or measurements that are done."""
    total: Count | None = None
    """How many there will be."""
    message: str | None = None
    """What is being done."""
    estimated_completion_time: Time | None = None
    """When profiling should end."""


class DgdrStatus(StatusModel):
    """What the controller found and did."""

    phase: Phase | None = None
    """Where the request stands: Pending, Profiling, Ready, Deploying, Deployed or Failed."""
    # No enumeration: what a newer profiler says is shown, not refused.
    profiling_phase: str | None = Field(default=None, max_length=253)
    """What profiling does: Initializing, SweepingPrefill, SweepingDecode, SelectingConfig, BuildingCurves,
    GeneratingDGD or Done."""
    profiling_job_name: str | None = None
    """Name of the profiling Job."""
    dgd_name: str | None = None
    """Name of the DynamoGraphDeployment."""
    observed_generation: int | None = Field(default=None, ge=0)
    """Generation of the spec that the status is about."""
    conditions: tuple[Condition, ...] | None = Field(
        default=None, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    )
    """Validation, Profiling, SpecGenerated, DeploymentReady, their sum Succeeded, and warnings."""
    deployment_info: DeploymentInfo | None = None
    profiling_results: ProfilingResults | None = None
    profiling_progress: ProfilingProgress | None = None
    hardware: HardwareStatus | None = None
    generated_deployment: dict[str, JsonValue] | None = None
    """The chosen configuration once more, where the request was written as v1alpha1: scripts of that version read it
    here."""
