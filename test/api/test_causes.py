"""The table of what keeps requests from going on has every reason that the code gives, and the columns show them."""

import datetime as dt
import inspect
from itertools import product

import pytest

from dgdr_api.causes import CAUSES, Cause, Outcome, reasons
from dgdr_api.conditions import (
    ConditionUpdate,
    DeploymentReady,
    Profiling,
    SpecGenerated,
    Succeeded,
    Validation,
    set_conditions,
)
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler import pod_problems

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
PROGRESS = {
    ("Profiling", "DiscoveringHardware"),
    ("Profiling", "phase"),  # a sub-phase, or ProfilingRunning
    ("DeploymentReady", "DeploymentInProgress"),
    ("Validation", "SpecChangeRejected"),  # told beside what the request does
}
"""What is said with status False of a request that goes on."""
CHOSEN = {"reason"}
"""Placeholder of reasons that who calls a constructor chooses."""


def constructed() -> set[tuple[str, str]]:
    """Return type and reason of everything that the constructors of conditions say with status False."""
    found = set()
    for of in (Validation, Profiling, SpecGenerated, DeploymentReady):
        for name, member in vars(of).items():
            if isinstance(member, classmethod) and not name.startswith("_"):
                construct = getattr(of, name)
                update: ConditionUpdate = construct(*inspect.signature(construct).parameters)
                if update.status == "False" and update.reason not in CHOSEN:
                    found.add((update.type, update.reason))
    return found


def test_every_reason_is_a_cause_or_progress() -> None:
    named = {(cause.condition, cause.reason.replace("<sub-phase>", "phase")) for cause in CAUSES}
    assert constructed() - named == PROGRESS


def test_troubles_of_pods_are_causes() -> None:
    waiting = set(pod_problems.WAITING_REASONS.values())
    assert waiting | {pod_problems.UNSCHEDULABLE, pod_problems.CONTAINER_FAILED, pod_problems.OOM_KILLED} <= set(
        reasons(Phase.PROFILING, "Profiling")
    )
    assert waiting | {
        *(pod_problems.UNSCHEDULABLE, pod_problems.CRASH_LOOP, pod_problems.OOM_KILLED, pod_problems.NOT_READY)
    } <= set(reasons(Phase.DEPLOYING, "DeploymentReady"))


def test_causes_are_told_once_in_each_phase() -> None:
    told = [(phase, cause.condition, cause.reason) for cause in CAUSES for phase in cause.phases]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("phase", "cause"),
    [(phase, cause) for phase, cause in product(Phase, CAUSES) if phase in cause.phases],
    ids=lambda value: value.reason if isinstance(value, Cause) else str(value),
)
def test_columns_of_kubectl_show_it(phase: Phase, cause: Cause) -> None:
    reason = cause.reason.replace("<sub-phase>", "Initializing")
    update = ConditionUpdate(cause.condition, "False", reason, "what it is")
    conditions = set_conditions((), [Profiling.completed(), update], 1, NOW)
    shown = Succeeded.of(phase if cause.outcome is Outcome.WAITS else Phase.FAILED, conditions)
    assert shown.reason == reason
    assert shown.message.endswith("what it is")
