"""A valid manifest becomes one immutable object, in the spelling of the wire, and goes back unchanged."""

import json
from collections.abc import Callable
from operator import attrgetter

import pytest
from pydantic import ValidationError

from dgdr_api.parse import parse_request

Build = Callable[..., dict[str, object]]

EVERY_FIELD: dict[str, object] = {
    "model": "Qwen/Qwen3-32B",
    "backend": "vllm",
    "image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
    "runtimeVersionOverride": "1.6.1",
    "searchStrategy": "thorough",
    "autoApply": False,
    "modelCache": {
        "pvcName": "weights",
        "pvcModelPath": "a",
        "pvcMountPath": "/b",
        "pvcPath": "c",
        "modelPathInPvc": "d",
        "mountPath": "/e",
    },
    "hardware": {
        "gpuSku": "h100_sxm",
        "vramMb": 81559.5,
        "totalGpus": 8,
        "numGpusPerNode": 8,
        "interconnect": "nvlink",
        "rdma": False,
    },
    "workload": {"isl": 1, "osl": 2, "concurrency": 0.5, "requestRate": 4.5},
    "sla": {"ttft": 200.5, "itl": 20.5, "e2eLatency": 2000.5, "optimizationType": "latency"},
    "overrides": {
        "profilingJob": {"backoffLimit": 1},
        "dgd": {"spec": {"snake_case": [None, {"x": 1}]}},
        "trustRemoteCode": True,
    },
    "features": {"planner": {"mode": "agg"}, "kvRouter": True, "mocker": {"enabled": False}},
}


def test_every_field_has_its_name_on_the_wire_and_survives_a_round_trip(manifest: Build) -> None:
    written = manifest(EVERY_FIELD)
    request = parse_request(written | {"status": {"phase": "of another version"}})  # an earlier state: not asked for
    again = json.loads(request.model_dump_json(exclude_unset=True))
    assert again == written
    assert parse_request(again) == request


@pytest.mark.parametrize("parent", [name for name, value in EVERY_FIELD.items() if isinstance(value, dict)])
def test_round_trip_covers_every_field(manifest: Build, parent: str) -> None:
    part = getattr(parse_request(manifest(EVERY_FIELD)).spec, "model_cache" if parent == "modelCache" else parent)
    assert part.model_fields_set == set(type(part).model_fields)


def test_metadata_keeps_what_it_does_not_know(manifest: Build) -> None:
    metadata = {
        "name": "qwen",
        "namespace": "dynamo",
        "uid": "1-2",
        "labels": {"a.b/c": "d"},
        "annotations": {"e": ""},
        "labls": {"a": 1},
        "creationTimestamp": None,
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
    }
    request = parse_request(manifest(metadata=metadata))
    assert json.loads(request.model_dump_json(exclude_unset=True))["metadata"] == {
        k: v for k, v in metadata.items() if v is not None
    }


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("metadata", "name"),
        ("metadata", "note"),
        ("spec", "model"),
        ("spec.sla", "ttft"),
        ("spec.workload", "isl"),
        ("spec.features", "planner"),
    ],
)
def test_parsed_request_cannot_be_changed(manifest: Build, part: str, field: str) -> None:
    request = parse_request(manifest(EVERY_FIELD, metadata={"name": "qwen", "note": "free"}))
    target = attrgetter(part)(request)
    before = getattr(target, field)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(target, field, "other")
    assert getattr(target, field) == before


def test_manifest_may_change_after_parsing(manifest: Build) -> None:
    free: dict[str, object] = {"spec": {"a": 1}}
    request = parse_request(manifest({"overrides": {"dgd": free}}))
    free["spec"] = None
    assert request.spec.overrides is not None
    assert request.spec.overrides.dgd == {"spec": {"a": 1}}


@pytest.mark.parametrize("field", ["backend", "searchStrategy", "autoApply"])
def test_null_is_silence_also_where_there_is_a_default(manifest: Build, field: str) -> None:
    # The API server drops nulls of fields that are not nullable before it defaults them (Helm writes `backend:`).
    assert parse_request(manifest({field: None})).spec == parse_request(manifest()).spec


@pytest.mark.parametrize("field", ["image", "modelCache", "hardware", "workload", "sla", "overrides", "features"])
def test_null_is_silence_for_an_optional_field(manifest: Build, field: str) -> None:
    assert json.loads(parse_request(manifest({field: None})).model_dump_json())["spec"][field] is None


@pytest.mark.parametrize("value", ["4000", "4000.0", "4e3"])
def test_integer_may_be_written_as_a_number_without_fraction(manifest: Build, value: str) -> None:
    # kubectl sends `1e3` and `1000.0` as 1000: Go encodes a float64 without fraction as an integer.
    workload = parse_request(manifest({"workload": {"isl": json.loads(value)}})).spec.workload
    assert workload is not None
    assert workload.isl == 4000


def test_whole_number_is_a_number(manifest: Build) -> None:
    sla = parse_request(manifest({"sla": {"ttft": 200}})).spec.sla
    assert sla is not None
    assert sla.ttft == 200
