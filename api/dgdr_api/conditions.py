"""Sentences that users read in conditions: each wording has its one place here."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from dgdr_api.causes import reasons
from dgdr_api.names import ANNOTATION_REPLACE
from dgdr_api.request_warnings import MANY_NODES, PrerequisiteWarning, RequestWarning, missing
from dgdr_api.v1beta1.status import Condition, Phase


@dataclass(frozen=True, slots=True)
class ConditionUpdate:
    """What a condition says, before it is known when and of which generation.

    Attributes:
        type: What it is about.
        status: Whether it holds.
        reason: Why, in one word for programs.
        message: Why, in a sentence for people.
    """

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def set_conditions(
    before: Sequence[Condition], updates: Sequence[ConditionUpdate], generation: int, now: dt.datetime
) -> tuple[Condition, ...]:
    """Return conditions with these updates, each replacing the condition of its type.

    The transition time of one whose status stays is kept (Kubernetes' API conventions).

    Args:
        before: Conditions so far.
        updates: What the conditions are to say.
        generation: Generation of the spec that it is said of.
        now: When.
    """
    merged = {condition.type: condition for condition in before}
    for update in updates:
        old = merged.get(update.type)
        merged[update.type] = Condition(
            type=update.type,
            status=update.status,
            reason=update.reason,
            message=update.message[:_MESSAGE],
            observed_generation=generation,
            last_transition_time=old.last_transition_time if old and old.status == update.status else now,
        )
    return tuple(
        sorted(
            merged.values(),
            key=lambda condition: _ORDER.index(condition.type) if condition.type in _ORDER else len(_ORDER),
        )
    )


_ORDER = (
    *("Validation", "Profiling", "ProfilingComplete", "SpecGenerated", "DeploymentReady", "Succeeded"),
    *("PerformanceVerified", "PrerequisiteWarning", "SLAWarning", "ConfigurationWarning"),
)
"""As a request goes through them; ``kubectl describe`` shows conditions in the order that they are written in."""
_MESSAGE = 32768
"""Longest message of a condition (metav1.Condition)."""


_REASON = 253
"""Letters of a condition's reason that is made from another program's word; Kubernetes allows 1,024."""


def _word(text: str) -> str:
    """Return a word that can be a condition's reason, from one that another program made up; empty if none is left."""
    return re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9_]", "", text)[:_REASON]


def _true(type_: str, reason: str, message: str) -> ConditionUpdate:
    return ConditionUpdate(type_, "True", reason, message)


def _false(type_: str, reason: str, message: str) -> ConditionUpdate:
    return ConditionUpdate(type_, "False", reason, message)


NOT_OURS = "exists and does not belong to this request; delete it, or create the request under another name"
_SEVERAL_NOT_OURS = "exist and do not belong to this request; delete them, or create the request under another name"
"""What is said of one object that has a name that is wanted, and of several."""


class Validation:
    """Whether the request can be worked on."""

    TYPE = "Validation"

    @classmethod
    def passed(cls) -> ConditionUpdate:
        """Say that it can."""
        return _true(cls.TYPE, "ValidationPassed", "DGDR spec validation passed")

    @classmethod
    def failed(cls, message: str) -> ConditionUpdate:
        """Name every field that is wrong."""
        return _false(cls.TYPE, "ValidationFailed", message)

    @classmethod
    def change_refused(cls) -> ConditionUpdate:
        """Say that the spec has changed after profiling, which has no effect, and what to do."""
        return _false(
            cls.TYPE,
            "SpecChangeRejected",
            "The spec changed after profiling, and the change has no effect; undo it, or delete the request and create "
            "it again (the deployment stays)",
        )


