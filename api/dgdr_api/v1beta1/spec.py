"""What a user writes: the spec of a request.

Fields without a value are None: what applies then is decided in one place, `dgdr_api.defaults.effective`. Rules that
involve more than one field are in `dgdr_api.validation`.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from dgdr_api.model import ApiModel


class Backend(StrEnum):
    """Inference engine, or the choice left to the search."""

    AUTO = "auto"
    SGLANG = "sglang"
    TRTLLM = "trtllm"
    VLLM = "vllm"


class SearchStrategy(StrEnum):
    """How candidates get their numbers: simulated in seconds, or measured on real GPUs."""

    RAPID = "rapid"
    THOROUGH = "thorough"


class OptimizationType(StrEnum):
    """What the search optimises among the configurations that meet the targets."""

    HYBRID = "hybrid"
    LATENCY = "latency"
    THROUGHPUT = "throughput"


Positive = Annotated[float, Field(gt=0, le=1e9)]  # the bound keeps arithmetic finite and typing errors out
Milliseconds = Positive
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]  # upstream's int32


class ModelCache(ApiModel):
    """Model weights that are already in the cluster, on a PersistentVolumeClaim."""

    pvc_name: str | None = Field(default=None, min_length=1)
    """Name of the PersistentVolumeClaim (ReadWriteMany) in the request's namespace."""
    pvc_model_path: str | None = None
    """Path of the model's folder inside the claim; without it the claim is taken for a Hugging Face cache."""
    pvc_mount_path: str | None = None
    """Where containers see the claim. Default: /opt/model-cache."""
    pvc_path: str | None = None
    """Older name of pvcModelPath."""
    model_path_in_pvc: str | None = None
    """Older name of pvcModelPath."""
    mount_path: str | None = None
    """Older name of pvcMountPath."""


class Hardware(ApiModel):
    """GPUs that may be used. What is absent is discovered from the cluster; what is written is never replaced."""

    gpu_sku: str | None = None
    """SKU in lower-case underscore form, for example h100_sxm, h200_sxm, l40s."""
    vram_mb: Positive | None = None
    """Memory of one GPU in MiB."""
    total_gpus: PositiveInt | None = None
    """GPUs that the deployment may use in all, at least 1. A discovered number is capped at 32; this one is not."""
    num_gpus_per_node: PositiveInt | None = None
    """GPUs of one node, at least 1."""
    interconnect: str | None = None
    """Interconnect between the GPUs of a node, for example nvlink or pcie."""
    rdma: bool | None = None
    """Whether nodes reach each other by RDMA; absent means unknown."""


class Workload(ApiModel):
    """The load to be served. At most one of concurrency and requestRate."""

    isl: PositiveInt | None = None
    """Mean input sequence length in tokens. Default: 4000."""
    osl: PositiveInt | None = None
    """Mean output sequence length in tokens. Default: 1000."""
    concurrency: Positive | None = None
    """Requests in flight that must be served; the fewest GPUs that serve them are used."""
    request_rate: Positive | None = None
    """Requests per second that must be served; the fewest GPUs that serve them are used."""


class Sla(ApiModel):
    """Latency targets: either ttft and itl, or e2eLatency. A target that cannot be met is a warning, no failure."""

    ttft: Milliseconds | None = None
    """Target for the time to first token in milliseconds. Default: 2000."""
    itl: Milliseconds | None = None
    """Target for the inter-token latency in milliseconds. Default: 30."""
    e2e_latency: Milliseconds | None = None
    """Target for the latency of a whole request in milliseconds; replaces ttft and itl."""
    optimization_type: OptimizationType | None = None
    """What to optimise among the configurations that meet the targets. Default: hybrid."""


class Overrides(ApiModel):
    """Changes to the objects that are made for the request."""

    profiling_job: dict[str, JsonValue] | None = None
    """Partial batch/v1 JobSpec, merged over the profiling Job."""
    dgd: dict[str, JsonValue] | None = None
    """Partial DynamoGraphDeployment, merged over the generated one."""
    trust_remote_code: bool | None = None
    """Have engines run the code that the model's repository brings along, as some models need."""


FeatureSetting = bool | dict[str, JsonValue] | None


class Features(ApiModel):
    """Optional parts of the deployment; each is off unless it is written."""

    planner: FeatureSetting = None
    """Planner that scales the deployment at run time: true, false, or an object with its configuration."""
    kv_router: FeatureSetting = None
    """Router that prefers workers which hold a request's KV cache: true, false, or an object with `enabled`."""
    mocker: FeatureSetting = None
    """Simulated workers instead of real engines, for tests: true, false, or an object with `enabled`."""

    @field_validator("planner", "kv_router", "mocker", mode="before")
    @classmethod
    def _bool_or_object(cls, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict) and isinstance(value.get("enabled", True), bool):
            return value
        raise PydanticCustomError("feature", "must be true, false or an object (with 'enabled' true or false)")


class DgdrSpec(ApiModel):
    """What is wanted: a model, optionally an engine, a workload, latency targets."""

    model: str = Field(min_length=1)
    """Hugging Face id of the model, or the name to serve it under when modelCache is set."""
    backend: Backend = Backend.AUTO
    """Inference engine; auto compares all of them. Default: auto."""
    image: str | None = None
    """Container image of Dynamo; its registry and tag are those of the workers. Default: from the controller."""
    runtime_version_override: str | None = Field(
        default=None, pattern=r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"
    )
    """Dynamo version of the images (for example 1.6.1), needed when the image's tag is no version."""
    search_strategy: SearchStrategy = SearchStrategy.RAPID
    """rapid: simulated in seconds; thorough: measured on the cluster's GPUs. Default: rapid."""
    auto_apply: bool = True
    """Whether the chosen configuration is deployed at once. Default: true."""
    model_cache: ModelCache | None = None
    hardware: Hardware | None = None
    workload: Workload | None = None
    sla: Sla | None = None
    overrides: Overrides | None = None
    features: Features | None = None
