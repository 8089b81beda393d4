"""Fields of a pod that its containers may read: the downward API."""

import re

from dgdr_controller.manifest import Manifest

_ENTRY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class FieldError(Exception):
    """A pod has no such field, or it cannot be given to containers; the message names it."""


def read(pod: Manifest, path: str) -> str:
    """Return the text of a field as the downward API gives it.

    Args:
        pod: The pod, with the address that it has got in its status.
        path: Such as ``metadata.name`` or ``metadata.labels['app']``.

    Raises:
        FieldError: The downward API has no such field.
    """
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    if entry := _ENTRY.fullmatch(path):
        return str(metadata.get(entry[1], {}).get(entry[2], ""))
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels", {})),
        "metadata.annotations": _lines(metadata.get("annotations", {})),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
    }
    if path not in plain:
        raise FieldError(f"unsupported fieldPath: {path}")
    return str(plain[path])


def _lines(entries: dict[str, str]) -> str:
    return "\n".join(f'{key}="{entries[key]}"' for key in sorted(entries))