class Profiling:
    """How the search for a configuration goes."""

    TYPE = "Profiling"

    @classmethod
    def discovering(cls) -> ConditionUpdate:
        """Say that the hardware is looked for."""
        return _false(cls.TYPE, "DiscoveringHardware", "Discovering GPU hardware and preparing profiling job")

    @classmethod
    def waiting(cls, reason: str, message: str) -> ConditionUpdate:
        """Say what is awaited before the Job can be made, or what keeps its pod from running."""
        return _false(cls.TYPE, reason, message)

    @classmethod
    def name_conflict(cls, *objects: str) -> ConditionUpdate:
        """Say that objects of others have the names of the Job or of its ConfigMaps."""
        reason = NOT_OURS if len(objects) == 1 else _SEVERAL_NOT_OURS
        return cls.waiting("NameConflict", f"{' and '.join(objects)} {reason}")

    @classmethod
    def claim_missing(cls, name: str, path: str) -> ConditionUpdate:
        """Say that a claim does not exist without which no pod of the Job starts."""
        return _false(cls.TYPE, "WaitingForClaim", missing("PersistentVolumeClaim", name, path))

    @classmethod
    def claim_lost(cls, name: str, path: str) -> ConditionUpdate:
        """Say that a claim has lost its volume, which it never gets back."""
        return _false(
            cls.TYPE,
            "WaitingForClaim",
            f"PersistentVolumeClaim {name} has lost its volume; delete the claim and create it again, or change {path}",
        )

    @classmethod
    def claim_deleted(cls, name: str, path: str) -> ConditionUpdate:
        """Say that no new pod can use a claim any more."""
        return _false(
            cls.TYPE,
            "WaitingForClaim",
            f"PersistentVolumeClaim {name} is being deleted; create it again once it is gone, or change {path}",
        )

    @classmethod
    def claim_for_one_pod(cls, name: str, path: str) -> ConditionUpdate:
        """Say that no deployment can use a claim, for its access mode."""
        return _false(
            cls.TYPE,
            "WaitingForClaim",
            f"PersistentVolumeClaim {name} has access mode ReadWriteOncePod, and several pods of a deployment mount "
            f"it; create it again with access mode {MANY_NODES}, or change {path}",
        )

    @classmethod
    def account_missing(cls, name: str, path: str) -> ConditionUpdate:
        """Say that an account does not exist without which the Job gets no pod."""
        return _false(cls.TYPE, "WaitingForServiceAccount", missing("ServiceAccount", name, path))

    @classmethod
    def secret_missing(cls, name: str, path: str) -> ConditionUpdate:
        """Say that a Secret does not exist without which no container of the Job starts."""
        return _false(cls.TYPE, "WaitingForSecret", missing("Secret", name, path))

    @classmethod
    def config_map_missing(cls, name: str, path: str) -> ConditionUpdate:
        """Say that a ConfigMap does not exist without which no container of the Job starts."""
        return _false(cls.TYPE, "WaitingForConfigMap", missing("ConfigMap", name, path))

    @classmethod
    def not_enough_gpus(cls, needed: str, counted: str) -> ConditionUpdate:
        """Say that candidates cannot be measured now."""
        return _false(
            cls.TYPE,
            "WaitingForGpus",
            f"Cluster does not have enough GPUs for profiling: {needed} needed, {counted}. Add nodes or free GPUs, "
            "lower spec.hardware.totalGpus, or set spec.searchStrategy to rapid, which needs none",
        )

    @classmethod
    def running(cls, phase: str, message: str) -> ConditionUpdate:
        """Say what the profiler does."""
        return _false(cls.TYPE, _word(phase) or "ProfilingRunning", message or "Profiling is in progress")

    @classmethod
    def retrying(cls) -> ConditionUpdate:
        """Say that a Job is made anew."""
        return _false(
            cls.TYPE,
            "RetryingJob",
            "The profiling Job was deleted before its result was published; creating another one",
        )

    @classmethod
    def completed(cls) -> ConditionUpdate:
        """Say that the result is there."""
        return _true(cls.TYPE, "ProfilingCompleted", "Profiling job completed successfully")

    @classmethod
    def refused(cls, message: str) -> ConditionUpdate:
        """Say why there can be no Job."""
        return _false(cls.TYPE, "JobCreationFailed", message)

    @classmethod
    def failed(cls, phase: str | None, message: str) -> ConditionUpdate:
        """Say in which sub-phase it failed, and why."""
        return _false(cls.TYPE, f"{_word(phase or '') or 'Profiling'}Failed", message)


