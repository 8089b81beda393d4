"""Holds a value against the schema of a JobSpec with its rules."""

import functools
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from dgdr_api import schema
from dgdr_api.error_list import ErrorList
from dgdr_api.job_spec.quantity import NO_QUANTITY, amount
from dgdr_api.job_spec.rules import RULES, written
from dgdr_api.schema import Schema
from dgdr_api.text import did_you_mean, shown


def read(job: JsonValue, path: str, errors: ErrorList) -> None:
    """Add everything that is wrong with a part of a JobSpec.

    Raises:
        LimitReachedError: More is wrong than is reported.
    """
    _read(job, _prepared(), path, errors)


@functools.cache
def _prepared() -> Schema:
    return _prepare(schema.job_spec(), "")


def _prepare(node: Schema, path: str) -> Schema:
    """Return a schema with its own rules and those of everything below; each knows how it is read."""
    node = node | RULES.get(path, RULES.get(f"*.{path.rpartition('.')[2]}", {}))
    kind = "quantity" if "pattern" in node else node.get("type", "int-or-string")
    node["read"] = _READERS[kind]
    prefix = f"{path}." if path else ""
    fields = node.get("properties", {})
    node["properties"] = {name: _prepare(field, f"{prefix}{_SAME.get(name, name)}") for name, field in fields.items()}
    for below, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if below in node:
            node[below] = _prepare(node[below], f"{path}{sign}")
    return node


_SAME = {"initContainers": "containers"}


def _read(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if "forbidden" in node:
        errors.forbidden(path, node["forbidden"])
        return
    before = len(errors.errors)
    node["read"](value, node, path, errors)
    if "rule" in node and len(errors.errors) == before:
        node["rule"](value, path, errors)


def _object(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, dict):
        errors.invalid(path, value, "must be an object")
        return
    if "additionalProperties" in node:
        _map(value, node, path, errors)
        return
    known = node["properties"]
    for name, content in value.items():
        if name not in known:
            errors.add(f"{path}.{name}", "Unknown field", did_you_mean(name, known))
        elif content is not None:
            _read(content, known[name], f"{path}.{name}", errors)
    for name in node.get("required", ()):
        member = value.get(name)
        if member is None or (member == "" and name != "value"):  # of an HTTP header or a sysctl
            errors.add(f"{path}.{name}", "Required value")


def _map(value: dict[str, JsonValue], node: Schema, path: str, errors: ErrorList) -> None:
    for key, content in value.items():
        at = f"{path}[{key}]"
        if "keys" in node and (fault := node["keys"](key)):
            errors.invalid(at, key, fault)
        if content is not None:
            _read(content, node["additionalProperties"], at, errors)


def _list(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, list):
        errors.invalid(path, value, "must be a list")
        return
    keys = node.get("x-kubernetes-list-map-keys", ())
    distinct = bool(keys) or node["x-kubernetes-list-type"] == "set"
    seen = set[tuple[JsonValue, ...]]()
    for index, item in enumerate(value):
        at, before = f"{path}[{index}]", len(errors.errors)
        _read(item, node["items"], at, errors)
        if not distinct or len(errors.errors) > before:  # what is wrong in itself is the same as nothing
            continue
        key = _key(item, keys, node["items"]) if isinstance(item, dict) else (item,)
        if key in seen:
            twice = shown(key[0] if len(key) == 1 else list(key))
            errors.add(f"{at}.{keys[0]}" if len(keys) == 1 else at, f"Duplicate value: {twice}")
        seen.add(key)


def _key(item: dict[str, JsonValue], names: list[str], node: Schema) -> tuple[JsonValue, ...]:
    """Return what an item is told apart by: the values of these fields, their defaults where they are not written."""
    defaults = {name: node["properties"][name].get("default") for name in names}
    return tuple((defaults | written(item))[name] for name in names)


def _text(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, str):
        errors.invalid(path, value, "must be a string")
    elif "enum" in node and value not in node["enum"]:
        values = ", ".join(f'"{allowed}"' for allowed in node["enum"])
        errors.add(path, f"Unsupported value: {shown(value)}", f"supported values: {values}{_why(node)}")
    elif value and "syntax" in node and (fault := node["syntax"](value)):
        errors.invalid(path, value, fault)


def _why(node: Schema) -> str:
    return f" ({node['why']})" if "why" in node else ""


def _integer(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    bits = 64 if node.get("format") == "int64" else 32
    if isinstance(value, bool) or not isinstance(value, int):
        errors.invalid(path, value, "must be an integer")
    elif not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        errors.invalid(path, value, f"must be an integer of {bits} bits")
    elif value < node.get("minimum", value):
        errors.invalid(path, value, f"must be greater than or equal to {node['minimum']}{_why(node)}")
    elif value > node.get("maximum", value):
        errors.invalid(path, value, f"must be less than or equal to {node['maximum']}{_why(node)}")


def _flag(value: JsonValue, _: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, bool):
        errors.invalid(path, value, "must be true or false")


def _integer_or_text(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        _integer(value, node, path, errors)
    elif not isinstance(value, str):
        errors.invalid(path, value, "must be an integer or a string")


def _quantity(value: JsonValue, _: Schema, path: str, errors: ErrorList) -> None:
    try:
        number = amount(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        quoted = "; quote a number with a fraction" if isinstance(value, float) else ""
        errors.invalid(path, value, f"{NO_QUANTITY}{quoted}")
    elif number < 0:
        errors.invalid(path, value, "must be greater than or equal to 0")


_READERS: Mapping[str, Callable[[JsonValue, Schema, str, ErrorList], None]] = {
    "object": _object,
    "array": _list,
    "string": _text,
    "integer": _integer,
    "boolean": _flag,
    "int-or-string": _integer_or_text,
    "quantity": _quantity,
}
