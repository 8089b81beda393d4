"""The spec, from v1alpha1 to v1beta1 and back, as a lens: what v1beta1 cannot say is kept beside it.

What is kept is a sparse spec of v1alpha1: the fields that v1beta1 does not have, word by word, and of the others those
that the user wrote although conversion would have filled them in. So the way back is exact, and what was changed in
v1beta1 in the meantime wins: it goes to the place where v1alpha1 said it before.

Nothing is refused here. The API server converts before it validates: what is of a wrong type goes both ways as it is.
"""

from enum import StrEnum

from pydantic import JsonValue

from dgdr_api.conversion.field_mapping import FIELD_MAPPINGS, FieldMapping
from dgdr_api.conversion.paths import (
    ABSENT,
    Absent,
    Path,
    can_hold,
    copied,
    drop,
    get,
    is_empty,
    prefixes,
    put,
)
from dgdr_api.json_values import JsonObject
from dgdr_api.v1alpha1.spec import ONLY_HERE


class Defaults(StrEnum):
    """Whose defaults a request has: those of the version, and in v1alpha1 of the form, that it was written in."""

    V1BETA1 = "v1beta1"
    V1ALPHA1 = "v1alpha1"
    PROFILING = "v1alpha1-profiling"


FILLED: dict[Defaults, dict[str, JsonValue]] = {
    Defaults.V1BETA1: {},
    Defaults.V1ALPHA1: {"searchStrategy": "rapid", "autoApply": True},
    Defaults.PROFILING: {"searchStrategy": "thorough", "autoApply": False},
}
"""Fields for which v1beta1 has a default in its schema: conversion always says which value is meant."""


def form(spec: JsonObject) -> Defaults:
    """Return which of its two forms a spec of v1alpha1 is written in."""
    return Defaults.PROFILING if "profilingConfig" in spec else Defaults.V1ALPHA1


def to_v1beta1(spec: JsonObject, defaults: Defaults) -> tuple[JsonObject, JsonObject]:
    """Convert a spec of v1alpha1.

    Returns:
        The spec of v1beta1, and what is to be kept beside it.
    """
    kept = {field: copied(value) for field, value in spec.items() if field in ONLY_HERE}
    only = dict(kept)
    converted = {field: copied(value) for field, value in spec.items() if field not in ONLY_HERE}
    for mapping in FIELD_MAPPINGS:
        _fill(spec, mapping.target, mapping.read(only), converted, kept)
    for field, value in FILLED[defaults].items():
        _fill(spec, (field,), ABSENT if get(converted, (field,)) != get(spec, (field,)) else value, converted, kept)
    return converted, kept


def _fill(spec: JsonObject, target: Path, value: JsonValue | Absent, converted: JsonObject, kept: JsonObject) -> None:
    """Fill in a field that the user left out; keep what the way back needs to know of it."""
    if value is ABSENT:
        return
    written = get(spec, target)
    if written is not ABSENT:
        put(kept, target, copied(written))
    elif can_hold(converted, target):
        for outer in prefixes(target):
            found = get(spec, outer)
            if found is not ABSENT and is_empty(found, outer[-1]):
                put(kept, outer, copied(found))
        put(converted, target, value)


def to_v1alpha1(spec: JsonObject, kept: JsonObject, defaults: Defaults) -> JsonObject:
    """Convert a spec of v1beta1, with what was kept when it was made from one of v1alpha1."""
    live_fields = {field: value for field, value in kept.items() if field not in ONLY_HERE}
    before = {field: value for field, value in kept.items() if field in ONLY_HERE}
    only = {field: copied(value) for field, value in before.items()}
    converted = {field: copied(value) for field, value in spec.items()}
    for mapping in FIELD_MAPPINGS:
        previous = mapping.read(before)
        if previous is ABSENT or not can_hold(spec, mapping.target):
            continue
        written, live = get(live_fields, mapping.target), get(spec, mapping.target)
        if live == (previous if written is ABSENT else written):
            moved = written is ABSENT
        else:
            moved = written is ABSENT and live is not ABSENT and _move(mapping, live, only)
            if not moved:
                _silence(mapping, only)
        if moved:
            drop(converted, mapping.target, live_fields)
    for field, value in FILLED[defaults].items():
        if field not in live_fields and converted.get(field, ABSENT) == value:
            del converted[field]
    return converted | only


def _move(mapping: FieldMapping, live: JsonValue, only: JsonObject) -> bool:
    """Write what v1beta1 says now to where v1alpha1 said it; return whether it can be read back from there."""
    source = mapping.speaking(only)
    if source is None:
        return False
    put(only, source, copied(mapping.backward(live)))
    return mapping.read(only) == live


def _silence(mapping: FieldMapping, only: JsonObject) -> None:
    """Let v1alpha1's own fields say nothing of a field of v1beta1."""
    around = {field: copied(value) for field, value in only.items()}
    for source in mapping.sources:
        if get(only, source) is not ABSENT:
            drop(only, source, around)