class ProfilingComplete:
    """Whether the result of profiling is there; Dynamo's own controller does not set it."""

    TYPE = "ProfilingComplete"

    @classmethod
    def done(cls, choice: str) -> ConditionUpdate:
        """Say what was chosen."""
        return _true(cls.TYPE, "ProfilingCompleted", choice)


class SpecGenerated:
    """Whether the deployment is written."""

    TYPE = "SpecGenerated"
    NOT_OFFERED, TABLE_GONE = "CandidateNotOffered", "CandidatesGone"
    """Reasons for which nothing is deployed although a candidate is asked for."""

    @classmethod
    def applied(cls) -> ConditionUpdate:
        """Say that it is, and is deployed now."""
        return _true(cls.TYPE, "SpecGenerated", "DynamoGraphDeployment spec generated successfully")

    @classmethod
    def available(cls) -> ConditionUpdate:
        """Say that it is, and where."""
        return _true(
            cls.TYPE, "SpecGenerated", "Generated spec is available in annotation nvidia.com/generated-dgd-spec"
        )

    @classmethod
    def available_in_status(cls) -> ConditionUpdate:
        """Say the same of one that does not fit there."""
        return _true(cls.TYPE, "SpecGenerated", "Generated spec is available in status.profilingResults.selectedConfig")

    @classmethod
    def not_offered(cls, candidate: str) -> ConditionUpdate:
        """Say that another one was asked for, which cannot be had."""
        return _true(
            cls.TYPE,
            cls.NOT_OFFERED,
            f'Annotation dgdr.nvidia.com/deploy requests candidate "{candidate}", which does not exist or cannot be '
            "deployed; nothing is deployed. Set it to an id in status.profilingResults.pareto",
        )

    @classmethod
    def table_gone(cls, candidate: str, table: str) -> ConditionUpdate:
        """Say that one was asked for, and that the table that it is in is gone."""
        return _true(
            cls.TYPE,
            cls.TABLE_GONE,
            f'Annotation dgdr.nvidia.com/deploy requests candidate "{candidate}", but ConfigMap {table} with the '
            'candidates does not exist any more: set the annotation to "recommended", or delete the request and create '
            "it again to profile again",
        )

    @classmethod
    def failed(cls, message: str) -> ConditionUpdate:
        """Say why it is not."""
        return _false(cls.TYPE, "GenerationFailed", message)


