from dataclasses import replace

import pytest

from dgdr_api.names import ANNOTATION_GENERATED, ANNOTATION_RETRIED, ANNOTATION_RETRY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Remove
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.failed import failed
from dgdr_controller.reconciler.phases.profiling import profiling
from test.builders.observed_state import after, job_of, map_of, observed_of, said


@pytest.fixture
def failed_state(profiling_state: ObservedState) -> ObservedState:
    observed = replace(profiling_state, output_map=map_of(profiling_state, seen="job-1"))
    observed = replace(observed, job=job_of(observed, Failed=("BackoffLimitExceeded", "too many")))
    decision = profiling(observed)
    assert decision.status.phase is Phase.FAILED
    return after(observed, decision)


def annotated(observed: ObservedState, **annotations: str) -> ObservedState:
    names = {"retry": ANNOTATION_RETRY, "retried": ANNOTATION_RETRIED}
    metadata = observed.request.metadata.model_copy(
        update={"annotations": {names[name]: value for name, value in annotations.items()}}
    )
    return replace(observed, request=observed.request.model_copy(update={"metadata": metadata}))


def test_failed_stays_and_says_the_first_cause(failed_state: ObservedState) -> None:
    decision = failed(failed_state)
    assert decision.status == failed_state.status
    assert not decision.remove
    assert said(decision, "Succeeded")[2] == "Profiling failed: BackoffLimitExceeded: too many"


def test_changed_spec_begins_anew_and_what_was_derived_goes(failed_state: ObservedState) -> None:
    decision = failed(replace(failed_state, generation=2))
    assert decision.status.phase is Phase.PENDING
    assert decision.status.observed_generation == 2
    assert list(decision.remove) == [
        Remove("Job", "profile-qwen", "job-1"),
        Remove("ConfigMap", "dgdr-output-qwen", "map-1"),
    ]
    assert decision.status.hardware is None
    assert decision.status.profiling_results is None
    assert {c.type for c in decision.status.conditions or ()} == {"Profiling", "Succeeded"}


def test_export_that_no_longer_holds_is_taken_off(failed_state: ObservedState) -> None:
    assert not failed(replace(failed_state, generation=2)).annotations
    exported = failed_state.request.metadata.model_copy(update={"annotations": {ANNOTATION_GENERATED: "kind: x"}})
    observed = replace(failed_state, request=failed_state.request.model_copy(update={"metadata": exported}))
    assert failed(replace(observed, generation=2)).annotations == {ANNOTATION_GENERATED: None}


@pytest.mark.parametrize(
    ("annotations", "phase"),
    [
        ({"retry": "1"}, Phase.PENDING),
        ({"retry": "2", "retried": "1"}, Phase.PENDING),
        ({"retry": "1", "retried": "1"}, Phase.FAILED),
        ({"retried": "1"}, Phase.FAILED),
        ({"retry": ""}, Phase.FAILED),
    ],
)
def test_retry_counts_when_its_value_is_new(
    failed_state: ObservedState, annotations: dict[str, str], phase: Phase
) -> None:
    assert failed(annotated(failed_state, **annotations)).status.phase is phase


def test_objects_of_others_stay(failed_state: ObservedState) -> None:
    observed = replace(
        failed_state,
        generation=2,
        job=job_of(failed_state, owner="other"),
        output_map=None,
        foreign_output=map_of(failed_state, owner="other"),
    )
    assert not failed(observed).remove


def test_crash_leaves_nothing_to_remove(failed_state: ObservedState) -> None:
    decision = failed(replace(failed_state, generation=2, job=None, output_map=None))
    assert decision.status.phase is Phase.PENDING
    assert not decision.remove


def test_request_that_failed_at_once_has_nothing_derived() -> None:
    assert not failed(observed_of()).remove
