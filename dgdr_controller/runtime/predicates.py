"""Which changes matter: functions of a change, to be given to ``Controller.for_``, ``owns`` and ``watches``."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from dgdr_controller.runtime.resource import CachedObject


class ChangeType(StrEnum):
    """What happened to an object, as seen from the cache."""

    ADDED = "added"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to an object.

    Attributes:
        type: What.
        old: The object before; None if it was not known.
        new: The object now, or as it was last seen before it was deleted.
        initial: It is part of the first list after a start: nothing happened, the cache learned of it.
        own: It is the echo of this process' own write, and of nothing else.
    """

    type: ChangeType
    old: CachedObject | None
    new: CachedObject
    initial: bool = False
    own: bool = False


Predicate = Callable[[Change], bool]


def generation_changed(change: Change) -> bool:
    """Pass changes of the spec and deletion marks, not of status or metadata; what comes and goes always passes."""
    if change.old is None or change.type is not ChangeType.UPDATED:
        return True
    return change.old.meta.generation != change.new.meta.generation


def labels_changed(change: Change) -> bool:
    """Pass changes of labels; what comes and goes always passes."""
    if change.old is None or change.type is not ChangeType.UPDATED:
        return True
    return (change.old.meta.labels or {}) != (change.new.meta.labels or {})


def annotations_changed(change: Change) -> bool:
    """Pass changes of annotations, which are decoded for it; what comes and goes always passes."""
    if change.old is None or change.type is not ChangeType.UPDATED:
        return True
    return _annotations(change.old) != _annotations(change.new)


def not_own_write(change: Change) -> bool:
    """Drop the echo of this process' own writes: the reconciler that wrote already knows."""
    return not change.own


def any_of(*predicates: Predicate) -> Predicate:
    """Pass what one of them passes."""
    return lambda change: any(predicate(change) for predicate in predicates)


def negate(predicate: Predicate) -> Predicate:
    """Pass what it drops."""
    return lambda change: not predicate(change)


class _Annotated(msgspec.Struct):
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct):
    metadata: _Annotated


_decode = msgspec.json.Decoder(_Object).decode


def _annotations(stored: CachedObject) -> dict[str, str]:
    return _decode(stored.raw).metadata.annotations or {}
