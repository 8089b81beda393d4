"""The annotation with the deployment has no more room than the request's other annotations leave."""

from dataclasses import replace

import pytest

from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.observed_state import after, published_of, said
from test.builders.results import results_of

KUBECTLS_COPY = "kubectl.kubernetes.io/last-applied-configuration"
LIMIT = 256 * 1024


def applied(state: ObservedState, size: int) -> ObservedState:
    """Return a request with results, which kubectl has applied with a manifest of this size in bytes."""
    metadata = state.request.metadata.model_copy(update={"annotations": {KUBECTLS_COPY: "x" * size}})
    observed = replace(state, request=state.request.model_copy(update={"metadata": metadata}))
    return replace(observed, **published_of(observed, results_of()))


def test_deployment_is_in_its_annotation_as_long_as_there_is_room(profiling_state: ObservedState) -> None:
    observed = applied(profiling_state, 200_000)
    decision = profiling(observed)
    exported = decision.annotations[ANNOTATION_GENERATED]
    assert exported is not None
    assert 200_000 + len(exported) + len(KUBECTLS_COPY) + len(ANNOTATION_GENERATED) < LIMIT


@pytest.mark.parametrize("size", [256_500, 258_000])
def test_deployment_without_room_is_left_out_and_the_request_goes_on(profiling_state: ObservedState, size: int) -> None:
    decision = profiling(applied(profiling_state, size))
    assert decision.annotations[ANNOTATION_GENERATED] is None
    assert decision.status.phase is Phase.DEPLOYING
    assert decision.status.profiling_results is not None
    assert decision.status.profiling_results.selected_config is not None
    assert "take it from status.profilingResults.selectedConfig" in said(decision, "ConfigurationWarning")[2]


def test_condition_says_where_a_deployment_is_that_waits_for_approval(ready_state: ObservedState) -> None:
    assert said(ready(ready_state), "SpecGenerated")[2].endswith("in annotation nvidia.com/generated-dgd-spec")
    observed = applied(ready_state, 258_000)
    decision = profiling(observed)
    assert decision.status.phase is Phase.READY
    for words in (said(decision, "SpecGenerated")[2], said(ready(after(observed, decision)), "SpecGenerated")[2]):
        assert words.endswith("in status.profilingResults.selectedConfig")
    assert decision.events[0].message.endswith("in status.profilingResults.selectedConfig")
