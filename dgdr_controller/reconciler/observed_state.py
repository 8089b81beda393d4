"""The input of every phase: everything that exists around a request, as plain values."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import NamedTuple

from dgdr_api.conditions import DeploymentReady, Profiling, SpecGenerated
from dgdr_api.measurements import Measurements
from dgdr_api.names import ANNOTATION_UID, LABEL_NAME, LABEL_NAMESPACE
from dgdr_api.v1beta1 import Condition, DgdrStatus, DynamoGraphDeploymentRequest, Phase
from dgdr_controller.hardware.nodes import NodeGpus
from dgdr_controller.kinds import GRAPHS, Claim, ConfigMap, Graph, Job, Meta, Named, Pod
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.runtime import Key, Resource
from dgdr_controller.settings import Settings


class Need(Flag):
    """What a phase needs to see besides what the watches report."""

    HARDWARE = auto()
    """The nodes' GPUs, and whether engines may span nodes."""
    COMPOSITION = auto()
    """What a deployment is composed of besides the result: the user's base deployment, and a Prometheus."""
    MEASUREMENTS = auto()
    """What was measured at this site, which a profiling run depends on."""
    FRESH_OUTPUT = auto()
    """The published output with its results, as the API server has it now: what watches report is kept without."""
    FRESH_PODS = auto()
    """The pods of the Job, as the API server has them now: a failed Job is seen before its pod where watches lag."""
    RIVALS = auto()
    """Trials of other requests that wait for GPUs."""
    PREREQUISITES = auto()
    """Objects that others make and that pods of the request need, and whether Dynamo is installed."""


class ObjectName(NamedTuple):
    """An object in the request's namespace."""

    kind: str
    name: str


class ClusterState(Enum):
    """What a request can depend on besides single objects."""

    GPUS = auto()
    DYNAMO = auto()
    MULTINODE = auto()


_BEGINNINGS: Mapping[Phase, str] = {
    Phase.PENDING: Profiling.TYPE,
    Phase.READY: SpecGenerated.TYPE,
    Phase.DEPLOYING: DeploymentReady.TYPE,
    Phase.DEPLOYED: DeploymentReady.TYPE,
}
"""Conditions whose status changes when a phase begins; none does when a request fails."""

Subject = ObjectName | ClusterState
"""What a request waits for, or warns of."""


