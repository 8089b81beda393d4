"""Patches as the API server applies them."""

from typing import Any

from dgdr_controller.runtime.testing.refusal import Refusal


def merged(old: Any, change: Any) -> Any:
    """Apply a merge patch (RFC 7386)."""
    if not isinstance(change, dict):
        return change
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def operate(body: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    """Apply a JSON patch (RFC 6902) to fields of objects."""
    for each in operations:
        *parents, last = each["path"].strip("/").split("/")
        node = body
        for parent in parents:
            node = node[parent]
        if each["op"] == "test" and node.get(last) != each["value"]:
            raise Refusal(422, "Invalid", "test failed")
        if each["op"] == "remove":
            del node[last]
        elif each["op"] in ("add", "replace"):
            node[last] = each["value"]
