"""From whatever a decoder returned to what the API server would hold: JSON values, nothing else."""

import json
import math
from collections.abc import Mapping

from pydantic import JsonValue

from dgdr_api.errors import FieldError, InvalidRequestError

JsonObject = dict[str, JsonValue]
"""A JSON object, for example a Kubernetes object or a part of one."""

MAX_DEPTH = 100
"""Levels of nesting that are read; the API server stops at a few hundred."""

_EXACT = 2**53
"""Up to here floats hold integers exactly."""

_FREE_FORM = ("spec.overrides.", "spec.features.", "metadata.")
"""Objects below these keep explicit nulls: what they mean is decided where they are used."""


def json_value(value: object, path: str = "") -> JsonValue:
    """Return a value as JSON knows it.

    Whole floats become integers (kubectl sends ``4e3`` as 4000), and nulls are dropped as the API server drops them,
    so that a field with an empty value has its default.

    Raises:
        InvalidRequestError: A value that JSON does not know, or too many levels; the field is named.
    """
    return _convert(value, path, 0)


def _convert(value: object, path: str, depth: int) -> JsonValue:
    if depth > MAX_DEPTH:
        raise _error("(document)", f"is nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _error(path, "must be a finite number", json.dumps(value))
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _error(path, "is not valid Unicode: it contains an unpaired surrogate")
        return value
    if isinstance(value, list):
        return [_convert(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        keep_nulls = path.startswith(_FREE_FORM)
        return {
            str(key): _convert(content, f"{path}.{key}" if path else str(key), depth + 1)
            for key, content in value.items()
            if content is not None or keep_nulls
        }
    raise _error(path, f"a {type(value).__name__} is no JSON value")


def _error(path: str, problem: str, shown: str = "") -> InvalidRequestError:
    kind = f"Invalid value: {shown}" if shown else "Invalid value"
    return InvalidRequestError([FieldError(path or "(document)", kind, problem)])
