"""Reading plain manifests whose shape nobody has checked, so that everything that is wrong is told at once."""

from pydantic import JsonValue

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.text import shown

Manifest = dict[str, JsonValue]
"""A Kubernetes object, or a part of one, as JSON."""


class ErrorList:
    """Collects what is wrong. A part of a wrong type is told and read as empty: reading goes on.

    Attributes:
        errors: What was found, in the order in which it was met.
    """

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def invalid(self, path: str, value: JsonValue, detail: str) -> None:
        """Note that a value is not what it must be."""
        self.errors.append(FieldError(path, f"Invalid value: {shown(value)}", detail))

    def forbidden(self, path: str, detail: str) -> None:
        """Note that a field may not be written, and what to do instead."""
        self.errors.append(FieldError(path, "Forbidden", detail))

    def required(self, path: str, detail: str = "") -> None:
        """Note that a field is missing."""
        self.errors.append(FieldError(path, "Required value", detail))

    def mapping(self, value: JsonValue, path: str) -> Manifest:
        """Return a copy of an object, one level deep; an absent one (None) is empty."""
        if value is None or isinstance(value, dict):
            return dict(value or {})
        self.invalid(path, value, "must be an object")
        return {}

    def items(self, value: JsonValue, path: str) -> list[JsonValue]:
        """Return a copy of a list; an absent one (None) is empty."""
        if value is None or isinstance(value, list):
            return list(value or [])
        self.invalid(path, value, "must be a list")
        return []

    def mappings(self, value: JsonValue, path: str) -> list[Manifest]:
        """Return copies of the objects of a list."""
        return [self.mapping(each, f"{path}[{index}]") for index, each in enumerate(self.items(value, path))]

    def found_in(self, error: InvalidRequestError, prefix: str) -> None:
        """Take over the errors of a part, whose paths begin below the prefix."""
        self.errors += [FieldError(f"{prefix}{each.path}", each.kind, each.detail) for each in error.errors]

    def raise_as(self, error: type[InvalidRequestError]) -> None:
        """Raise what was found; return when it is nothing."""
        if self.errors:
            raise error(self.errors)


def part(value: JsonValue, *path: str) -> Manifest:
    """Return a copy of the object at a path, one level deep; empty where there is none, whatever stands there."""
    for field in path:
        value = value.get(field) if isinstance(value, dict) else None
    return dict(value) if isinstance(value, dict) else {}


def named(items: JsonValue, name: JsonValue, key: str = "name") -> Manifest | None:
    """Return the object of a list that has this name; None when there is none, or no list."""
    objects = (each for each in items if isinstance(each, dict)) if isinstance(items, list) else iter(())
    return next((each for each in objects if each.get(key) == name), None)
