"""What a request needs and the cluster does not have now, as far as that can be known before anything is made.

What is certain to fail keeps a request in Pending, and nothing is lost by waiting. What may work is a warning, which is
shown until the deployment is healthy. Both go by themselves once the cause is gone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from dgdr_api.conditions import ConditionUpdate, Profiling, Succeeded, of_warning, set_conditions
from dgdr_api.defaults import effective
from dgdr_api.hardware import HardwareUsed, ValueSource
from dgdr_api.request_warnings import PrerequisiteWarning, RequestWarning
from dgdr_api.v1beta1 import Condition, DgdrStatus, Phase, SearchStrategy
from dgdr_controller.hardware.resolve import Capacity, capacity
from dgdr_controller.hardware.status import used
from dgdr_controller.hardware.tolerations import tolerations_of
from dgdr_controller.kinds import Claim
from dgdr_controller.reconciler.decision import Decision, Event
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObservedState, Subject
from dgdr_controller.reconciler.references import (
    ACCOUNT,
    CLAIM,
    CONFIG_MAP,
    SECRET,
    Reference,
    Use,
    references,
)

_BEFORE_THE_PLAN = frozenset({Phase.PENDING, Phase.PROFILING})
"""The plan tells the rest: how many GPUs are taken, and whether an engine would span nodes."""
_BEFORE_DEPLOYING = _BEFORE_THE_PLAN | {Phase.READY}
_UNTIL_DEPLOYED = _BEFORE_DEPLOYING | {Phase.DEPLOYING}
_MANY_NODES = frozenset({"ReadWriteMany", "ReadOnlyMany"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or does not suit.

    Attributes:
        message: A condition that keeps the request waiting, or a warning.
        subject: What has to change.
    """

    message: ConditionUpdate | RequestWarning
    subject: Subject


@dataclass(frozen=True, slots=True)
class Situation:
    """What is checked.

    Attributes:
        observed: What exists.
        hardware: What the request is planned for; None: that is not resolved.
    """

    observed: ObservedState
    hardware: HardwareUsed | None


# --- Objects that others make

_Missing = Callable[[Reference], ConditionUpdate | RequestWarning]


def _lacks(reference: Reference) -> RequestWarning:
    return PrerequisiteWarning.deployment_lacks(*reference.object, reference.path)


_MISSING: Mapping[tuple[Use, str], _Missing] = {
    (Use.MODEL_CACHE, CLAIM): lambda needed: Profiling.claim_missing(needed.object.name, needed.path),
    (Use.JOB, CLAIM): lambda needed: Profiling.claim_missing(needed.object.name, needed.path),
    (Use.JOB, ACCOUNT): lambda needed: Profiling.account_missing(needed.object.name, needed.path),
    (Use.JOB, SECRET): lambda needed: Profiling.secret_missing(needed.object.name, needed.path),
    (Use.JOB, CONFIG_MAP): lambda needed: Profiling.config_map_missing(needed.object.name, needed.path),
    (Use.PULL, SECRET): lambda needed: PrerequisiteWarning.pull_secret_missing(needed.object.name, needed.path),
    (Use.DEPLOYMENT, CLAIM): _lacks,
    (Use.DEPLOYMENT, ACCOUNT): _lacks,
    (Use.DEPLOYMENT, SECRET): _lacks,
    (Use.DEPLOYMENT, CONFIG_MAP): _lacks,
}
"""What is said of an object that does not exist. The base deployment is Pending's own."""


@dataclass(frozen=True, slots=True)
class _ClaimRule:
    """What is said of a claim that exists.

    Attributes:
        uses: What it is needed for.
        holds: Whether it is like that.
        message: Then this is said.
    """

    uses: frozenset[Use]
    holds: Callable[[Claim, ObservedState], bool]
    message: Callable[[Reference], ConditionUpdate | RequestWarning]


