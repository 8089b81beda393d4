"""The status of a request: what the controller found, did and waits for. A superset of upstream's (api-facts §2).

Unknown fields are kept when it is read: a newer controller may have written them.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import ConfigDict, JsonValue

from dgdr_api.hardware import HardwareUsed
from dgdr_api.model import ApiModel


class _StatusModel(ApiModel):
    model_config = ConfigDict(extra="allow")


class Phase(StrEnum):
    """Where a request is on its way."""

    PENDING = "Pending"
    """It is validated, and its hardware is looked for."""
    PROFILING = "Profiling"
    """The profiling Job runs."""
    READY = "Ready"
    """A configuration is chosen, and nothing is deployed yet."""
    DEPLOYING = "Deploying"
    """The DynamoGraphDeployment is there and not healthy yet."""
    DEPLOYED = "Deployed"
    """The DynamoGraphDeployment is healthy."""
    FAILED = "Failed"
    """Only a change of the request, or a retry, goes on."""


class Condition(_StatusModel):
    """A statement about the request, as Kubernetes' ``metav1.Condition``."""

    type: str
    """What it is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str
    """Why, in one word for programs."""
    message: str = ""
    """Why, in a sentence for people."""
    observed_generation: int | None = None
    """Generation of the spec that it was found for."""
    last_transition_time: str | None = None
    """When the status last changed (RFC 3339)."""


class DeploymentInfo(_StatusModel):
    """Replicas of the deployment, over all its components."""

    replicas: int
    """Replicas that are wanted."""
    available_replicas: int
    """Replicas that serve."""


class ParetoPoint(_StatusModel):
    """One configuration that no other beats in every respect."""

    id: str
    """Id of the candidate: the value of annotation ``dgdr.nvidia.com/deploy``."""
    config: dict[str, JsonValue] | None = None
    """Its DynamoGraphDeployment; left out where the status would get too long."""
    backend: str
    """Inference engine."""
    mode: str
    """aggregated or disaggregated."""
    parallelization: str
    """Workers and their parallelism, for people."""
    gpus: int
    """GPUs in all."""
    throughput: float
    """Output tokens/s in all."""
    throughput_per_gpu: float
    """Output tokens/s of each GPU."""
    ttft: float
    """Time to first token in ms."""
    itl: float
    """Inter-token latency in ms."""
    concurrency: float
    """Requests in flight."""
    source: str
    """estimated, measured or naive."""
    meets_sla: bool
    """Whether every target is met."""


class ProvenanceStatus(_StatusModel):
    """Where the numbers come from."""

    engine: str
    """Program that made them."""
    engine_version: str
    """Its version."""
    perf_database: dict[str, str]
    """Version of the performance data for each backend."""
    mode: str
    """rapid, thorough or naive."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers should know."""


class ProfilingResults(_StatusModel):
    """What profiling found."""

    selected_config: dict[str, JsonValue] | None = None
    """The chosen DynamoGraphDeployment."""
    pareto: tuple[ParetoPoint, ...] = ()
    """The trade-offs to choose from, the chosen one first."""
    start_time: str | None = None
    """When profiling began (RFC 3339)."""
    completion_time: str | None = None
    """When its result was there (RFC 3339)."""
    provenance: ProvenanceStatus | None = None
    """Where the numbers come from."""


class ProfilingProgress(_StatusModel):
    """How far profiling is."""

    completed: int
    """Steps that are done."""
    total: int
    """Steps in all, as far as they are known."""
    message: str
    """What it does now."""


class Status(_StatusModel):
    """Status of a request."""

    phase: Phase | None = None
    """Where the request is on its way."""
    profiling_phase: str | None = None
    """What the profiling Job does."""
    profiling_job_name: str | None = None
    """Name of the profiling Job."""
    dgd_name: str | None = None
    """Name of the DynamoGraphDeployment."""
    observed_generation: int | None = None
    """Generation of the spec that this status is about."""
    conditions: tuple[Condition, ...] = ()
    """Statements about the request, one of each type."""
    hardware: HardwareUsed | None = None
    """The GPUs that are planned for, and who said so."""
    profiling_progress: ProfilingProgress | None = None
    """How far profiling is."""
    profiling_results: ProfilingResults | None = None
    """What profiling found."""
    deployment_info: DeploymentInfo | None = None
    """Replicas of the deployment."""

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of this type."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    def with_conditions(self, changes: Sequence[Condition], generation: int, now: str) -> "Status":
        """Return the status with these conditions, each replacing that of its type; order of first appearance.

        The transition time of one whose status stays is kept (Kubernetes API conventions).
        """
        merged = {condition.type: condition for condition in self.conditions}
        for change in changes:
            before = merged.get(change.type)
            since = before.last_transition_time if before and before.status == change.status else now
            merged[change.type] = change.model_copy(
                update={"observed_generation": generation, "last_transition_time": since}
            )
        return self.model_copy(update={"conditions": tuple(merged.values())})

    def without(self, *types: str) -> "Status":
        """Return the status without the conditions of these types."""
        return self.model_copy(update={"conditions": tuple(c for c in self.conditions if c.type not in types)})