class DeploymentReady:
    """Whether the deployment serves."""

    TYPE = "DeploymentReady"

    @classmethod
    def in_progress(cls, name: str, state: str, detail: str = "") -> ConditionUpdate:
        """Say in which state it is, and what Dynamo's operator says about that."""
        message = f"DGD {name} is in {state or 'initializing'} state"
        return _false(cls.TYPE, "DeploymentInProgress", f"{message}: {detail}" if detail else message)

    @classmethod
    def replaced(cls, name: str) -> ConditionUpdate:
        """Say that it has just been changed in place; how long it takes counts from here."""
        message = f"DGD {name} was changed in place"
        return ConditionUpdate(cls.TYPE, "Unknown", "DeploymentInProgress", message)

    @classmethod
    def unseen(cls, name: str) -> ConditionUpdate:
        """Say that Dynamo's operator has not looked at it."""
        return cls.waiting(
            "WaitingForOperator",
            f"Dynamo's operator has not reported on DynamoGraphDeployment {name} yet; check that it runs and watches "
            "this namespace",
        )

    @classmethod
    def overdue(cls, name: str, minutes: str, message: str) -> ConditionUpdate:
        """Say that it has not become healthy in time, and what it waits for; it is still followed."""
        return cls.waiting("DeadlineExceeded", f"DGD {name} is not healthy after {minutes} min: {message}")

    @classmethod
    def ready(cls, name: str) -> ConditionUpdate:
        """Say that it does."""
        return _true(cls.TYPE, "DeploymentReady", f"DynamoGraphDeployment {name} is ready")

    @classmethod
    def degraded(cls, state: str) -> ConditionUpdate:
        """Say that it did."""
        return _false(cls.TYPE, "DeploymentDegraded", f"Deployment degraded to {state}")

    @classmethod
    def deleted(cls) -> ConditionUpdate:
        """Say that it is gone."""
        return _false(cls.TYPE, "DeploymentDeleted", "Deployment was deleted by user. Create a new DGDR to redeploy.")

    @classmethod
    def refused(cls, message: str) -> ConditionUpdate:
        """Say why the API server refuses it."""
        return _false(cls.TYPE, "DeploymentRejected", message)

    @classmethod
    def name_conflict(cls, name: str) -> ConditionUpdate:
        """Say that another object has its name, and both ways out."""
        return _false(
            cls.TYPE,
            "NameConflict",
            f"DynamoGraphDeployment {name} {NOT_OURS}",
        )

    @classmethod
    def of_predecessor(cls, name: str) -> ConditionUpdate:
        """Say that an earlier request of this name has left a deployment, and both ways out."""
        return _false(
            cls.TYPE,
            "NameConflict",
            f"DynamoGraphDeployment {name} was made for an earlier request of this name and still runs; delete it, or "
            f"set annotation {ANNOTATION_REPLACE} to {name} to change it in place",
        )

    @classmethod
    def other_candidate(cls, name: str, there: str, wanted: str) -> ConditionUpdate:
        """Say that the deployment that is there is of another candidate, and what to do."""
        return _false(
            cls.TYPE,
            "OtherCandidateDeployed",
            f"DynamoGraphDeployment {name} runs candidate {there}, but {wanted} is requested; delete it to deploy "
            f"{wanted}, or set annotation {ANNOTATION_REPLACE} to {name} to change it in place",
        )

    @classmethod
    def waiting(cls, reason: str, message: str) -> ConditionUpdate:
        """Say what is awaited."""
        return _false(cls.TYPE, reason, message)

    @classmethod
    def not_installed(cls) -> ConditionUpdate:
        """Say that the cluster has no Dynamo."""
        return cls.waiting(
            "WaitingForDynamo",
            "The cluster does not serve DynamoGraphDeployments; waiting for Dynamo's operator and its CRDs",
        )


class PerformanceVerified:
    """Whether a deployment does what was planned; there is none unless somebody asks for it."""

    TYPE = "PerformanceVerified"

    @classmethod
    def pending(cls) -> ConditionUpdate:
        """Say that it is to be measured."""
        return cls._unknown("VerificationPending", "Waiting to start the verification Job")

    @classmethod
    def running(cls, job: str, concurrency: int | None = None) -> ConditionUpdate:
        """Say that it is being measured, and with how many requests in flight."""
        load = f" with {concurrency} request{'s' if concurrency > 1 else ''} in flight" if concurrency else ""
        return cls._unknown("VerificationRunning", f"Job {job} is measuring the deployment{load}")

    @classmethod
    def waiting(cls, reason: str, message: str) -> ConditionUpdate:
        """Say what keeps it from being measured."""
        return cls._unknown(reason, message)

    @classmethod
    def unplanned(cls, why: str) -> ConditionUpdate:
        """Say why there is nothing that a measurement could be compared with."""
        return cls._unknown("NoPlan", f"No plan to compare with: {why}. Use dgdr measure to measure any endpoint")

    @classmethod
    def refused(cls, message: str) -> ConditionUpdate:
        """Say why there can be no Job."""
        return cls.waiting("WaitingForApi", message)

    @classmethod
    def failed(cls, message: str) -> ConditionUpdate:
        """Say why it could not be measured, and the way to another try."""
        return cls._unknown("VerificationFailed", message)

    @classmethod
    def as_planned(cls, figures: str) -> ConditionUpdate:
        """Say what was measured beside what was planned."""
        return _true(cls.TYPE, "AsPlanned", figures)

    @classmethod
    def not_planned(cls, figures: str) -> ConditionUpdate:
        """Say what was measured where nothing was planned: its targets are met."""
        return _true(cls.TYPE, "Measured", figures)

    @classmethod
    def better(cls, figures: str) -> ConditionUpdate:
        """Say that it does more than planned."""
        return _true(cls.TYPE, "BetterThanPlanned", figures)

    @classmethod
    def worse(cls, figures: str) -> ConditionUpdate:
        """Say that it does less than planned."""
        return _false(cls.TYPE, "WorseThanPlanned", figures)

    @classmethod
    def misses(cls, figures: str) -> ConditionUpdate:
        """Say that it misses targets that the user wrote."""
        return _false(cls.TYPE, "TargetsMissed", figures)

    @classmethod
    def _unknown(cls, reason: str, message: str) -> ConditionUpdate:
        return ConditionUpdate(cls.TYPE, "Unknown", reason, message)


