"""Errors of the API: what is wrong with which field, in the words that Kubernetes uses.

`InvalidRequestError` is the only exception of this package; it carries every `FieldError` that was found.
"""

from dataclasses import dataclass

from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field, formatted like Kubernetes' ``field.Error``.

    Attributes:
        path: Path of the field, for example ``spec.sla.ttft``.
        kind: What kind of problem it is, for example ``Invalid value: "x"`` or ``Required value``.
        detail: What would be right; may be empty.
    """

    path: str
    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}" + (f": {self.detail}" if self.detail else "")


def located(detail: ErrorDetails) -> str:
    """Return an error of pydantic as ``path.of.the.field: message``."""
    return f"{'.'.join(map(str, detail['loc'])) or '(document)'}: {detail['msg']}"


class InvalidRequestError(Exception):
    """A request that the user must change.

    Attributes:
        errors: Every problem found, in the order of the fields.
    """

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors
