"""``python -m hack.job_spec < openapi.json``: the schema of ``spec.overrides.profilingJob`` in our CRD.

Reads what an API server says of batch/v1, for example from ``kubectl get --raw /openapi/v3/apis/batch/v1``, and
writes the schema of a *partial* JobSpec to api/dgdr_api/job_spec.json: without descriptions (they would be 90 % of the
CRD, and ``kubectl explain job.spec`` has them), without defaults (what is not written must stay unwritten) and without
the need for a template or containers. Run it when Kubernetes has new fields that people want to override.
"""

import json
import sys
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TARGET = Path(__file__).parent.parent / "api" / "dgdr_api" / "job_spec.json"
_PREFIX = "#/components/schemas/"
_CORE = "io.k8s.api.core.v1."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."

_QUANTITY = (  # as controller-gen writes it; a number with a fraction (cpu: 0.5) must be quoted
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_MAP_OF_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_OPEN: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"x-kubernetes-int-or-string": True, "pattern": _QUANTITY},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
    # Of a template's metadata only these reach a pod.
    f"{_META}ObjectMeta": {
        "type": "object",
        "properties": {"annotations": _MAP_OF_STRINGS, "labels": _MAP_OF_STRINGS},
    },
}
_OPTIONAL = {"io.k8s.api.batch.v1.JobSpec": ["template"], f"{_CORE}PodSpec": ["containers"]}
"""What a Job must have, and a change to one need not say."""
_WITHOUT = {f"{_CORE}PodSpec": ["ephemeralContainers"]}
"""What a template may not have."""
_KEPT = (
    "type", "format", "enum", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
)  # fmt: skip


class Partial:
    """Writes definitions out in full, wherever they are referred to."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def definition(self, name: str) -> Schema:
        """Return the schema of a definition."""
        if name in _OPEN:
            return _OPEN[name]
        found = self._definitions[name]
        fields = {k: v for k, v in found.get("properties", {}).items() if k not in _WITHOUT.get(name, ())}
        needed = [field for field in found.get("required", ()) if field not in _OPTIONAL.get(name, ())]
        return self._schema({**found, "properties": fields, "required": needed})

    def _schema(self, node: Schema) -> Schema:
        referred = node.get("$ref") or next((part["$ref"] for part in node.get("allOf", ()) if "$ref" in part), None)
        if referred:
            extensions = {key: node[key] for key in _KEPT if key.startswith("x-") and key in node}
            return self.definition(referred.removeprefix(_PREFIX)) | extensions
        schema = {key: node[key] for key in _KEPT if key in node}
        if fields := node.get("properties"):
            schema["properties"] = {name: self._schema(field) for name, field in sorted(fields.items())}
        if needed := node.get("required"):
            schema["required"] = sorted(needed)
        if "additionalProperties" in node:
            schema["additionalProperties"] = self._schema(node["additionalProperties"])
        if "items" in node:
            schema["items"] = self._with_key_defaults(node)
        return schema

    def _with_key_defaults(self, node: Schema) -> Schema:
        """Return the schema of a list's items; a key of the list must be required or have a default."""
        items = self._schema(node["items"])
        keys = node.get("x-kubernetes-list-map-keys", ())
        for key in keys:
            if key not in items.get("required", ()):
                items["properties"][key]["default"] = _DEFAULT_KEYS[key]
        return items


_DEFAULT_KEYS = {"protocol": "TCP", "name": ""}
"""Keys that Kubernetes itself does not require."""


def main() -> None:
    """Read and write."""
    definitions = json.load(sys.stdin)["components"]["schemas"]
    schema = Partial(definitions).definition("io.k8s.api.batch.v1.JobSpec")
    TARGET.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
