"""The rules that Kubernetes has for a CRD's schema, and those that we have: without a cluster."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, JsonValue

from dgdr_api import crd
from dgdr_api.model import ApiModel
from dgdr_api.schema import SchemaError, structural

Node = dict[str, Any]
CLIENT_SIDE_APPLY = 262_144
"""Bytes of all annotations together; kubectl keeps the whole manifest in one of them."""
DEFAULTS = {"spec.backend": "auto", "spec.searchStrategy": "rapid", "spec.autoApply": True}
JOB = "spec.overrides.profilingJob"
BOOL_OR_OBJECT = {f"spec.features.{name}" for name in ("planner", "kvRouter", "mocker")}
FREE_FORM = {
    "spec.overrides.dgd",
    "status.profilingResults.selectedConfig",
    "status.profilingResults.pareto[].config",
    "status.generatedDeployment",
}


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}".lstrip("."))
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if part in node:
            yield from walk(node[part], path + mark)


@pytest.fixture(scope="module")
def schema() -> Node:
    return dict(walk(crd.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))


def test_crd_is_small_enough_for_a_plain_kubectl_apply() -> None:
    compact = json.dumps(crd.manifest(), separators=(",", ":"), ensure_ascii=False).encode()
    assert len(compact) < CLIENT_SIDE_APPLY / 2


def test_schema_uses_nothing_that_kubernetes_refuses(schema: Node) -> None:
    wrong = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "nullable", "title", "uniqueItems", "not"}
    assert {path: wrong & set(node) for path, node in schema.items() if wrong & set(node)} == {}
    assert [path for path, node in schema.items() if node.get("additionalProperties") is False] == []
    assert [path for path, node in schema.items() if "default" in node and node["default"] is None] == []
    assert [path for path, node in schema.items() if node.get("exclusiveMinimum", True) is not True] == []
    assert [path for path, node in schema.items() if "(?" in node.get("pattern", "")] == []


def test_defaults_are_those_that_versions_agree_on(schema: Node) -> None:
    ours = {path: node["default"] for path, node in schema.items() if "default" in node and JOB not in path}
    assert ours == DEFAULTS
    keys = {
        path.rpartition(".")[2]: node["default"]
        for path, node in schema.items()
        if path.startswith(JOB) and "default" in node
    }
    assert keys == {"protocol": "TCP", "name": ""}  # keys of lists, which must be there


def test_unknown_fields_are_kept_exactly_where_they_mean_something(schema: Node) -> None:
    kept = {path for path, node in schema.items() if "x-kubernetes-preserve-unknown-fields" in node}
    assert kept == BOOL_OR_OBJECT | FREE_FORM
    assert {path for path in kept if "type" not in schema[path]} == BOOL_OR_OBJECT


def test_fields_have_a_type_except_for_switches_that_may_be_objects(schema: Node) -> None:
    untyped = {path for path, node in schema.items() if "type" not in node and "x-kubernetes-int-or-string" not in node}
    assert untyped == BOOL_OR_OBJECT


def test_every_field_of_ours_is_explained(schema: Node) -> None:
    own = [path for path in schema if not path.startswith(f"{JOB}.") and not path.endswith(("]", "}"))]
    assert [path for path in own if not schema[path].get("description")] == ["metadata"]
    assert [path for path in own if "``" in schema[path].get("description", "")] == []


def test_conditions_are_a_map_by_type(schema: Node) -> None:
    lists = {
        path: node["x-kubernetes-list-type"]
        for path, node in schema.items()
        if node.get("type") == "array" and JOB not in path
    }
    assert lists.pop("status.conditions") == "map"
    assert schema["status.conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert set(lists.values()) == {"atomic"}


def test_partial_job_needs_neither_template_nor_containers(schema: Node) -> None:
    assert "required" not in schema[JOB]
    assert "required" not in schema[f"{JOB}.template.spec"]
    assert schema[f"{JOB}.template.spec.containers"]["x-kubernetes-list-map-keys"] == ["name"]
    assert schema[f"{JOB}.template.spec.containers[]"]["required"] == ["name"]


class Size(StrEnum):
    """How large."""

    S = "s"


class Part(ApiModel):
    """A part."""

    x: Annotated[float, Field(gt=0.5)] = 1.5
    """A number."""


class Whole(ApiModel):
    """Everything that a model may use."""

    size: Size = Size.S
    """Field's own words."""
    part: Part | None = None
    table: dict[str, Part] = Field(default_factory=dict)
    """A
    table in ``two`` lines."""
    one: Literal["a"]
    """One value."""
    some: tuple[Part, ...] | None = None
    """Parts."""
    switch: bool | dict[str, JsonValue] | None = None
    """A switch."""


def test_model_is_rewritten_field_by_field() -> None:
    part = {
        "description": "A part.",
        "type": "object",
        "properties": {
            "x": {
                "description": "A number.",
                "type": "number",
                "minimum": 0.5,
                "exclusiveMinimum": True,
                "default": 1.5,
            }
        },
    }
    item = {key: value for key, value in part.items() if key != "description"}
    assert structural(Whole) == {
        "description": "Everything that a model may use.",
        "type": "object",
        "required": ["one"],
        "properties": {
            "size": {"description": "Field's own words.", "type": "string", "enum": ["s"], "default": "s"},
            "part": part,
            "table": {"description": "A table in `two` lines.", "type": "object", "additionalProperties": item},
            "one": {"description": "One value.", "type": "string", "enum": ["a"]},
            "some": {"description": "Parts.", "type": "array", "x-kubernetes-list-type": "atomic", "items": item},
            "switch": {
                "description": "A switch.",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {
                    "enabled": {"type": "boolean", "description": "Whether it is on; true where it is absent."}
                },
            },
        },
    }


class Union(ApiModel):
    """No schema of Kubernetes says this."""

    wrong: int | str
    """Two types."""


class Anything(ApiModel):
    """Nor this."""

    wrong: JsonValue
    """Any value."""


class Multiple(ApiModel):
    """Nor this."""

    wrong: Annotated[int, Field(lt=3)]
    """Below three."""


class Undocumented(ApiModel):
    """Nor may a field be left unexplained."""

    wrong: int


@pytest.mark.parametrize("model", [Union, Anything, Multiple, Undocumented])
def test_model_without_a_structural_schema_is_an_error_that_names_the_field(model: type[ApiModel]) -> None:
    with pytest.raises(SchemaError, match=rf"^{model.__name__}\.wrong: "):
        structural(model)


def test_file_says_where_it_comes_from() -> None:
    """That it is up to date, `make check` says."""
    file = Path(__file__).parent.parent.parent / "config/crd/bases/nvidia.com_dynamographdeploymentrequests.yaml"
    assert file.read_text(encoding="utf-8").startswith("# Made from api/dgdr_api by 'make manifests'.\n")
