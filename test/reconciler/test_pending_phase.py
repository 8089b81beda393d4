from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.names import ANNOTATION_RETRIED, ANNOTATION_RETRY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Remove, WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.failed import failed
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.settings import HardwareSettings, Settings
from test.builders.observed_state import NODE, after, in_phase, job_of, map_of, observed_of, request_of, run_of, said


def begun(observed: ObservedState) -> ObservedState:
    return in_phase(Phase.PENDING, observed, pending(observed))


def test_first_look_only_says_pending() -> None:
    decision = pending(observed_of())
    assert decision.status.phase is Phase.PENDING
    assert decision.status.observed_generation == 1
    assert not decision.ensure
    assert [event.reason for event in decision.events] == ["Initialized"]
    assert said(decision, "Succeeded")[:2] == ("False", "Pending")
    assert said(decision, "Profiling")[:2] == ("False", "DiscoveringHardware")


def test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware() -> None:
    decision = pending(begun(observed_of()))
    assert decision.status.phase is Phase.PROFILING
    assert [(ensure.manifest["kind"], ensure.mode) for ensure in decision.ensure] == [
        ("Job", WriteMode.DRY_RUN),
        ("ConfigMap", WriteMode.CREATE),
        ("ConfigMap", WriteMode.CREATE),
        ("ServiceAccount", WriteMode.APPLY),
        ("Role", WriteMode.APPLY),
        ("RoleBinding", WriteMode.APPLY),
        ("Job", WriteMode.CREATE),
    ]
    assert decision.ensure[0].manifest == decision.ensure[-1].manifest
    assert decision.ensure[-1].manifest["metadata"]["name"] == decision.status.profiling_job_name == "profile-qwen"
    assert decision.status.hardware is not None
    assert (decision.status.hardware.gpu_sku, decision.status.hardware.total_gpus) == ("h200_sxm", 8)
    assert decision.status.profiling_phase == "Initializing"
    assert said(decision, "Validation")[:2] == ("True", "ValidationPassed")
    assert [event.reason for event in decision.events] == ["ProfilingJobCreated"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"searchStrategy": "thorough", "backend": "auto"}, "spec.searchStrategy"),
        ({"hardware": {"gpuSku": "h1000"}}, "spec.hardware.gpuSku"),
        ({"model": " "}, "spec.model"),
    ],
)
def test_request_that_the_user_must_change_fails(spec: dict[str, Any], words: str) -> None:
    decision = pending(begun(observed_of(request_of(**spec))))
    assert decision.status.phase is Phase.FAILED
    assert words in said(decision, "Validation")[2]
    assert said(decision, "Succeeded")[2].startswith("Validation failed: ")
    assert not decision.ensure
    assert [(event.reason, event.warning) for event in decision.events] == [("ValidationFailed", True)]


def test_missing_gpus_are_waited_for() -> None:
    observed = begun(observed_of(nodes=()))
    decision = pending(observed)
    assert decision.status.phase is Phase.PENDING
    assert said(decision, "Profiling")[1] == "WaitingForHardware"
    assert decision.after_s == 30
    assert not decision.ensure
    again = after(observed, decision, s=30)
    assert pending(again).status == again.status
    assert pending(replace(again, nodes=(NODE,))).status.phase is Phase.PROFILING


def test_objects_of_this_run_are_not_in_the_way() -> None:
    observed = begun(observed_of())
    decision = pending(replace(observed, job=job_of(observed), output_map=map_of(observed)))
    assert decision.status.phase is Phase.PROFILING
    assert not decision.remove
    assert WriteMode.DRY_RUN not in [ensure.mode for ensure in decision.ensure]


@pytest.mark.parametrize("how", [{"inputs": "other"}, {"deleted": True}])
def test_objects_of_an_earlier_run_go_first(how: dict[str, object]) -> None:
    observed = begun(observed_of())
    decision = pending(replace(observed, job=job_of(observed, **how), output_map=map_of(observed, **how)))  # type: ignore[arg-type]
    assert decision.status.phase is Phase.PENDING
    assert list(decision.remove) == [
        Remove("Job", "profile-qwen", "job-1"),
        Remove("ConfigMap", "dgdr-output-qwen", "map-1"),
    ]
    assert said(decision, "Profiling")[1] == "WaitingForCleanup"
    assert decision.after_s is not None
    assert not decision.ensure


