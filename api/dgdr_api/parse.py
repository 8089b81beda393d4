"""From a decoded manifest to a typed request; every problem of shape is reported with its field path."""

import difflib
import json
from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import json_value
from dgdr_api.model import ApiModel
from dgdr_api.names import KIND
from dgdr_api.v1beta1 import API_VERSION, DynamoGraphDeploymentRequest

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


_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def parse_request(manifest: object) -> DynamoGraphDeploymentRequest:
    """Turn a decoded manifest into a request.

    Args:
        manifest: What a YAML or JSON document decodes to.

    Raises:
        InvalidRequestError: The document is no DGDR of a known version, or has fields of a wrong name or type.
    """
    if not isinstance(manifest, Mapping):
        raise InvalidRequestError([FieldError("(document)", "Invalid value", f"must be a {KIND} object")])
    _check_type(manifest)
    # The status is the controller's word on an earlier state: what a file says there is not asked for.
    given = {key: value for key, value in manifest.items() if key != "status" or not isinstance(value, Mapping)}
    text = json.dumps(json_value(given))
    try:
        return DynamoGraphDeploymentRequest.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidRequestError([_field_error(detail) for detail in error.errors()]) from None


def _check_type(manifest: Mapping[object, object]) -> None:
    """Refuse another kind or version before its fields are looked at: their errors would only confuse."""
    for key, known in (("kind", KIND), ("apiVersion", API_VERSION)):
        value = json_value(manifest.get(key), key)
        if value is None:
            raise InvalidRequestError([FieldError(key, "Required value", f'must be "{known}"')])
        if value != known:
            raise InvalidRequestError(
                [FieldError(key, f"Unsupported value: {json.dumps(value)}", f'supported values: "{known}"')]
            )


def _field_error(detail: ErrorDetails) -> FieldError:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    kind, context = detail["type"], detail.get("ctx", {})
    shown = json.dumps(detail["input"])
    if kind == "missing":
        return FieldError(path, "Required value")
    if kind == "extra_forbidden":
        return FieldError(path, "Unknown field", _did_you_mean(detail["loc"]))
    if kind in ("enum", "literal_error"):
        values = str(context["expected"]).replace("'", '"').replace(" or ", ", ")
        return FieldError(path, f"Unsupported value: {shown}", f"supported values: {values}")
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        bound = f"{word} {context[bound]:.12g}"
        return FieldError(path, f"Invalid value: {shown}", f"must be {bound}")
    if kind == "string_pattern_mismatch":
        return FieldError(path, f"Invalid value: {shown}", "must be a version such as 1.6.1")
    return FieldError(path, f"Invalid value: {shown}", _MUST_BE.get(kind, detail["msg"]))


def _did_you_mean(location: tuple[str | int, ...]) -> str:
    """Suggest the known field that an unknown one resembles."""
    model: type[BaseModel] | None = DynamoGraphDeploymentRequest
    for part in location[:-1]:
        model = _model_of(model, str(part)) if model else None
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def _model_of(model: type[BaseModel], alias: str) -> type[BaseModel] | None:
    """Return the model behind a field of a model, if the field holds one."""
    for name, field in model.model_fields.items():
        if alias in (name, field.alias):
            options = getattr(field.annotation, "__args__", (field.annotation,))
            return next((cast("type[BaseModel]", o) for o in options if _is_api_model(o)), None)
    return None


def _is_api_model(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, ApiModel)
