"""DynamoGraphDeployment, version ``nvidia.com/v1beta1``: the parts that we write.

Shape: Dynamo's deploy/operator/api/v1beta1. Pod parts carry the field names of Kubernetes' core/v1. Serialise with
`DynamoGraphDeployment.manifest`: absent fields are left out.
"""

from typing import Literal, cast

from pydantic import Field, JsonValue

from dgdr_api.gpus import Vendor
from dgdr_api.model import ApiModel
from dgdr_api.names import DGD_KIND, GROUP
from dgdr_api.v1beta1 import ObjectMeta

GPU_RESOURCE = "nvidia.com/gpu"
"""Name of the extended resource that NVIDIA's device plugin offers."""

GPU_RESOURCES: dict[Vendor, str] = {"nvidia": GPU_RESOURCE, "amd": "amd.com/gpu", "intel": "gpu.intel.com/xe"}
"""The same of each vendor's plugin."""

ComponentType = Literal["frontend", "worker", "prefill", "decode", "planner"]


class EnvFromSecret(ApiModel):
    """All keys of a Secret as environment variables."""

    name: str
    optional: bool


class EnvFromSource(ApiModel):
    """Where environment variables come from."""

    secret_ref: EnvFromSecret


class Resources(ApiModel):
    """Resource limits; requests of extended resources equal their limits."""

    limits: dict[str, str]


class EnvVar(ApiModel):
    """One environment variable."""

    name: str
    value: str


class VolumeMount(ApiModel):
    """Where a volume is seen in a container."""

    name: str
    mount_path: str
    read_only: bool


class ClaimSource(ApiModel):
    """A PersistentVolumeClaim."""

    claim_name: str
    read_only: bool


class ConfigMapSource(ApiModel):
    """A ConfigMap, each key a file."""

    name: str


class Volume(ApiModel):
    """A volume of a pod: of one source."""

    name: str
    persistent_volume_claim: ClaimSource | None = None
    config_map: ConfigMapSource | None = None


class Container(ApiModel):
    """The container of a component; the operator wants it to be named ``main``."""

    name: Literal["main"] = "main"
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[EnvVar, ...] | None = None
    env_from: tuple[EnvFromSource, ...] | None = None
    volume_mounts: tuple[VolumeMount, ...] | None = None
    resources: Resources | None = None
    termination_message_policy: Literal["FallbackToLogsOnError"] = "FallbackToLogsOnError"
    """Who looks at a pod that has failed sees the last lines of its log."""


class PodSpec(ApiModel):
    """The pod of a component."""

    containers: tuple[Container]
    volumes: tuple[Volume, ...] | None = None
    affinity: dict[str, JsonValue] | None = None
    """As core/v1 has it."""
    tolerations: tuple[dict[str, JsonValue], ...] | None = None
    """As core/v1 has them."""


class PodMeta(ApiModel):
    """Metadata of a component's pods."""

    labels: dict[str, str]


class PodTemplate(ApiModel):
    """Template of a component's pods."""

    metadata: PodMeta
    spec: PodSpec


class Multinode(ApiModel):
    """An engine that spans nodes: a pod on each of them."""

    node_count: int = Field(ge=2)


class ScalingAdapter(ApiModel):
    """Lets the planner set the component's replicas; it is there or not, and says nothing more."""


class Component(ApiModel):
    """One kind of process of the deployment."""

    name: str
    type: ComponentType
    replicas: int = Field(ge=1)
    runtime_version_override: str | None = None
    shared_memory_size: str | None = None
    """Size of /dev/shm, a quantity."""
    multinode: Multinode | None = None
    scaling_adapter: ScalingAdapter | None = None
    pod_template: PodTemplate

    @property
    def gpus(self) -> int:
        """GPUs of all replicas: a pod's, on each node of each replica."""
        resources = self.pod_template.spec.containers[0].resources
        limits = resources.limits if resources else {}
        of_a_pod = sum(int(limits.get(name, "0")) for name in GPU_RESOURCES.values())
        return self.replicas * (self.multinode.node_count if self.multinode else 1) * of_a_pod


class DgdSpec(ApiModel):
    """The components of a deployment."""

    backend_framework: str
    """Engine of the workers: sglang, trtllm or vllm."""
    components: tuple[Component, ...] = Field(min_length=1, max_length=25)


class DynamoGraphDeployment(ApiModel):
    """The object that Dynamo's operator turns into pods."""

    api_version: Literal["nvidia.com/v1beta1"] = cast("Literal['nvidia.com/v1beta1']", f"{GROUP}/v1beta1")
    kind: Literal["DynamoGraphDeployment"] = cast("Literal['DynamoGraphDeployment']", DGD_KIND)
    metadata: ObjectMeta
    spec: DgdSpec

    @property
    def gpus(self) -> int:
        """GPUs of all components."""
        return sum(component.gpus for component in self.spec.components)

    def manifest(self) -> dict[str, JsonValue]:
        """Return the object as Kubernetes takes it."""
        return self.model_dump(mode="json", exclude_none=True)
