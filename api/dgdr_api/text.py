"""How much is told of what is wrong: nobody reads on after twenty errors, and nobody wants a megabyte back.

Making an error costs more than finding it, so what is not told is not made either.
"""

import difflib
import json
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from dgdr_api.errors import FieldError

MAX_REPORTED = 20
"""Errors, or remarks, after which nobody reads on."""
AND_MORE = FieldError("(document)", "Too many errors", f"these are the first {MAX_REPORTED - 1}, and there are more")
"""What is told last where there are more errors than are told."""

_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
_MAX_TEXT = 400
_LONGEST_GUESSED = 60
"""Characters of an unknown field for which a known one is looked for: longer ones are no misspelling, and costly."""

T = TypeVar("T")


def at_most(found: Iterable[T], more: T) -> list[T]:
    """Return the first of what is found; where it is more than `MAX_REPORTED`, the last one says so.

    Args:
        found: What there is to tell; no more of it is made than shows that it is too much.
        more: What says that there is more.
    """
    first = list(islice(found, MAX_REPORTED + 1))
    return first if len(first) <= MAX_REPORTED else [*first[: MAX_REPORTED - 1], more]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known field that an unknown one resembles; empty where there is none."""
    close = difflib.get_close_matches(name, list(known), n=1) if len(name) <= _LONGEST_GUESSED else []
    return f'did you mean "{close[0]}"?' if close else ""


def printable(text: str, longest: int = _MAX_TEXT) -> str:
    """Return a text without what cannot be sent: halves of surrogate pairs, megabytes of a field's name."""
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text.encode(errors="backslashreplace").decode()


def shown(value: object) -> str:
    """Return the beginning of a value, as JSON."""
    text = ""
    try:
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):  # in parts: it may be of any size and depth
            text += part
            if len(text) > _SHOWN:
                return f"{text[:_SHOWN]}…"
    except ValueError:  # an integer of more digits than Python writes
        return f"{text}…"
    return text


def quoted(value: object) -> str:
    """Return the beginning of a value for the middle of a sentence: a text without quotation marks."""
    return printable(value, _SHOWN) if isinstance(value, str) else shown(value)
