"""The base of every API object: camelCase on the wire, strict, no unknown fields, immutable in memory."""

from pydantic import BaseModel, ConfigDict


def to_camel(name: str) -> str:
    """Return a field's name on the wire: ``e2e_latency`` → ``e2eLatency`` (pydantic's own says ``e2ELatency``)."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class ApiModel(BaseModel):
    """A part of an API object.

    Strict where Kubernetes is strict: ``"4000"`` is no number, ``nan`` no target, an unknown field an error.
    Parse with ``model_validate_json``: strictness in the JSON sense (a string names an enum's member).
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )
