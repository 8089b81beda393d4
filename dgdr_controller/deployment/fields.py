"""Parts of plain manifests whose shape nobody has checked."""

from pydantic import JsonValue

from dgdr_api.json_values import JsonObject


def part(value: JsonValue, *path: str) -> JsonObject:
    """Return a copy of the object at a path, one level deep; empty where there is none, whatever stands there."""
    for field in path:
        value = value.get(field) if isinstance(value, dict) else None
    return dict(value) if isinstance(value, dict) else {}


def named(items: JsonValue, name: JsonValue, key: str = "name") -> JsonObject | None:
    """Return the object of a list that has this name; None when there is none, or no list."""
    objects = (item for item in items if isinstance(item, dict)) if isinstance(items, list) else iter(())
    return next((item for item in objects if item.get(key) == name), None)
