"""The whole table of phase by field, on a real API server; upstream's message and its exceptions."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

Json = Any
NEW: dict[str, Json] = {
    "model": "other",
    "backend": "vllm",
    "image": "r.io/i:1.6.1",
    "runtimeVersionOverride": "1.6.1",
    "searchStrategy": "rapid",
    "autoApply": None,
    "modelCache": {"pvcName": "c"},
    "hardware": {"totalGpus": 8},
    "workload": {"isl": 5},
    "sla": {"ttft": 5},
    "overrides": {"profilingJob": {"backoffLimit": 2}},
    "features": {"kvRouter": True},
}
"""Another value for each field of the spec."""
BEFORE: dict[str, Json] = {"model": "m", "backend": "sglang", "searchStrategy": "thorough"}
EVERY = frozenset(NEW)
MAY: dict[str, frozenset[str]] = {
    "": EVERY,
    "Pending": EVERY,
    "Profiling": frozenset({"runtimeVersionOverride"}),
    "Ready": frozenset({"runtimeVersionOverride", "autoApply"}),
    "Deploying": frozenset(),
    "Deployed": frozenset(),
    "Failed": EVERY,
}
"""What may change while autoApply is false, as Dynamo's webhook has it."""
HEAD = 'admission webhook "vdynamographdeploymentrequest.kb.io" denied the request: '


def refused(action: Any) -> str:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - its message is what is looked at
        return str(error)
    return ""


def message(name: str, phase: str) -> str:
    return (
        f'{HEAD}DynamoGraphDeploymentRequest.nvidia.com "{name}" is invalid: spec: Forbidden: updates are forbidden while '
        f'the resource is in phase "{phase}"; delete and recreate the resource to change its spec'
    )


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize("phase", MAY)
def test_each_field_may_change_in_its_phases(requests: Any, phase: str, *, auto: bool) -> None:
    spec = BEFORE | {"autoApply": auto}
    name = requests.create({"apiVersion": "nvidia.com/v1beta1", "spec": spec})["metadata"]["name"]
    requests.tell(name, {"phase": phase or None})
    may = MAY[phase] if not auto or MAY[phase] == EVERY else frozenset()
    found = {}
    for field, value in NEW.items():
        change = {"spec": {field: (not auto) if field == "autoApply" else value}}
        path = f"{requests.path('v1beta1', name)}?dryRun=All"
        found[field] = refused(lambda p=path, c=change: requests.send("PATCH", p, c, "application/merge-patch+json"))
    assert {field for field, said in found.items() if not said} == may
    assert {said for said in found.values() if said} <= {message(name, phase)}


@pytest.mark.parametrize("phase", ["Profiling", "Ready", "Deploying", "Deployed"])
def test_labels_annotations_and_what_says_the_same_may_always_change(requests: Any, phase: str) -> None:
    name = requests.create({"apiVersion": "nvidia.com/v1beta1", "spec": BEFORE})["metadata"]["name"]
    requests.tell(name, {"phase": phase})
    requests.change(name, {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}})
    requests.change(name, {"spec": {"workload": {}, "features": {}}})  # Go's semantic equality
    requests.change(name, {"metadata": {"finalizers": ["a.b/c"]}})
    requests.send("DELETE", requests.path("v1beta1", name))
    requests.change(name, {"metadata": {"finalizers": None}})


def test_object_that_switches_on_by_being_there_is_a_part_of_the_spec(requests: Any) -> None:
    spec = BEFORE | {"features": {"planner": {}}}
    name = requests.create({"apiVersion": "nvidia.com/v1beta1", "spec": spec})["metadata"]["name"]
    requests.tell(name, {"phase": "Deployed"})
    changes: list[Json] = [
        {"spec": {"features": {"planner": None}}},
        {"spec": {"features": {"kvRouter": {}}}},
        {"spec": {"features": None}},
        {"metadata": {"annotations": {"dgdr.nvidia.com/defaults": "v1alpha1"}}},
    ]
    for change in changes:
        assert refused(lambda c=change: requests.change(name, c)) == message(name, "Deployed")


def test_fields_of_v1alpha1_alone_are_a_part_of_the_spec(requests: Any) -> None:
    spec = {"model": "m", "profilingConfig": {"config": {"other": 1, "sla": {"isl": 5}}}}
    name = requests.create({"apiVersion": "nvidia.com/v1alpha1", "spec": spec})["metadata"]["name"]
    requests.tell(name, {"phase": "Profiling"})
    for version, change in (
        ("v1alpha1", {"spec": {"profilingConfig": {"config": {"other": 2}}}}),
        ("v1alpha1", {"spec": {"profilingConfig": {"config": {"sla": {"isl": 6}}}}}),
        ("v1alpha1", {"spec": {"deploymentOverrides": {"name": "x"}}}),
        ("v1alpha1", {"spec": {"profilingConfig": None}}),
        ("v1beta1", {"spec": {"workload": {"isl": 7}}}),
        ("v1beta1", {"metadata": {"annotations": {"nvidia.com/dgdr-spec": json.dumps({"useMocker": True})}}}),
    ):
        assert refused(lambda v=version, c=change: requests.change(name, c, v)) == message(name, "Profiling")
    requests.change(name, {"metadata": {"labels": {"a": "b"}}}, "v1alpha1")


def test_failed_request_is_mended_as_v1alpha1(requests: Any) -> None:
    spec = {"model": "m", "profilingConfig": {"config": {"sla": {"isl": 5}}}}
    name = requests.create({"apiVersion": "nvidia.com/v1alpha1", "spec": spec})["metadata"]["name"]
    requests.tell(name, {"phase": "Failed"})
    before = requests.get(name)["metadata"]["generation"]
    requests.change(name, {"spec": {"profilingConfig": {"config": {"sla": {"isl": 6}}}}}, "v1alpha1")
    stored = requests.get(name)
    assert stored["spec"]["workload"] == {"isl": 6}
    assert stored["metadata"]["generation"] == before + 1


def test_image_without_a_version_is_asked_about_again_when_it_is_to_be_deployed(requests: Any) -> None:
    """It may have been stored before there was the rule, and harm nobody until then."""
    name = requests.create({"apiVersion": "nvidia.com/v1beta1", "spec": {"model": "m", "autoApply": False}})[
        "metadata"
    ]["name"]
    requests.tell(name, {"phase": "Ready"})
    assert refused(lambda: requests.change(name, {"spec": {"image": "r.io/i:x"}})).startswith(HEAD)
    requests.change(name, {"spec": {"autoApply": True}})
    assert refused(lambda: requests.change(name, {"spec": {"autoApply": False}})) == message(name, "Ready")