_MOUNTED, _CACHE = frozenset({Use.MODEL_CACHE, Use.JOB}), frozenset({Use.MODEL_CACHE})
_CLAIM_RULES = (
    _ClaimRule(
        _MOUNTED,
        lambda claim, _: claim.metadata.deletion_timestamp is not None,
        lambda needed: Profiling.claim_deleted(needed.object.name, needed.path),
    ),
    _ClaimRule(
        _MOUNTED,
        lambda claim, _: claim.status.phase == "Lost",
        lambda needed: Profiling.claim_lost(needed.object.name, needed.path),
    ),
    _ClaimRule(
        _CACHE,
        lambda claim, _: set(claim.spec.access_modes) == {"ReadWriteOncePod"},
        lambda needed: Profiling.claim_for_one_pod(needed.object.name, needed.path),
    ),
    _ClaimRule(
        _CACHE,
        lambda claim, observed: observed.several_nodes and not _MANY_NODES & set(claim.spec.access_modes),
        lambda needed: PrerequisiteWarning.claim_for_one_node(needed.object.name),
    ),
    _ClaimRule(
        _CACHE,
        lambda claim, _: claim.status.phase == "Pending",
        lambda needed: PrerequisiteWarning.claim_unbound(needed.object.name),
    ),
)
"""The first rule that holds says what is wrong with a claim."""


def _objects(situation: Situation) -> Iterator[Problem]:
    """Check the objects that the request names; of what is not known nothing is said."""
    observed = situation.observed
    for needed in references(observed.request, observed.settings):
        if needed.object not in observed.objects:
            continue
        found = observed.objects[needed.object]
        if found is None:
            if message := _of_missing(needed, observed):
                yield Problem(message, needed.object)
        elif isinstance(found, Claim):
            rules = (rule for rule in _CLAIM_RULES if needed.use in rule.uses and rule.holds(found, observed))
            if rule := next(rules, None):
                yield Problem(rule.message(needed), needed.object)


def _of_missing(needed: Reference, observed: ObservedState) -> ConditionUpdate | RequestWarning | None:
    if needed.use is Use.TOKEN:
        return PrerequisiteWarning.token_missing(observed.request.spec.model, needed.object.name)
    message = _MISSING.get((needed.use, needed.object.kind))
    return message(needed) if message else None


# --- The cluster


def _gpus(situation: Situation) -> Iterator[Problem]:
    """Compare the GPUs that are there with those that measuring takes, or that a plan may take."""
    observed, hardware = situation.observed, situation.hardware
    applied = effective(observed.request)
    nodes = observed.nodes if observed.settings.hardware.discovery else None
    if hardware is None or nodes is None or applied.mocker:
        return
    there = capacity(hardware.gpu_sku, nodes, tolerations_of(observed.request.spec))
    is_written = hardware.total_gpus.source is ValueSource.SPEC
    wanted, counted = hardware.total_gpus.value, _counted(hardware.gpu_sku, there)
    if applied.search_strategy.value is SearchStrategy.THOROUGH:
        # Trials wait for their GPUs by themselves: only what would be in vain, or could not begin, is not begun.
        needed = wanted if is_written and wanted > there.found else 1
        if needed > (there.found if there.free is None else there.free):
            plural = "GPUs are" if needed > 1 else "GPU is"
            message = Profiling.not_enough_gpus(f"{needed} {hardware.gpu_sku} {plural}", counted)
            yield Problem(message, ClusterState.GPUS)
    elif is_written and wanted > there.found:
        yield Problem(PrerequisiteWarning.gpus_missing(wanted, counted), ClusterState.GPUS)
    elif there.free == 0:
        yield Problem(PrerequisiteWarning.gpus_busy(counted), ClusterState.GPUS)


def _counted(sku: str, there: Capacity) -> str:
    """Say how many GPUs there are."""
    if not there.found:
        return f"the cluster has no {sku} GPUs that pods can get"
    plural = "s" if there.found > 1 else ""
    return f"the cluster has {there.found} {sku} GPU{plural}{'' if there.free is None else f', {there.free} free'}"


