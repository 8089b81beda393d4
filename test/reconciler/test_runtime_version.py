"""``spec.runtimeVersionOverride``: it may be added while a request is Ready, and reaches what is deployed."""

from dataclasses import replace
from typing import Any

from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.deployments import annotated, manifest
from test.builders.observed_state import after


def versions(graph: dict[str, Any]) -> set[str | None]:
    return {component.get("runtimeVersionOverride") for component in graph["spec"]["components"]}


def approved(state: ObservedState, **changes: Any) -> ObservedState:
    """Have a request that is Ready deployed, with these changes of its spec."""
    spec = state.request.spec.model_copy(update={"auto_apply": True} | changes)
    changed = replace(state, request=state.request.model_copy(update={"spec": spec}))
    return after(changed, ready(changed))


def test_version_that_is_added_while_ready_is_in_the_deployment_alone(ready_state: ObservedState) -> None:
    assert versions(manifest(ready_state)) == {None}
    observed = approved(ready_state, runtime_version_override="1.6.0")
    decision = deploying(observed)
    (ensured,) = decision.ensure
    assert versions(ensured.manifest) == {"1.6.0"}
    results = decision.status.profiling_results
    assert results is not None
    assert results.selected_config is not None
    assert versions(results.selected_config) == {None}


def test_annotation_that_cannot_be_read_keeps_no_deployment_from_being_made(ready_state: ObservedState) -> None:
    observed = approved(ready_state, runtime_version_override="1.6.0")
    broken = annotated(observed, **{ANNOTATION_PRESERVED: '{"profilingConfig": 7}'})
    (ensured,) = deploying(broken).ensure
    assert versions(ensured.manifest) == {"1.6.0"}


def test_deployment_is_as_it_was_shown_without_one(ready_state: ObservedState) -> None:
    (ensured,) = deploying(approved(ready_state)).ensure
    assert ensured.manifest == manifest(ready_state)
