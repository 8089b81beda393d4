"""Options of the search that the API has no field for: annotations of a request."""

from collections.abc import Mapping
from dataclasses import dataclass

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import ANNOTATION_CONTEXT_LENGTH, ANNOTATION_SPECULATIVE
from dgdr_api.text import shown

MOST_DRAFT_TOKENS = 8
"""Tokens of one draft: no engine's own recipes have more."""
_LIMITS = {ANNOTATION_CONTEXT_LENGTH: 2**31 - 1, ANNOTATION_SPECULATIVE: MOST_DRAFT_TOKENS}
"""The annotations, and the largest value of each."""
OPTIONS = tuple(_LIMITS)
"""The annotations: results of a search with other values are not used."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is wanted of a search beyond the spec.

    Attributes:
        context_length: The longest sequence in tokens that engines are started for; None: as much as fits.
        draft_tokens: Tokens that a model's own layers draft in each step (multi-token prediction); None: no speculative
            decoding.
    """

    context_length: int | None = None
    draft_tokens: int | None = None

    def replaced_by(self, options: "SearchOptions") -> "SearchOptions":
        """Return these options but those that others set."""
        return SearchOptions(
            context_length=options.context_length or self.context_length,
            draft_tokens=options.draft_tokens or self.draft_tokens,
        )


def search_options(annotations: Mapping[str, str] | None) -> SearchOptions:
    """Read the options of a request.

    Raises:
        InvalidRequestError: A value is not one that the annotation may have.
    """
    values = {name: _count(name, text) for name in OPTIONS if (text := (annotations or {}).get(name)) is not None}
    if errors := [value for value in values.values() if isinstance(value, FieldError)]:
        raise InvalidRequestError(errors)
    counts = {name: value for name, value in values.items() if isinstance(value, int)}
    return SearchOptions(counts.get(ANNOTATION_CONTEXT_LENGTH), counts.get(ANNOTATION_SPECULATIVE))


def _count(name: str, text: str) -> int | FieldError:
    most = _LIMITS[name]
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most:
        return int(text)
    path, kind = f"metadata.annotations[{name}]", f"Invalid value: {shown(text)}"
    return FieldError(path, kind, f"must be a number from 1 to {most}")
