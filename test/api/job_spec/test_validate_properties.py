"""Parts of a JobSpec made from the schema itself, of any shape, whole and with one thing broken."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dgdr_api.job_spec import PATH, validate
from dgdr_api.text import MAX_REPORTED
from test.builders.job_spec import SCHEMA, part
from test.builders.stored_requests import Requests


@dataclass(frozen=True)
class Place:
    """Where a value is: in what, under which key, and how that is written."""

    holder: Any
    key: Any
    node: Any
    path: str


def places(value: Any, node: Any, path: str) -> Iterator[Place]:
    """Every place below a value."""
    if isinstance(value, dict):
        for key, content in value.items():
            fields = "additionalProperties" not in node
            below = node["properties"][key] if fields else node["additionalProperties"]
            at = f"{path}.{key}" if fields else f"{path}[{key}]"
            yield Place(value, key, below, at)
            yield from places(content, below, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield Place(value, index, node["items"], f"{path}[{index}]")
            yield from places(item, node["items"], f"{path}[{index}]")


def one(data: st.DataObject, found: list[Place]) -> Place:
    """Draw one of these places, and print its path alone when a test fails."""
    by_path = {place.path: place for place in found}
    return by_path[data.draw(st.sampled_from(list(by_path)))]


FIELDS = st.sampled_from(
    [
        "activeDeadlineSeconds", "affinity", "annotations", "args", "backoffLimit", "completionMode", "containers",
        "cpu", "emptyDir", "env", "envFrom", "imagePullSecrets", "initContainers", "key", "labels", "limits", "metadata",
        "name", "nodeSelector", "operator", "podFailurePolicy", "ports", "requests", "resources", "rules", "selector",
        "sizeLimit", "spec", "template", "tolerationSeconds", "tolerations", "value", "valueFrom", "volumeMounts",
        "volumes",
    ]
)  # fmt: skip


def junk(floats: st.SearchStrategy[float], text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | floats | text | st.sampled_from(["profiler", "1Gi", 2**70])
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | text, inner, max_size=4),
        max_leaves=25,
    )


JUNK = junk(st.floats(), st.text(st.characters(exclude_categories=()), max_size=5))
SENDABLE = junk(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5))


@given(job=part())
def test_part_that_the_schema_admits_is_admitted(job: Any) -> None:
    assert [str(error) for error in validate(job)] == []


@given(data=st.data(), job=part())
def test_value_of_the_wrong_type_is_found_where_it_is(data: st.DataObject, job: Any) -> None:
    place = one(data, list(places(job, SCHEMA, PATH)))
    wrong = {"object": "x", "array": {}, "integer": "x", "boolean": "x"}.get(place.node.get("type"), True)
    place.holder[place.key] = wrong
    assert [error.path for error in validate(job)] == [place.path]


@given(data=st.data(), job=part())
def test_unknown_field_is_found_where_it_is(data: st.DataObject, job: Any) -> None:
    every = [Place([job], 0, SCHEMA, PATH), *places(job, SCHEMA, PATH)]
    place = one(data, [place for place in every if "properties" in place.node])
    place.holder[place.key]["nameOfNothing"] = data.draw(JUNK)
    assert [(error.path, error.kind) for error in validate(job)] == [(f"{place.path}.nameOfNothing", "Unknown field")]


@given(data=st.data(), job=part())
def test_missing_field_is_found_where_it_should_be(data: st.DataObject, job: Any) -> None:
    needed = [place for place in places(job, SCHEMA, PATH) if "required" in place.node]
    assume(needed)
    place = one(data, needed)
    name = data.draw(st.sampled_from(place.node["required"]))
    del place.holder[place.key][name]
    assert [(error.path, error.kind) for error in validate(job)] == [(f"{place.path}.{name}", "Required value")]


@given(data=st.data(), job=part())
def test_any_value_gets_an_answer_that_can_be_sent(data: st.DataObject, job: Any) -> None:
    every = list(places(job, SCHEMA, PATH))
    for _ in range(data.draw(st.integers(1, 3))):
        place = one(data, every)
        place.holder[place.key] = data.draw(JUNK)
    values: list[Any] = [job, data.draw(JUNK)]
    for value in values:
        before = copy.deepcopy(value)
        errors = validate(value)
        assert len(errors) <= MAX_REPORTED
        assert all(error.path.startswith(PATH) for error in errors)
        assert all(len(str(error).encode()) < 5000 for error in errors)
        assert repr(value)[:10_000] == repr(before)[:10_000]


def test_depth_and_size_cost_little() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    huge: Any = {
        "template": {
            "metadata": {"labels": {"a/" * 300_000: "-" * 1_000_000}},
            "spec": {
                "volumes": [{"name": "a" * 1_000_000, "emptyDir": {"sizeLimit": "9" * 1_000_000}}],
                "containers": [{"name": "a", "image": deep, "resources": {"limits": {"cpu": 1 << 5_000_000}}}],
            },
        },
        "x" * 1_000_000: 1,
    }
    paths = [error.path.removeprefix(f"{PATH}.") for error in validate(huge)]
    assert len(paths) == 7
    assert all(len(path) < 500 for path in paths)
    assert [error.path for error in validate(deep)] == [PATH]


@pytest.mark.cluster
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), job=part())
def test_api_server_refuses_nothing_more(requests: Requests, data: st.DataObject, job: Any) -> None:
    assert requests.takes({"overrides": {"profilingJob": job}})
    place = one(data, list(places(job, SCHEMA, PATH)))
    place.holder[place.key] = data.draw(SENDABLE)
    assert requests.takes({"overrides": {"profilingJob": job}}) or validate(job)
