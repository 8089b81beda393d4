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
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        node = body
        for parent in parents:
            node = node[parent]
        if operation["op"] == "test" and node.get(last) != operation["value"]:
            raise Refusal(422, "Invalid", "test failed")
        if operation["op"] == "remove":
            del node[last]
        elif operation["op"] in ("add", "replace"):
            node[last] = operation["value"]
