"""From the models to structural OpenAPI v3 schemas, as a CustomResourceDefinition takes them.

Pydantic's JSON Schema is rewritten into the part that Kubernetes knows; whatever is not known here is an error, so
that no rule of a model is lost on the way. What a model says about one field at a time is in the schema; what it takes
several fields to see is in `dgdr_api.validation`.

A union of a bool and an object gets no type and keeps every field: Kubernetes knows no such union. What else is
refused there, validation refuses. A description is the field's docstring, else that of the class it holds.
"""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, cast

from dgdr_api.model import ApiModel

Schema = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_KEPT = ("type", "format", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "required")
_NOT_NEEDED = ("title", "additionalProperties", "anyOf", "const", "properties", "items", "$ref", "description")


class SchemaError(Exception):
    """A model that Kubernetes' schemas cannot express; the message names the field."""


def structural(model: type[ApiModel]) -> Schema:
    """Return the structural schema of a model.

    Raises:
        SchemaError: The model uses something that Kubernetes does not know, or a field has no description.
    """
    generated = model.model_json_schema(by_alias=True)
    return _Rewriter(generated.pop("$defs", {})).rewrite(generated, model.__name__)


def job_spec() -> Schema:
    """Return the schema of a partial batch/v1 JobSpec; ``python -m hack.job_spec`` writes it."""
    text = resources.files("dgdr_api").joinpath("job_spec.json").read_text(encoding="utf-8")
    return cast("Schema", json.loads(text))


class _Rewriter:
    """Rewrites a JSON Schema whose definitions it knows."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def rewrite(self, node: Schema, path: str) -> Schema:
        node = self._resolved(node, path)
        options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
        if len(options) == 1:  # an optional field: absent, never null
            rest = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
            default = {"default": node["default"]} if node.get("default") is not None else {}
            return self.rewrite({**options[0], **rest, **default}, path)
        if {option.get("type") for option in options} == {"boolean", "object"}:
            switch = {"type": "boolean", "description": "Whether it is on; true where it is absent."}
            return {**_described(node, path), _PRESERVE: True, "properties": {"enabled": switch}}
        if options or not node.get("type"):
            raise SchemaError(f"{path}: no type and no union that Kubernetes knows")
        known = {*_KEPT, *_NOT_NEEDED, "default", "minimum", "maximum", "exclusiveMinimum"}
        if unknown := [key for key in node if key not in known and not key.startswith("x-kubernetes-")]:
            raise SchemaError(f"{path}: {', '.join(unknown)}: not known to Kubernetes")
        return {**_described(node, path), **_scalar(node), **self._nested(node, path)}

    def _resolved(self, node: Schema, path: str) -> Schema:
        """Put a definition in the place of its reference; what stands beside the reference is stronger."""
        if "$ref" not in node:
            return node
        name = node["$ref"].rpartition("/")[2]
        if name == "JsonValue":
            raise SchemaError(f"{path}: any value at all: Kubernetes wants at least a type")
        return self._resolved({**self._definitions[name], **{k: v for k, v in node.items() if k != "$ref"}}, path)

    def _nested(self, node: Schema, path: str) -> Schema:
        values = node.get("additionalProperties")
        if "properties" in node:
            fields = {name: self.rewrite(field, f"{path}.{name}") for name, field in node["properties"].items()}
            return {"properties": fields}
        if node["type"] == "array":
            return {"x-kubernetes-list-type": "atomic", **_extensions(node), "items": self._item(node["items"], path)}
        if node["type"] != "object":
            return _extensions(node)
        if values in (None, True) or values == {"$ref": "#/$defs/JsonValue"}:
            return {_PRESERVE: True}
        return {"additionalProperties": self._item(values, path)}

    def _item(self, node: Schema, path: str) -> Schema:
        return self.rewrite({"description": "", **node}, f"{path}[]")  # the list is described, its items need not be


def _described(node: Schema, path: str) -> Schema:
    if "description" not in node:
        raise SchemaError(f"{path}: has no docstring")
    # Backticks: one for kubectl's terminal, two for docstrings. Lines are joined; the terminal breaks its own.
    paragraphs = (" ".join(paragraph.split()) for paragraph in node["description"].replace("``", "`").split("\n\n"))
    text = "\n".join(paragraphs)
    return {"description": text} if text else {}


def _scalar(node: Schema) -> Schema:
    kept = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        kept["enum"] = [node["const"]]
    kept |= {key: _whole(node[key]) for key in ("minimum", "maximum") if key in node}
    if "exclusiveMinimum" in node:  # a flag in Kubernetes' OpenAPI 3.0, a number in JSON Schema
        kept |= {"minimum": _whole(node["exclusiveMinimum"]), "exclusiveMinimum": True}
    if node.get("default") is not None:
        kept["default"] = node["default"]
    return kept


def _extensions(node: Schema) -> Schema:
    return {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number
