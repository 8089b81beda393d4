"""Ratcheting, apart from an API server: what the stored request has wrong already is no reason."""

from typing import Any

import pytest

from dgdr_controller.admission.review import AdmissionRequest
from dgdr_controller.admission.validation import admit
from dgdr_controller.settings import HardwareSettings

Json = Any


def stored(phase: str = "Ready", **spec: Json) -> Json:
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r", "namespace": "n"},
        "spec": {"model": "m", "backend": "vllm", "searchStrategy": "rapid", "autoApply": False, **spec},
        "status": {"phase": phase},
    }


def said(old: Json, new: Json) -> list[str]:
    return [str(error) for error in admit(AdmissionRequest("UPDATE", new, old), HardwareSettings()).errors]


NO_VERSION = (
    "spec.runtimeVersionOverride: Required value: is required when spec.image has no parseable semantic-version tag"
)


def test_fault_that_was_there_before_may_stay() -> None:
    old = stored("Failed", image="r.io/i:latest")
    assert said(old, stored("Failed", image="r.io/i:latest", workload={"isl": 5})) == []
    assert said(stored("Failed"), old) == [NO_VERSION]


def test_new_fault_is_refused_beside_an_old_one() -> None:
    old = stored("Failed", image="r.io/i:latest")
    new = stored("Failed", image="r.io/i:latest", hardware={"gpuSku": "H100"})
    assert [message.partition(":")[0] for message in said(old, new)] == ["spec.hardware.gpuSku"]


def test_image_without_a_version_is_no_longer_ignored_when_it_is_deployed() -> None:
    old = stored(image="r.io/i:latest")
    assert said(old, stored(image="r.io/i:latest", autoApply=True)) == [NO_VERSION]
    assert said(old, stored(image="r.io/i:latest", autoApply=True, runtimeVersionOverride="1.6.1")) == []


def test_stored_request_that_cannot_be_read_can_be_mended() -> None:
    old = stored("Failed", backend="triton", unknown=1)
    assert said(old, stored("Failed")) == []
    assert said(old, old) == []


def test_request_that_is_being_deleted_goes() -> None:
    old = stored("Deployed")
    new = stored("Deployed", model="", hardware={"gpuSku": "H100"})
    new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert said(old, new) == []


@pytest.mark.parametrize("status", [None, {}, {"phase": 5}, {"phase": "Undreamt"}, "text"])
def test_request_without_a_phase_may_change(status: Json) -> None:
    assert said({**stored(), "status": status}, stored(model="other")) == []