def _multinode(situation: Situation) -> Iterator[Problem]:
    """Say that engines stay within a node, where the user asks for more GPUs than a node has."""
    observed, hardware = situation.observed, situation.hardware
    if hardware is None or observed.multinode or effective(observed.request).mocker:
        return
    total, per_node = hardware.total_gpus, hardware.num_gpus_per_node.value
    if total.source is ValueSource.SPEC and total.value > per_node:
        yield Problem(PrerequisiteWarning.one_node_engines(per_node), ClusterState.MULTINODE)


def _dynamo(situation: Situation) -> Iterator[Problem]:
    if situation.observed.dynamo is False:
        yield Problem(PrerequisiteWarning.no_dynamo(), ClusterState.DYNAMO)


CHECKS: tuple[tuple[Callable[[Situation], Iterator[Problem]], frozenset[Phase]], ...] = (
    (_objects, _UNTIL_DEPLOYED),
    (_gpus, _BEFORE_THE_PLAN),
    (_multinode, _BEFORE_THE_PLAN),
    (_dynamo, _BEFORE_DEPLOYING),
)
"""What is checked, and in which phases."""


# --- What follows


def needs(observed: ObservedState) -> Need:
    """What the checks need to see in a phase."""
    if observed.status.phase not in _UNTIL_DEPLOYED:
        return Need(0)
    return Need.PREREQUISITES | (Need.HARDWARE if observed.status.phase in _BEFORE_THE_PLAN else Need(0))


class Blocker(NamedTuple):
    """What keeps a request in Pending.

    Attributes:
        condition: What is said.
        subject: What has to change.
    """

    condition: ConditionUpdate
    subject: Subject


def blockers(observed: ObservedState, hardware: HardwareUsed | None) -> Iterator[Blocker]:
    """Yield what keeps a request in Pending.

    Args:
        observed: What exists.
        hardware: What it is planned for; None: that is not known yet, and is not checked.
    """
    for problem in _problems(Situation(observed, hardware), Phase.PENDING):
        if isinstance(problem.message, ConditionUpdate):
            yield Blocker(problem.message, problem.subject)


def with_warnings(observed: ObservedState, decision: Decision) -> Decision:
    """Add to a decision what may hinder the deployment; take away what does so no more."""
    phase = decision.status.phase
    if phase is None:
        return decision
    if phase in _BEFORE_THE_PLAN and observed.nodes is None:  # after a start: what was found before still stands
        return replace(decision, awaits=decision.awaits | {ClusterState.GPUS})
    problems = [
        (problem.message, problem.subject)
        for problem in _problems(Situation(observed, used(decision.status.hardware)), phase)
        if isinstance(problem.message, RequestWarning)
    ]
    messages = list(dict.fromkeys(warning.message for warning, _ in problems))
    known = any(condition.type == PrerequisiteWarning.TYPE for condition in decision.status.conditions or ())
    if not messages and not known:
        return decision
    joined = RequestWarning(type=PrerequisiteWarning.TYPE, message="; ".join(messages))
    status = _with_condition(observed, decision.status, phase, of_warning(joined) if messages else None)
    is_news = bool(messages) and observed.condition(PrerequisiteWarning.TYPE) is None
    return replace(
        decision,
        status=status,
        events=[*decision.events, *([Event("PrerequisiteWarning", joined.message, warning=True)] if is_news else [])],
        awaits=decision.awaits | {subject for _, subject in problems},
    )


def _problems(situation: Situation, phase: Phase) -> Iterator[Problem]:
    return (problem for check, phases in CHECKS if phase in phases for problem in check(situation))


def _with_condition(
    observed: ObservedState, status: DgdrStatus, phase: Phase, warning: ConditionUpdate | None
) -> DgdrStatus:
    """Return a status with the warning, or without; Succeeded repeats it."""
    conditions: tuple[Condition, ...] = status.conditions or ()
    if warning is None:
        conditions = tuple(condition for condition in conditions if condition.type != PrerequisiteWarning.TYPE)
    else:
        conditions = set_conditions(conditions, [warning], observed.generation, observed.now)
    if phase is not Phase.FAILED:
        conditions = set_conditions(conditions, [Succeeded.of(phase, conditions)], observed.generation, observed.now)
    return status.model_copy(update={"conditions": conditions})