class Succeeded:
    """The request as a whole."""

    TYPE = "Succeeded"
    _CAUSES: ClassVar = {
        Validation.TYPE: "Validation failed",
        Profiling.TYPE: "Profiling failed",
        SpecGenerated.TYPE: "Spec generation failed",
        DeploymentReady.TYPE: "Deployment failed",
    }
    _OTHERS: ClassVar = {
        Phase.PENDING: _false(TYPE, "Pending", "DGDR is pending"),
        Phase.PROFILING: _false(TYPE, "Profiling", "Profiling is in progress"),
        Phase.READY: _true(TYPE, "SpecGenerated", "Profiling complete, spec available"),
        Phase.DEPLOYING: _false(TYPE, "Deploying", "Deployment is in progress"),
        Phase.DEPLOYED: _true(TYPE, "Deployed", "Deployment is healthy"),
    }

    @classmethod
    def of(cls, phase: Phase, conditions: Sequence[Condition]) -> ConditionUpdate:
        """Return the aggregate, which ``kubectl get`` shows.

        Of a failed request it names the first cause, of one that makes no progress what it waits for; otherwise it
        repeats what is missing for a deployment.
        """
        if awaited := _awaited(phase, conditions):
            update = _false(cls.TYPE, awaited.reason, awaited.message)
            return update if phase is Phase.PENDING else cls._with_warning(update, conditions)
        if phase is not Phase.FAILED:
            return cls._with_warning(cls._going_on(phase, conditions), conditions)
        cause = cls.cause(conditions)
        if cause is None:
            return _false(cls.TYPE, "Failed", "DGDR has failed")
        return _false(cls.TYPE, cause.reason, f"{cls._CAUSES[cause.type]}: {cause.message}")

    @classmethod
    def _going_on(cls, phase: Phase, conditions: Sequence[Condition]) -> ConditionUpdate:
        """Return what a request does: while it is profiled, what the profiler does."""
        update = cls._OTHERS[phase]
        step = next((c.message for c in conditions if c.type == Profiling.TYPE), "")
        if phase is not Phase.PROFILING or step in ("", update.message):
            return update
        return replace(update, message=f"{update.message}: {step}")

    @classmethod
    def cause(cls, conditions: Sequence[Condition]) -> Condition | None:
        """Return the condition for which a request has failed: the first that does not hold."""
        causes = (c for kind in cls._CAUSES for c in conditions if c.type == kind and c.status == "False")
        return next(causes, None)

    @classmethod
    def _with_warning(cls, update: ConditionUpdate, conditions: Sequence[Condition]) -> ConditionUpdate:
        unmet = {Validation.change_refused().reason, SpecGenerated.NOT_OFFERED, SpecGenerated.TABLE_GONE}
        unmet |= {PerformanceVerified.worse("").reason, PerformanceVerified.misses("").reason}
        warning = next((c for c in conditions if c.type == PrerequisiteWarning.TYPE or c.reason in unmet), None)
        return replace(update, message=f"{update.message}. {warning.message}") if warning else update


def _awaited(phase: Phase, conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that says what a request waits for; None while it makes progress."""
    for condition in conditions:
        if condition.status == "False" and condition.reason in reasons(phase, condition.type):
            return condition
    return None


def of_warning(warning: RequestWarning) -> ConditionUpdate:
    """Return a warning as the condition that shows it."""
    return _true(warning.type, warning.type, warning.message)
