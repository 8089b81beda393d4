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


def with_refusal(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that says whether the spec is another one than was profiled, which changes nothing."""
    phase, before = decision.status.phase, observed.condition(Validation.TYPE)
    profiled = observed.output_map.metadata.annotations.get(ANNOTATION_SPEC) if observed.output_map else None
    if phase not in _SETTLED or observed.status.phase not in _SETTLED or profiled is None:
        return decision
    refused = Validation.change_refused()
    was_refused = before is not None and before.reason == refused.reason
    changed = profiled != spec_hash(observed.request)
    if changed is was_refused:
        return decision
    update = refused if changed else Validation.passed()
    conditions = set_conditions(decision.status.conditions or (), [update], observed.generation, observed.now)
    conditions = set_conditions(conditions, [Succeeded.of(phase, conditions)], observed.generation, observed.now)
    events = [Event(refused.reason, refused.message, warning=True)] if changed else []
    status = decision.status.model_copy(update={"conditions": conditions})
    return replace(decision, status=status, events=[*decision.events, *events])