@dataclass(frozen=True, slots=True)
class ObservedState:
    """What exists around a request, and when that was observed.

    Attributes:
        request: The request.
        generation: Generation of its spec.
        settings: The installation's settings.
        now: Time of the observation: UTC, whole seconds, as Kubernetes writes it.
        job: Its profiling Job, whoever owns it.
        pods: Pods of that Job.
        serving: Pods of its deployment.
        output_map: The ConfigMap of the profiling's output.
        foreign_output: A ConfigMap of its name that is another's; nothing is read from it.
        output: What was published in it.
        graphs: DynamoGraphDeployments in the version that the cluster serves.
        graph: The DynamoGraphDeployment of its name, whoever made it.
        trials: The deployments that a thorough search measures for it.
        trial_pods: Their pods.
        rivals: Trials of other requests that wait for GPUs.
        verification: The Job that measures its deployment, whoever owns it.
        verification_pods: Pods of that Job.
        results_page: The Deployment that serves its results page, whoever owns it.
        mounted: ConfigMaps that the deployment mounts and that were made for the request.
        graphs_known: Whether the cluster knows DynamoGraphDeployments.
        nodes: Nodes with GPUs; None: they are still being looked at.
        base: Text of the user's own deployment that the plan is put into; None: there is none, or it is missing.
        prometheus: Whether the Prometheus that a planner would read exists; None: not known.
        multinode: Whether the cluster can run an engine over several nodes.
        measurements: What was measured at this site; None: nothing.
        objects: Objects that pods of the request need; None: there is none; absent: not known.
        dynamo: Whether the cluster serves DynamoGraphDeployments, as the API server says now; None: nobody has asked.
        several_nodes: Whether pods of the request may be on different nodes.
    """

    request: DynamoGraphDeploymentRequest
    generation: int
    settings: Settings
    now: dt.datetime
    job: Job | None = None
    pods: tuple[Pod, ...] = ()
    serving: tuple[Pod, ...] = ()
    output_map: ConfigMap | None = None
    foreign_output: ConfigMap | None = None
    output: Output | None = None
    graphs: Resource[Graph] = GRAPHS
    graph: Graph | None = None
    trials: tuple[Graph, ...] = ()
    trial_pods: tuple[Pod, ...] = ()
    rivals: tuple[Graph, ...] = ()
    verification: Job | None = None
    verification_pods: tuple[Pod, ...] = ()
    results_page: Named | None = None
    mounted: tuple[ConfigMap, ...] = ()
    graphs_known: bool = True
    nodes: tuple[NodeGpus, ...] | None = ()
    base: str | None = None
    prometheus: bool | None = None
    multinode: bool = False
    measurements: Measurements | None = None
    objects: Mapping[ObjectName, Claim | Named | None] = field(default_factory=dict)
    dynamo: bool | None = None
    several_nodes: bool = True

    @property
    def name(self) -> str:
        """Name of the request."""
        return self.request.metadata.name

    @property
    def key(self) -> Key:
        """Key of the request."""
        return Key(self.request.metadata.namespace or "", self.name)

    @property
    def uid(self) -> str:
        """UID of the request."""
        return self.request.metadata.uid or ""

    def owns(self, metadata: Meta) -> bool:
        """Say whether an object was made for this very request, not for one of its name.

        The proof is its controller's UID; of one without a controller, as a deployment is, its labels and the UID
        that it carries.
        """
        if controllers := [owner.uid for owner in metadata.owner_references if owner.controller]:
            return self.uid in controllers
        named = (metadata.labels.get(LABEL_NAME), metadata.labels.get(LABEL_NAMESPACE))
        ours = named == (self.name, self.request.metadata.namespace)
        return ours and metadata.annotations.get(ANNOTATION_UID) == self.uid

    def is_predecessors(self, metadata: Meta) -> bool:
        """Say whether a deployment was made for an earlier request of this name: names are of one request at a time."""
        named = (metadata.labels.get(LABEL_NAME), metadata.labels.get(LABEL_NAMESPACE))
        ours = named == (self.name, self.request.metadata.namespace)
        controlled = any(owner.controller for owner in metadata.owner_references)
        return ours and not controlled and metadata.annotations.get(ANNOTATION_UID, self.uid) != self.uid

    def annotation(self, name: str) -> str:
        """Return an annotation of the request, or nothing."""
        return (self.request.metadata.annotations or {}).get(name, "")

    @property
    def status(self) -> DgdrStatus:
        """Its status; an empty one before there is any."""
        return self.request.status or DgdrStatus()

    @property
    def phase(self) -> Phase:
        """The phase that it is in."""
        return self.status.phase or Phase.PENDING

    @property
    def phase_start(self) -> dt.datetime | None:
        """When it has entered its phase; None where its status does not tell."""
        if self.phase is Phase.PROFILING:
            results = self.status.profiling_results
            return results.start_time if results else None
        condition = self.condition(_BEGINNINGS.get(self.phase, ""))
        if condition is None:
            return self.request.metadata.creation_timestamp if self.phase is Phase.PENDING else None
        return condition.last_transition_time

    def seen(self, subject: Subject) -> object:
        """Return what was seen of something that requests wait for."""
        match subject:
            case ClusterState.GPUS:
                return self.nodes
            case ClusterState.DYNAMO:
                return self.dynamo
            case ClusterState.MULTINODE:
                return self.multinode
            case ObjectName():
                return self.objects.get(subject)

    def condition(self, type_: str) -> Condition | None:
        """Return its condition of a type."""
        return next((condition for condition in self.status.conditions or () if condition.type == type_), None)
