"""Options of the search that the API has no field for: annotations of a request."""

from collections.abc import Mapping
from dataclasses import dataclass

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import ANNOTATION_CONTEXT_LENGTH
from dgdr_api.text import shown

OPTIONS = (ANNOTATION_CONTEXT_LENGTH,)
"""The annotations: results of a search with other values are not used."""

_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is wanted of a search beyond the spec.

    Attributes:
        context_length: The longest sequence in tokens that engines are started for; None: as much as fits.
    """

    context_length: int | None = None

    def replaced_by(self, options: "SearchOptions") -> "SearchOptions":
        """Return these options but those that others set."""
        return SearchOptions(context_length=options.context_length or self.context_length)


def search_options(annotations: Mapping[str, str] | None) -> SearchOptions:
    """Read the options of a request.

    Raises:
        InvalidRequestError: A value is not one that the annotation may have.
    """
    text = (annotations or {}).get(ANNOTATION_CONTEXT_LENGTH)
    return SearchOptions(context_length=None if text is None else _tokens(text))


def _tokens(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_TOKENS)) and 0 < int(text) <= _MOST_TOKENS:
        return int(text)
    path = f"metadata.annotations[{ANNOTATION_CONTEXT_LENGTH}]"
    raise InvalidRequestError([FieldError(path, f"Invalid value: {shown(text)}", "must be a number of tokens")])
