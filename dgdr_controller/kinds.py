"""The kinds that this controller reads, each as far as it reads them: decoded from the API server's bytes on demand.

Fields that are not named here are skipped. Sources: Kubernetes' core/v1 and batch/v1.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.json import Decoder

from dgdr_api.names import DGD_KIND, GROUP, KIND
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.runtime import Resource


class OwnerReference(Struct, frozen=True, rename="camel"):
    """Whose an object is."""

    uid: str
    kind: str = ""
    name: str = ""
    controller: bool = False


class Meta(Struct, frozen=True, rename="camel"):
    """Metadata of an object."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: dt.datetime | None = None
    deletion_timestamp: dt.datetime | None = None


class Condition(Struct, frozen=True, rename="camel"):
    """A condition of a node, pod or Job."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: dt.datetime | None = None


class Taint(Struct, frozen=True):
    """What keeps pods off a node."""

    key: str
    effect: str
    value: str = ""


class Toleration(Struct, frozen=True):
    """What lets a pod onto a node with a taint."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class NodeSpec(Struct, frozen=True):
    """Spec of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Struct, frozen=True):
    """Status of a node."""

    allocatable: dict[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()


class Node(Struct, frozen=True):
    """A machine."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = field(default_factory=NodeStatus)


class Waiting(Struct, frozen=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(Struct, frozen=True, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: dt.datetime | None = None


class Running(Struct, frozen=True):
    """That a container runs."""


class ContainerState(Struct, frozen=True):
    """One of them is set."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True, rename="camel"):
    """State of a container."""

    name: str
    image: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(Struct, frozen=True, rename="camel"):
    """Status of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Struct, frozen=True):
    """A pod."""

    metadata: Meta
    status: PodStatus = PodStatus()


class JobStatus(Struct, frozen=True):
    """Status of a Job."""

    active: int = 0
    succeeded: int = 0
    failed: int = 0
    conditions: tuple[Condition, ...] = ()


class Job(Struct, frozen=True):
    """A Job."""

    metadata: Meta
    status: JobStatus = JobStatus()


class ConfigMap(Struct, frozen=True, rename="camel"):
    """A ConfigMap; binary data are base64 text."""

    metadata: Meta
    data: dict[str, str] = field(default_factory=dict)
    binary_data: dict[str, str] = field(default_factory=dict)


class ClaimSpec(Struct, frozen=True, rename="camel"):
    """Spec of a claim."""

    access_modes: tuple[str, ...] = ()


class ClaimStatus(Struct, frozen=True):
    """Status of a claim."""

    phase: str = ""


class Claim(Struct, frozen=True):
    """A PersistentVolumeClaim."""

    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class Named(Struct, frozen=True):
    """An object of which nothing but its metadata is read."""

    metadata: Meta


class GraphComponentStatus(Struct, frozen=True, rename="camel"):
    """Replicas of one component of a deployment."""

    replicas: int = 0
    available_replicas: int = 0


class GraphStatus(Struct, frozen=True, rename="camel"):
    """Status of a DynamoGraphDeployment: what is read of it."""

    state: str = ""
    observed_generation: int = 0
    components: dict[str, GraphComponentStatus] = field(default_factory=dict)
    services: dict[str, GraphComponentStatus] = field(default_factory=dict)
    """What v1alpha1 calls the components."""
    conditions: tuple[Condition, ...] = ()


class Graph(Struct, frozen=True):
    """A DynamoGraphDeployment, as far as a request follows it."""

    metadata: Meta
    status: GraphStatus = field(default_factory=GraphStatus)


def _request(raw: bytes) -> DynamoGraphDeploymentRequest:
    return DynamoGraphDeploymentRequest.model_validate_json(raw, by_alias=True, by_name=False)


REQUESTS = Resource(GROUP, "v1beta1", "dynamographdeploymentrequests", KIND, decode=_request)
GRAPHS = Resource(GROUP, "v1beta1", "dynamographdeployments", DGD_KIND, decode=Decoder(Graph).decode)
GRAPHS_V1ALPHA1 = Resource(GROUP, "v1alpha1", "dynamographdeployments", DGD_KIND, decode=Decoder(Graph).decode)
"""The same in the only version that Dynamo 1.1 serves."""
JOBS = Resource("batch", "v1", "jobs", "Job", decode=Decoder(Job).decode)
PODS = Resource("", "v1", "pods", "Pod", decode=Decoder(Pod).decode)
NODES = Resource("", "v1", "nodes", "Node", decode=Decoder(Node).decode, namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", decode=Decoder(ConfigMap).decode)
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", decode=Decoder(Claim).decode)
SECRETS = Resource("", "v1", "secrets", "Secret", decode=Decoder(Named).decode)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", decode=Decoder(Named).decode)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", decode=Decoder(Named).decode)
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", decode=Decoder(Named).decode)
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", decode=Decoder(Named).decode)
SERVICES = Resource("", "v1", "services", "Service", decode=Decoder(Named).decode)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", decode=Decoder(Named).decode)

_WRITTEN: dict[tuple[str, str], Resource[Any]] = {
    (resource.api_version, resource.kind): resource
    for resource in (
        *(GRAPHS, GRAPHS_V1ALPHA1, JOBS, CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS),
        *(NETWORK_POLICIES, SERVICES, DEPLOYMENTS),
    )
}


REMOVED: dict[str, Resource[Any]] = {resource.kind: resource for resource in (JOBS, CONFIG_MAPS)}
"""The kinds of which objects are removed."""


def resource_of(manifest: Mapping[str, Any]) -> Resource[Any]:
    """Return the kind of an object that we write.

    Raises:
        KeyError: We write no such kind.
    """
    return _WRITTEN[manifest["apiVersion"], manifest["kind"]]
