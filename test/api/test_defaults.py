"""`effective` fills in every default and says for each value whether the user wrote it."""

from collections.abc import Callable

import pytest

from dgdr_api.defaults import Cache, Effective, Value, effective
from dgdr_api.parse import parse_request

Build = Callable[..., dict[str, object]]


def resolve(manifest: dict[str, object]) -> Effective:
    return effective(parse_request(manifest))


DEFAULTS = [
    ("backend", "auto"),
    ("search_strategy", "rapid"),
    ("auto_apply", True),
    ("isl", 4000),
    ("osl", 1000),
    ("ttft", 2000),
    ("itl", 30),
    ("optimization_type", "hybrid"),
]


@pytest.mark.parametrize(("field", "default"), DEFAULTS)
@pytest.mark.parametrize("spec", [{}, {"workload": {}, "sla": {}, "features": {}, "hardware": {}}])
def test_silent_request_gets_the_default(manifest: Build, spec: dict[str, object], field: str, default: object) -> None:
    assert getattr(resolve(manifest(spec)), field) == Value(default, explicit=False)


@pytest.mark.parametrize("field", ["e2e_latency", "concurrency", "request_rate", "model_cache"])
def test_fields_without_default_stay_absent(manifest: Build, field: str) -> None:
    assert getattr(resolve(manifest()), field) is None


@pytest.mark.parametrize(
    ("field", "spec", "value"),
    [
        ("backend", {"backend": "vllm"}, "vllm"),
        ("backend", {"backend": "auto"}, "auto"),
        ("search_strategy", {"searchStrategy": "thorough"}, "thorough"),
        ("search_strategy", {"searchStrategy": "rapid"}, "rapid"),
        ("auto_apply", {"autoApply": False}, False),
        ("auto_apply", {"autoApply": True}, True),
        ("isl", {"workload": {"isl": 4000}}, 4000),
        ("osl", {"workload": {"osl": 7}}, 7),
        ("ttft", {"sla": {"ttft": 2000}}, 2000),
        ("itl", {"sla": {"itl": 0.5}}, 0.5),
        ("e2e_latency", {"sla": {"e2eLatency": 9000}}, 9000),
        ("optimization_type", {"sla": {"optimizationType": "hybrid"}}, "hybrid"),
    ],
)
def test_written_value_is_explicit_even_when_it_is_the_default(
    manifest: Build, field: str, spec: dict[str, object], value: object
) -> None:
    assert getattr(resolve(manifest(spec)), field) == Value(value, explicit=True)


@pytest.mark.parametrize(("written", "other", "default"), [("ttft", "itl", 30), ("itl", "ttft", 2000)])
def test_target_that_is_written_leaves_the_other_a_default(
    manifest: Build, written: str, other: str, default: float
) -> None:
    found = resolve(manifest({"sla": {written: 7}}))
    assert getattr(found, written) == Value(7, explicit=True)
    assert getattr(found, other) == Value(default, explicit=False)


def test_target_for_the_whole_request_replaces_both_others(manifest: Build) -> None:
    found = resolve(manifest({"sla": {"e2eLatency": 9000}}))
    assert (found.ttft, found.itl) == (None, None)


def test_model_and_load_are_passed_on(manifest: Build) -> None:
    found = resolve(manifest({"model": "m", "workload": {"concurrency": 2.5}}))
    assert (found.model, found.concurrency, found.request_rate) == ("m", 2.5, None)
    assert resolve(manifest({"workload": {"requestRate": 0.5}})).request_rate == 0.5


@pytest.mark.parametrize(
    ("field", "attribute"), [("planner", "planner"), ("kvRouter", "kv_router"), ("mocker", "mocker")]
)
@pytest.mark.parametrize(
    ("setting", "on"),
    [
        (None, False),
        (False, False),
        (True, True),
        ({}, True),
        ({"enabled": True}, True),
        ({"enabled": False}, False),
        ({"enabled": False, "mode": "agg"}, False),
        ({"mode": "agg"}, True),
    ],
)
def test_feature_is_on_unless_it_says_no(
    manifest: Build, field: str, attribute: str, setting: object, on: object
) -> None:
    found = resolve(manifest({"features": {field: setting}}))
    features = {"planner": found.planner, "kv_router": found.kv_router, "mocker": found.mocker}
    assert features == {"planner": False, "kv_router": False, "mocker": False, attribute: on}


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ({}, Cache("pvc", None, "/opt/model-cache")),
        ({"pvcModelPath": "a", "pvcMountPath": "/b"}, Cache("pvc", "a", "/b")),
        ({"pvcPath": "a", "mountPath": "/b"}, Cache("pvc", "a", "/b")),
        ({"modelPathInPvc": "a"}, Cache("pvc", "a", "/opt/model-cache")),
    ],
)
def test_model_cache_has_one_path_under_any_of_its_names(
    manifest: Build, cache: dict[str, str], expected: Cache
) -> None:
    assert resolve(manifest({"modelCache": {"pvcName": "pvc", **cache}})).model_cache == expected


def test_model_cache_without_a_claim_is_none(manifest: Build) -> None:
    assert resolve(manifest({"modelCache": {"pvcModelPath": "a"}})).model_cache is None
