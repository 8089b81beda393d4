"""What keeps a request from going on, each cause with its class: waited for, or the end of the request."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dgdr_api.v1beta1.status import Phase

_PROFILING, _DEPLOYMENT = "Profiling", "DeploymentReady"


class Outcome(Enum):
    """What becomes of a request."""

    WAITS = "waits"
    """Its phase stays, and it goes on by itself once the cause is gone."""
    FAILS = "fails"
    """It is Failed: somebody has to change it, or to ask for another try."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause.

    Attributes:
        phases: Phases in which it is met.
        condition: Type of the condition that names it, with status False.
        reason: Reason of that condition.
        words: What has happened, for people; links are those of ``docs/reference``.
        outcome: What becomes of the request.
        ends: When a request that waits fails after all; empty: never.
    """

    phases: tuple[Phase, ...]
    condition: str
    reason: str
    words: str
    outcome: Outcome = Outcome.WAITS
    ends: str = ""


_PENDING, _RUNNING, _DEPLOYING = (Phase.PENDING,), (Phase.PROFILING,), (Phase.DEPLOYING,)
_READY, _DEPLOYED = (Phase.READY,), (Phase.DEPLOYED,)
_GRACE = "after [`DGDR_PROFILING__STUCK_POD_GRACE_S`](settings.md)"
_JOB = "when the Job ends, by its deadline or its number of retries"

CAUSES = (
    Cause(_PENDING, _PROFILING, "WaitingForHardware", "The request names no GPUs, and no node offers usable ones."),
    Cause(
        _PENDING,
        _PROFILING,
        "WaitingForClaim",
        "A PersistentVolumeClaim that the request names does not exist, is being deleted, has lost its volume, or can "
        "be mounted by one pod only.",
    ),
    Cause(
        _PENDING,
        _PROFILING,
        "WaitingForConfigMap",
        "The base deployment of a `v1alpha1` request (`profilingConfig.configMapRef`) does not exist, or a ConfigMap "
        "that `overrides.profilingJob` names.",
    ),
    Cause(
        _PENDING,
        _PROFILING,
        "WaitingForSecret",
        "A Secret that `overrides.profilingJob` names does not exist.",
    ),
    Cause(
        _PENDING,
        _PROFILING,
        "WaitingForServiceAccount",
        "A ServiceAccount that `overrides.profilingJob` names does not exist.",
    ),
    Cause(
        _PENDING,
        _PROFILING,
        "WaitingForGpus",
        "`searchStrategy` is `thorough`, and the cluster has too few GPUs, or none is free.",
    ),
    Cause(_PENDING + _RUNNING, _PROFILING, "WaitingForCleanup", "Objects of an earlier run are still being deleted."),
    Cause(
        _PENDING + _RUNNING,
        _PROFILING,
        "NameConflict",
        "An object with a name that the request needs exists and belongs to something else.",
    ),
    Cause(
        _PENDING + _RUNNING,
        _PROFILING,
        "WaitingForApi",
        "The API server does not accept an object now: a quota, a missing right, a webhook or a policy that refuses it "
        "for now, too many requests, an error of its own. The message is the API server's.",
    ),
    Cause(_RUNNING, _PROFILING, "RetryingJob", "Somebody deleted the Job; another one is made, once."),
    Cause(_RUNNING, _PROFILING, "WaitingForPod", "The Job has had no pod for 10 seconds.", ends=_JOB),
    Cause(
        _RUNNING,
        _PROFILING,
        "Unschedulable",
        "No node takes the profiling pod; the message is the scheduler's.",
        ends=_GRACE,
    ),
    Cause(_RUNNING, _PROFILING, "ImagePullFailed", "An image of the profiling pod cannot be pulled.", ends=_GRACE),
    Cause(
        _RUNNING,
        _PROFILING,
        "ContainerConfigError",
        "A container of the profiling pod cannot be created, as where a Secret is missing.",
        ends=_GRACE,
    ),
    Cause(_RUNNING, _PROFILING, "OOMKilled", "The profiler ran out of memory; the Job starts it again.", ends=_JOB),
    Cause(
        _RUNNING,
        _PROFILING,
        "ProfilerEnded",
        "The profiler ended with a fault that may pass (the hub cannot be reached) or unexpectedly; the Job starts it "
        "again.",
        ends=_JOB,
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "WaitingForDynamo",
        "The cluster does not serve DynamoGraphDeployments: Dynamo's operator and its CRDs are not installed.",
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "WaitingForApi",
        "The API server does not accept an object of the deployment now.",
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "WaitingForCleanup",
        "A DynamoGraphDeployment of the name, or a ConfigMap that the deployment mounts, is being deleted.",
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "NameConflict",
        "A DynamoGraphDeployment of the name, or a ConfigMap that the deployment mounts, belongs to something else, or "
        "to an earlier request of this name.",
    ),
    Cause(_DEPLOYING, _DEPLOYMENT, "OtherCandidateDeployed", "The deployment that is there is of another candidate."),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "ReplaceRefused",
        "The API server does not let the deployment be changed in place (`dgdr.nvidia.com/replace-dgd`); the message "
        "is the API server's.",
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "WaitingForOperator",
        "Dynamo's operator has said nothing about the deployment for a minute.",
    ),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "Unschedulable",
        "No node takes a pod of the deployment, as while GPUs are busy; the message is the scheduler's.",
    ),
    Cause(_DEPLOYING, _DEPLOYMENT, "ImagePullFailed", "An image of the deployment cannot be pulled."),
    Cause(_DEPLOYING, _DEPLOYMENT, "ContainerConfigError", "A container of the deployment cannot be created."),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "CrashLoop",
        "A container of the deployment has failed and is started again; the message has the last lines of its log.",
    ),
    Cause(_DEPLOYING, _DEPLOYMENT, "OOMKilled", "A container of the deployment ran out of memory."),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "NotReady",
        "A container of the deployment has run for 15 minutes and is not ready.",
    ),
    Cause(_DEPLOYING, _DEPLOYMENT, "DeploymentDegraded", "A deployment that was healthy is not any more."),
    Cause(
        _DEPLOYING,
        _DEPLOYMENT,
        "DeadlineExceeded",
        "The deployment has not been healthy for [`DGDR_DEPLOYMENT_DEADLINE_S`](settings.md); it is still followed.",
    ),
    Cause(
        tuple(Phase),
        "Validation",
        "ValidationFailed",
        "The request breaks a rule (a field, an override, a right that its author does not have), or cannot be read.",
        Outcome.FAILS,
    ),
    Cause(_PENDING + _RUNNING, _PROFILING, "JobCreationFailed", "The API server rejects the Job.", Outcome.FAILS),
    Cause(
        _RUNNING,
        _PROFILING,
        "<sub-phase>Failed",
        "The profiler says that the request cannot be served: the hub does not know the model, no engine loads it, it "
        "does not fit into the GPUs (the message names the smallest sufficient number).",
        Outcome.FAILS,
    ),
    Cause(
        _RUNNING,
        _PROFILING,
        "ProfilingFailed",
        "The Job has ended without a result: its deadline, its retries, a pod that could not start in time, a Job that "
        "was deleted twice.",
        Outcome.FAILS,
    ),
    Cause(
        _RUNNING + _READY,
        "SpecGenerated",
        "GenerationFailed",
        "No deployment can be made from the result: it cannot be read, or an override does not fit it.",
        Outcome.FAILS,
    ),
    Cause(
        _RUNNING + _READY + _DEPLOYING,
        _DEPLOYMENT,
        "DeploymentRejected",
        "The API server rejects the DynamoGraphDeployment for good.",
        Outcome.FAILS,
    ),
    Cause(
        _DEPLOYING + _DEPLOYED,
        _DEPLOYMENT,
        "DeploymentDeleted",
        "Somebody deleted the DynamoGraphDeployment.",
        Outcome.FAILS,
    ),
)


def reasons(phase: Phase, condition: str) -> Iterator[str]:
    """Yield the reasons of a condition for which a request in a phase waits."""
    for cause in CAUSES:
        if phase in cause.phases and (cause.condition, cause.outcome) == (condition, Outcome.WAITS):
            yield cause.reason
