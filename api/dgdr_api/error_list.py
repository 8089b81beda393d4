"""Collecting errors, so that everything that is wrong is reported at once (Kubernetes' ``field.ErrorList``)."""

from collections.abc import Iterable

from pydantic import JsonValue

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject
from dgdr_api.text import printable, shown

_LONGEST_DETAIL = 1000
"""Characters of a detail; it may repeat names of any length that the user has chosen."""


class LimitReachedError(Exception):
    """As many errors were found as are reported: looking for more is a waste of time."""


class ErrorList:
    """Errors in the order in which they were found.

    Args:
        limit: Number of errors after which `LimitReachedError` is raised; None: no limit.

    Attributes:
        errors: The errors.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.errors: list[FieldError] = []
        self._limit = limit

    def add(self, path: str, kind: str, detail: str = "") -> None:
        """Add an error.

        Raises:
            LimitReachedError: It is the last one that is reported.
        """
        self.errors.append(FieldError(printable(path), printable(kind), printable(detail, _LONGEST_DETAIL)))
        if self._limit is not None and len(self.errors) >= self._limit:
            raise LimitReachedError

    def invalid(self, path: str, value: JsonValue, detail: str) -> None:
        """Add an error about a value."""
        self.add(path, f"Invalid value: {shown(value)}", detail)

    def forbidden(self, path: str, detail: str) -> None:
        """Add an error about a field that must not be set, with what to do instead."""
        self.add(path, "Forbidden", detail)

    def required(self, path: str, detail: str = "") -> None:
        """Add an error about a field that is missing."""
        self.add(path, "Required value", detail)

    def extend(self, errors: Iterable[FieldError], prefix: str = "") -> None:
        """Add the errors of a part whose paths begin below the prefix."""
        for error in errors:
            self.add(f"{prefix}{error.path}", error.kind, error.detail)

    def raise_as(self, error: type[InvalidRequestError]) -> None:
        """Raise the errors; return when there are none."""
        if self.errors:
            raise error(self.errors)

    def mapping(self, value: JsonValue, path: str) -> JsonObject:
        """Return a copy of an object, one level deep; absent (None) or of a wrong type, which is an error: empty."""
        if value is None or isinstance(value, dict):
            return dict(value or {})
        self.invalid(path, value, "must be an object")
        return {}

    def items(self, value: JsonValue, path: str) -> list[JsonValue]:
        """Return a copy of a list; absent (None) or of a wrong type, which is an error: empty."""
        if value is None or isinstance(value, list):
            return list(value or [])
        self.invalid(path, value, "must be a list")
        return []

    def mappings(self, value: JsonValue, path: str) -> list[JsonObject]:
        """Return copies of the objects of a list."""
        return [self.mapping(item, f"{path}[{index}]") for index, item in enumerate(self.items(value, path))]
