"""A spec that changes after profiling: webhooks refuse that, and where there are none it must not pass in silence."""

from dataclasses import replace

from dgdr_api.conditions import Succeeded, Validation, set_conditions
from dgdr_api.names import ANNOTATION_SPEC
from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling_job.run import spec_hash
from dgdr_controller.reconciler.decision import Decision, Event
from dgdr_controller.reconciler.observed_state import ObservedState

_SETTLED = (Phase.READY, Phase.DEPLOYING, Phase.DEPLOYED)
"""Phases in which what was profiled stays what it is."""


def is_changed(observed: ObservedState) -> bool:
    """Say whether the spec is another one than was profiled, as far as that is known."""
    profiled = observed.output_map.metadata.annotations.get(ANNOTATION_SPEC) if observed.output_map else None
    return profiled is not None and profiled != spec_hash(observed.request)


def with_refusal(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that says whether the spec is another one than was profiled, which changes nothing."""
    phase, before = decision.status.phase, observed.condition(Validation.TYPE)
    refused = Validation.change_refused()
    was_refused = before is not None and before.reason == refused.reason
    # One that has failed says why, and begins anew with the spec that it has.
    changed = phase in _SETTLED and observed.status.phase in _SETTLED and is_changed(observed)
    if phase is None or changed is was_refused:
        return decision
    update = refused if changed else Validation.passed()
    conditions = set_conditions(decision.status.conditions or (), [update], observed.generation, observed.now)
    conditions = set_conditions(conditions, [Succeeded.of(phase, conditions)], observed.generation, observed.now)
    events = [Event(refused.reason, refused.message, warning=True)] if changed else []
    status = decision.status.model_copy(update={"conditions": conditions})
    return replace(decision, status=status, events=[*decision.events, *events])
