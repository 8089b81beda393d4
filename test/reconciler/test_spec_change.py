"""A spec that changes after profiling, where no webhook refuses it: it has no effect, and that is told."""

from dataclasses import replace

import pytest

from dgdr_api.results import Results
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.ready import ready
from dgdr_controller.reconciler.spec_change import with_refusal
from test.builders.deployments import asked_for
from test.builders.observed_state import after, published_of, said
from test.builders.results import results_of

MESSAGE = (
    "The spec changed after profiling, and the change has no effect; undo it, or delete the request and create it again "
    "(the deployment stays)"
)


def with_output(observed: ObservedState, results: Results | None = None) -> ObservedState:
    return replace(observed, **published_of(observed, results or results_of()))


def changed(observed: ObservedState, **spec: object) -> ObservedState:
    asked = observed.request.spec.model_copy(update=spec)
    request = observed.request.model_copy(update={"spec": asked})
    return replace(observed, request=request, generation=observed.generation + 1)


def healthy(observed: ObservedState) -> Decision:
    return with_refusal(observed, deployed(observed))


def test_change_is_told_once_and_taken_back_when_it_is_undone(deployed_state: ObservedState) -> None:
    before = with_output(deployed_state)
    begun = after(before, healthy(before))
    assert said(healthy(begun), "Validation")[1] == "ValidationPassed"
    other = changed(begun, model="another/model")
    decision = healthy(other)
    assert decision.status.phase is Phase.DEPLOYED
    assert said(decision, "Validation") == ("False", "SpecChangeRejected", MESSAGE)
    assert said(decision, "Succeeded") == ("True", "Deployed", f"Deployment is healthy. {MESSAGE}")
    assert [event.reason for event in decision.events] == ["SpecChangeRejected"]
    again = healthy(after(other, decision))
    assert not again.events
    assert again.status == decision.status
    undone = healthy(changed(after(other, decision), model=begun.request.spec.model))
    assert said(undone, "Validation")[1] == "ValidationPassed"
    assert said(undone, "Succeeded")[2] == "Deployment is healthy"


def test_what_admission_lets_change_is_no_change(ready_state: ObservedState) -> None:
    other = changed(with_output(ready_state), runtime_version_override="1.5.1")
    assert said(with_refusal(other, ready(other)), "Validation")[1] == "ValidationPassed"


def test_no_deployment_is_composed_for_a_spec_that_was_not_profiled(ready_state: ObservedState) -> None:
    other = asked_for(changed(with_output(ready_state), model="another/model"), "recommended")
    decision = with_refusal(other, ready(other))
    assert decision.status.phase is Phase.READY
    assert not decision.ensure
    assert said(decision, "Validation")[1] == "SpecChangeRejected"


def test_request_that_fails_then_names_its_own_cause(deployed_state: ObservedState) -> None:
    other = changed(with_output(deployed_state), model="another/model")
    refused = after(other, healthy(other), graph=None)
    decision = healthy(refused)
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "Succeeded")[1] == "DeploymentDeleted"
    assert said(decision, "Validation")[1] == "ValidationPassed"


def test_auto_apply_may_change(ready_state: ObservedState) -> None:
    switched = changed(with_output(ready_state), auto_apply=True)
    decision = with_refusal(switched, ready(switched))
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "Validation")[1] == "ValidationPassed"


@pytest.mark.parametrize("gone", [True, False])
def test_nothing_is_said_where_nobody_knows_what_was_profiled(deployed_state: ObservedState, *, gone: bool) -> None:
    observed = with_output(deployed_state)
    assert observed.output_map is not None
    observed.output_map.metadata.annotations.pop("dgdr.nvidia.com/spec")  # of an earlier version
    other = changed(replace(observed, output_map=None) if gone else observed, model="another/model")
    assert said(healthy(other), "Validation")[1] == "ValidationPassed"