def test_objects_of_another_are_never_touched() -> None:
    observed = begun(observed_of())
    decision = pending(
        replace(observed, job=job_of(observed, owner="other"), foreign_output=map_of(observed, owner="other"))
    )
    assert decision.status.phase is Phase.PENDING
    assert not decision.remove
    assert not decision.ensure
    _, reason, message = said(decision, "Profiling")
    assert reason == "NameConflict"
    assert message == (
        "Job profile-qwen and ConfigMap dgdr-output-qwen exist and do not belong to this request; delete them, or create "
        "the request under another name"
    )


def test_request_gives_the_same_objects_each_time() -> None:
    observed = begun(observed_of())
    assert [ensure.manifest for ensure in pending(observed).ensure] == [
        ensure.manifest for ensure in pending(observed).ensure
    ]


def test_switching_auto_apply_does_not_change_the_inputs() -> None:
    assert run_of(observed_of(request_of(autoApply=False))).inputs == run_of(observed_of()).inputs
    assert run_of(observed_of(request_of(backend="sglang"))).inputs != run_of(observed_of()).inputs


def test_retry_is_noted_when_the_job_is_made() -> None:
    observed = begun(observed_of(request_of(annotations={ANNOTATION_RETRY: "1"})))
    assert pending(observed).annotations == {ANNOTATION_RETRIED: "1"}
    noted = after(observed, pending(observed))
    assert not pending(noted).annotations


def test_retry_of_an_invalid_request_is_tried_once() -> None:
    observed = begun(observed_of(request_of(model=" ", annotations={ANNOTATION_RETRY: "1"})))
    observed = in_phase(Phase.FAILED, observed, pending(observed))
    assert failed(observed).status == observed.status


def test_late_reader_does_not_strike_off_a_job_that_was_noted_down() -> None:
    """A reader that has not heard of Profiling yet does Pending again: then too the server checks what it has read."""
    observed = begun(observed_of())
    noted = map_of(observed, seen="job-0", version="77")
    decision = pending(replace(observed, job=job_of(observed), output_map=noted))
    (written,) = [
        ensure.manifest["metadata"]
        for ensure in decision.ensure
        if (ensure.manifest["kind"], ensure.manifest["metadata"]["name"]) == ("ConfigMap", "dgdr-output-qwen")
    ]
    assert written["annotations"]["dgdr.nvidia.com/job-uid"] == "job-0"
    assert written["resourceVersion"] == "77"


def test_inventory_that_is_still_looked_at_is_waited_for_and_no_longer() -> None:
    observed = begun(observed_of())
    waiting = pending(replace(observed, nodes=None))
    assert (waiting.status.phase, waiting.after_s, list(waiting.ensure)) == (Phase.PENDING, 1.0, [])
    assert said(waiting, "Profiling")[:2] == ("False", "DiscoveringHardware")
    assert pending(in_phase(Phase.PENDING, observed, waiting)).status.phase is Phase.PROFILING


def test_gpus_beyond_the_cap_are_told_with_the_way_to_use_them() -> None:
    observed = replace(begun(observed_of()), nodes=(NODE,) * 5)
    observed = replace(observed, request=request_of(hardware=None))
    assert said(pending(in_phase(Phase.PENDING, observed, pending(observed))), "Profiling")[2].endswith(
        "profiling job. 32 of the 40 h200_sxm GPUs found are used; set spec.hardware.totalGpus to use more"
    )


def test_gpus_that_are_in_use_are_shown() -> None:
    observed = replace(begun(observed_of()), nodes=(replace(NODE, used=6),))
    assert said(pending(observed), "Profiling")[2].endswith("profiling job. 2 of 8 h200_sxm GPUs are free now")
    assert "free" not in said(pending(replace(observed, nodes=(replace(NODE, used=0),))), "Profiling")[2]


@pytest.mark.parametrize(
    ("hardware", "missing"),
    [
        (None, ["spec.hardware.gpuSku", "spec.hardware.totalGpus"]),
        ({"gpuSku": "h200_sxm"}, ["spec.hardware.totalGpus"]),
        ({"gpuSku": "h200_sxm", "totalGpus": 8}, []),
    ],
)
def test_hardware_must_be_described_where_nobody_looks_for_it(
    hardware: dict[str, Any] | None, missing: list[str]
) -> None:
    settings = Settings(hardware=HardwareSettings(discovery=False))
    observed = replace(observed_of(request_of(hardware=hardware)), settings=settings, nodes=())
    decision = pending(begun(observed))
    assert (decision.status.phase is Phase.FAILED) is bool(missing)
    for field in missing:
        assert f"{field}: Required value: GPU hardware configuration is required" in said(decision, "Validation")[2]
