"""From a decoded manifest to a typed request; every problem of shape is reported with its field path."""

import json
from collections.abc import Mapping
from typing import TypeVar, cast

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from dgdr_api import v1alpha1
from dgdr_api.conversion import V1ALPHA1, V1BETA1, convert
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import json_value
from dgdr_api.model import ApiModel
from dgdr_api.names import KIND
from dgdr_api.text import AND_MORE, at_most, did_you_mean, printable, shown
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest

_MUST_BE = {
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
Request = TypeVar("Request", bound=ApiModel)

_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def parse_request(manifest: object) -> DynamoGraphDeploymentRequest:
    """Turn a decoded manifest of any served version into a request.

    Args:
        manifest: What a YAML or JSON document decodes to.

    Raises:
        InvalidRequestError: The document is no DGDR of a known version, or has fields of a wrong name or type.
    """
    if not isinstance(manifest, Mapping):
        raise InvalidRequestError([FieldError("(document)", "Invalid value", f"must be a {KIND} object")])
    _check_type(manifest)
    # The status is the controller's word on an earlier state: what a file says there is not asked for.
    content = {key: value for key, value in manifest.items() if key != "status" or not isinstance(value, Mapping)}
    read = cast("dict[str, JsonValue]", json_value(content))
    if read["apiVersion"] == V1ALPHA1:
        _parsed(v1alpha1.DynamoGraphDeploymentRequest, read)  # its errors name the fields as they are written
        read = convert(read, V1BETA1)
    return _parsed(DynamoGraphDeploymentRequest, read)


def _parsed(model: type[Request], manifest: JsonValue) -> Request:
    try:
        return model.model_validate_json(json.dumps(manifest), by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidRequestError(at_most((_field_error(detail, model) for detail in details), AND_MORE)) from None


def _check_type(manifest: Mapping[object, object]) -> None:
    """Refuse another kind or version before its fields are looked at: their errors would only confuse."""
    for key, known in (("kind", (KIND,)), ("apiVersion", (V1BETA1, V1ALPHA1))):
        value = json_value(manifest.get(key), key)
        if value is None:
            raise InvalidRequestError([FieldError(key, "Required value", f'must be "{known[0]}"')])
        if value not in known:
            values = ", ".join(f'"{name}"' for name in known)
            raise InvalidRequestError(
                [FieldError(key, f"Unsupported value: {shown(value)}", f"supported values: {values}")]
            )


def _field_error(detail: ErrorDetails, model: type[ApiModel]) -> FieldError:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    return FieldError(printable(path), *_problem(detail, model))


def _problem(detail: ErrorDetails, model: type[ApiModel]) -> tuple[str, str]:
    """Return what is wrong with a field, and what would be right."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":  # its value is all that is around it
        return "Required value", ""
    if kind == "extra_forbidden":
        return "Unknown field", _known_field(detail["loc"], model)
    value = shown(detail["input"])
    if kind in ("enum", "literal_error"):
        values = str(context["expected"]).replace("'", '"').replace(" or ", ", ")
        return f"Unsupported value: {value}", f"supported values: {values}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"Invalid value: {value}", f"must be {word} {context[bound]:.12g}"
    if kind == "string_pattern_mismatch":
        return f"Invalid value: {value}", "must be a version such as 1.6.1"
    return f"Invalid value: {value}", _MUST_BE.get(kind) or printable(detail["msg"])


def _known_field(location: tuple[str | int, ...], model: type[ApiModel]) -> str:
    """Suggest the known field that an unknown one resembles."""
    holder: type[BaseModel] | None = model
    for part in location[:-1]:
        holder = _model_of(holder, str(part)) if holder else None
    known = [field.alias or name for name, field in holder.model_fields.items()] if holder else []
    return did_you_mean(str(location[-1]), known)


def _model_of(model: type[BaseModel], alias: str) -> type[BaseModel] | None:
    """Return the model behind a field of a model, if the field holds one."""
    for name, field in model.model_fields.items():
        if alias in (name, field.alias):
            options = getattr(field.annotation, "__args__", (field.annotation,))
            return next((cast("type[BaseModel]", o) for o in options if _is_api_model(o)), None)
    return None


def _is_api_model(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, ApiModel)
