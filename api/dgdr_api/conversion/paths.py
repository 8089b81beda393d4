"""Places in a JSON document, and reading, writing and removing what stands there."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydantic import JsonValue

from dgdr_api.json_values import JsonObject


class Absent(Enum):
    """Nothing, not even null, stands at a place."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Named:
    """The item of a list that has this name."""

    name: str


Path = tuple[str | Named, ...]


_LEVELS = 12
"""More than any path here has: below, nothing is written."""


def copied(document: JsonValue, levels: int = _LEVELS) -> JsonValue:
    """Return a copy that can be written to along any path; what lies deeper is shared, however deep it goes."""
    if levels and isinstance(document, dict):
        return {name: copied(value, levels - 1) for name, value in document.items()}
    if levels and isinstance(document, list):
        return [copied(item, levels - 1) for item in document]
    return document


def shown(path: Path) -> str:
    """Return a path as Kubernetes writes it in errors."""
    return "".join(f"[{part.name}]" if isinstance(part, Named) else f".{part}" for part in path).removeprefix(".")


def get(document: JsonValue, path: Path) -> JsonValue | Absent:
    """Return what stands at a place; `ABSENT` where nothing does, or something else stands in the way."""
    here: JsonValue | Absent = document
    for part in path:
        here = _step(here, part)
    return here


def _step(here: JsonValue | Absent, part: str | Named) -> JsonValue | Absent:
    if isinstance(part, Named):
        items = here if isinstance(here, list) else []
        return next((item for item in items if isinstance(item, dict) and item.get("name") == part.name), ABSENT)
    return here.get(part, ABSENT) if isinstance(here, dict) else ABSENT


def can_hold(document: JsonObject, path: Path) -> bool:
    """Say whether something could be put there: nothing of another type stands in the way."""
    here: JsonValue | Absent = document
    for part in path:
        if here is ABSENT:
            return True
        if not isinstance(here, list if isinstance(part, Named) else dict):
            return False
        here = _step(here, part)
    return True


def put(document: JsonObject, path: Path, value: JsonValue) -> None:
    """Write a value to a place that `can_hold` it; what is missing on the way is made."""
    here: JsonValue | Absent = document
    for part, following in zip(path, (*path[1:], None), strict=True):
        beyond = _step(here, part)
        if following is None:
            beyond = value
        elif beyond is ABSENT:
            beyond = [] if isinstance(following, Named) else {}
            if isinstance(part, Named):
                beyond = {"name": part.name}
        else:
            here = beyond
            continue
        if isinstance(part, Named) and isinstance(here, list):
            here.append(beyond)
        elif isinstance(here, dict):
            here[str(part)] = beyond
        here = beyond


def drop(document: JsonObject, path: Path, keep: JsonObject) -> None:
    """Remove what stands at a place, and around it what is empty then, unless it stands in ``keep`` too."""
    *outer, last = path
    holder = get(document, tuple(outer))
    if isinstance(last, str) and isinstance(holder, dict):
        holder.pop(last, None)
    elif isinstance(last, Named) and isinstance(holder, list):
        holder[:] = [item for item in holder if not (isinstance(item, dict) and item.get("name") == last.name)]
    if outer and is_empty(holder, outer[-1]) and get(keep, tuple(outer)) is ABSENT:
        drop(document, tuple(outer), keep)


def is_empty(found: JsonValue | Absent, part: str | Named) -> bool:
    """Say whether an object or a list says nothing; a named item may have its name."""
    return found == ({"name": part.name} if isinstance(part, Named) else {}) or found == []


def prefixes(path: Path) -> Sequence[Path]:
    """Return the places around a place, the innermost first."""
    return [path[:length] for length in range(len(path) - 1, 0, -1)]
