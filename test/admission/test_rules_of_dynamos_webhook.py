"""Rules of Dynamo's validating webhook, apart from an API server: warnings, and what an update may keep or change."""

from typing import Any

import pytest

from dgdr_controller.admission.defaulting import default
from dgdr_controller.admission.review import AdmissionRequest, AdmissionResponse
from dgdr_controller.admission.validation import admit
from dgdr_controller.settings import HardwareSettings

Json = Any
BETA = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment"}
DEPRECATED = {
    "v1beta1": {"dgd": BETA | {"spec": {"components": [{"name": "VllmPrefillWorker", "replicas": 1}]}}},
    "v1alpha1": {"dgd": {"spec": {"services": {"VllmPrefillWorker": {"replicas": 1}}}}},
}
THOROUGH = {"backend": "auto", "searchStrategy": "thorough"}


def stored(phase: str = "", *, annotations: Json = None, **spec: Json) -> Json:
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r", "namespace": "n", "annotations": annotations or {}},
        "spec": {"model": "m", "backend": "vllm", "searchStrategy": "rapid", "autoApply": False, **spec},
        "status": {"phase": phase} if phase else {},
    }


def created(new: Json, *, discovery: bool = True) -> AdmissionResponse:
    return admit(AdmissionRequest("CREATE", new), HardwareSettings(discovery=discovery))


def updated(old: Json, new: Json, *, discovery: bool = True) -> AdmissionResponse:
    return admit(AdmissionRequest("UPDATE", new, old), HardwareSettings(discovery=discovery))


def paths(response: AdmissionResponse) -> list[str]:
    return [error.path for error in response.errors]


@pytest.mark.parametrize("version", DEPRECATED)
def test_deprecated_name_in_an_override_is_a_warning_on_create_and_on_update(version: str) -> None:
    new = stored(overrides=DEPRECATED[version])
    for response in (created(new), updated(stored(), new)):
        assert paths(response) == []
        (warning,) = response.warnings
        assert 'override target "VllmPrefillWorker" is deprecated; use prefill' in warning
    assert not created(stored()).warnings


def test_annotations_that_mean_something_on_deployments_alone_are_not_judged() -> None:
    annotations = {"nvidia.com/enable-grove": "perhaps", "nvidia.com/vllm-distributed-executor-backend": "none"}
    response = created(stored(annotations=annotations))
    assert (paths(response), list(response.warnings)) == ([], [])


@pytest.mark.parametrize("before", [None, "1.5.0"])
@pytest.mark.parametrize("phase", ["Profiling", "Ready"])
def test_runtime_version_may_be_added_and_changed_until_it_is_deployed(phase: str, before: str | None) -> None:
    old = stored(phase, **({"runtimeVersionOverride": before} if before else {}))
    assert paths(updated(old, stored(phase, runtimeVersionOverride="1.6.1"))) == []


@pytest.mark.parametrize("phase", ["Deploying", "Deployed"])
def test_runtime_version_may_not_be_added_once_it_is_deployed(phase: str) -> None:
    assert paths(updated(stored(phase), stored(phase, runtimeVersionOverride="1.6.1"))) == ["spec"]


def test_search_that_was_stored_against_the_rule_may_stay_and_not_come_anew() -> None:
    old = stored("Failed", **THOROUGH)
    assert paths(updated(old, stored("Failed", workload={"isl": 5}, **THOROUGH))) == []
    assert paths(updated(stored("Failed"), old)) == ["spec.searchStrategy"]


def test_image_without_a_version_may_stay_and_not_come_anew() -> None:
    old = stored("Failed", image="r.io/i:latest")
    assert paths(updated(old, stored("Failed", image="r.io/i:latest", workload={"isl": 5}))) == []
    assert paths(updated(stored("Failed"), old)) == ["spec.runtimeVersionOverride"]
    assert paths(updated(stored("Failed", image="r.io/i:1.6.1"), old)) == ["spec.runtimeVersionOverride"]


@pytest.mark.parametrize(
    "change", [{"image": "r.io/other:nightly"}, {"image": "r.io/i:other"}], ids=["repository", "tag"]
)
def test_image_without_a_version_is_not_changed_into_another_one(change: Json) -> None:
    old = stored("Failed", image="r.io/i:latest")
    assert paths(updated(old, stored("Failed", **change))) == ["spec.runtimeVersionOverride"]
    assert paths(updated(old, stored("Failed", runtimeVersionOverride="1.6.1", **change))) == []
    versioned = stored("Failed", image="r.io/i:latest", runtimeVersionOverride="1.6.1")
    assert paths(updated(versioned, old)) == ["spec.runtimeVersionOverride"]


DESCRIBED: Json = {"hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}}


def test_hardware_must_be_described_where_nobody_looks_for_it() -> None:
    assert paths(created(stored())) == []
    assert paths(created(stored(**DESCRIBED), discovery=False)) == []
    response = created(stored(hardware={"gpuSku": "h200_sxm"}), discovery=False)
    assert [str(error) for error in response.errors] == [
        "spec.hardware.totalGpus: Required value: GPU hardware configuration is required when GPU discovery is disabled"
    ]


def test_hardware_that_was_never_described_may_stay_so_and_not_be_removed() -> None:
    bare = stored("Failed")
    assert paths(updated(bare, stored("Failed", workload={"isl": 5}), discovery=False)) == []
    removed = updated(stored("Failed", **DESCRIBED), bare, discovery=False)
    assert paths(removed) == ["spec.hardware.gpuSku", "spec.hardware.totalGpus"]


def test_update_fills_nothing_in() -> None:
    bare = stored() | {"spec": {"model": "m"}}
    assert not default(AdmissionRequest("UPDATE", bare, bare)).patch
    assert not default(AdmissionRequest("CREATE", bare)).patch
