"""``spec.overrides.profilingJob``: a part of a JobSpec, laid over ours.

What may not be laid over it is refused when the request is written (`dgdr_api.job_spec`), so nothing here is an error;
where it stands in a stored request all the same, ours stays. The fields that Dynamo's controller merges are merged as
it does (its deploy/operator/internal/controller); every other one of Kubernetes' is laid over as it is.
"""

import copy
from collections.abc import Mapping
from typing import Any

from dgdr_api.job_spec import (
    PROFILER,
    PROFILER_FIXED,
    PUBLISHER,
    PUBLISHER_FREE,
    VOLUMES_FIXED,
    VOLUMES_MOUNTED,
    is_ours,
)
from dgdr_controller.manifest import Manifest

_OBJECTS = frozenset(
    {
        *("", "template", "template.metadata", "template.spec", "template.spec.securityContext", "podFailurePolicy"),
        *(f"template.spec.{containers}[]{below}" for containers in ("containers", "initContainers")
          for below in ("", ".securityContext")),
    }
)  # fmt: skip
"""Objects that are merged field by field; every other one (affinity, resources, a node selector) is replaced."""
_MAPS = frozenset({"template.metadata.labels", "template.metadata.annotations"})
"""Maps that are merged key by key. The keys are the user's words: a label may be called ``env``."""
_KEYED = frozenset({"containers", "initContainers", "volumes", "env", "volumeMounts", "imagePullSecrets"})
"""Lists that are merged by name: an entry of the same name in its place, a new one at the end."""
_APPENDED = frozenset({"envFrom", "rules"})
"""Lists to which entries are added: sources of variables; rules of the failure policy, of which the first decides."""


def merged(spec: Manifest, override: Mapping[str, Any] | None) -> Manifest:
    """Lay a part of a JobSpec over a whole one.

    Args:
        spec: Ours. It is not changed.
        override: The user's; None: nothing.
    """
    return _object(spec, _allowed(override), "") if override else spec


def _allowed(override: Mapping[str, Any]) -> Manifest:
    """Return an override without what belongs to us; entries for the publisher stand where that runs."""
    result: Manifest = copy.deepcopy(dict(override))
    template = _field(result, "template")
    labels = _field(_field(template, "metadata"), "labels")
    for name in list(filter(is_ours, labels)):
        del labels[name]
    pod = _field(template, "spec")
    containers, others = pod.get("containers") or [], pod.get("initContainers") or []
    pod["containers"] = [
        _without(container, PROFILER_FIXED) for container in containers if container["name"] == PROFILER
    ]
    for container in pod["containers"]:
        mounts = container.get("volumeMounts") or []
        container["volumeMounts"] = [mount for mount in mounts if mount["name"] not in VOLUMES_MOUNTED]
    publisher = [container for container in (*others, *containers) if container["name"] == PUBLISHER]
    pod["initContainers"] = [
        *({name: container[name] for name in container.keys() & PUBLISHER_FREE} for container in publisher),
        *(container for container in others if container["name"] not in (PROFILER, PUBLISHER)),
    ]
    pod["volumes"] = [volume for volume in pod.get("volumes") or [] if volume["name"] not in VOLUMES_FIXED]
    return result


def _field(parent: Manifest, name: str) -> Manifest:
    """Return the object in a field, made where there is none: an empty one changes nothing."""
    if parent.get(name) is None:
        parent[name] = {}
    found: Manifest = parent[name]
    return found


def _without(entry: Manifest, names: frozenset[str]) -> Manifest:
    return {name: value for name, value in entry.items() if name not in names}


def _object(base: Mapping[str, Any], over: Mapping[str, Any], path: str) -> Manifest:
    result = dict(base)
    for name, value in over.items():
        if value is None or _is_nothing(name, value):  # as absent, which is how the API server reads it
            continue
        at = f"{path}.{name}".lstrip(".")
        laid = _laid(result.get(name), value, name, at)
        if name in base or laid not in ({}, []):  # an empty one may only have been made for the walk
            result[name] = laid
    return result


def _is_nothing(name: str, value: Any) -> bool:
    """Say whether these are no resources at all, which every Go client writes for a container without any."""
    return name == "resources" and not any(value.values())


def _laid(there: Any, value: Any, name: str, path: str) -> Any:
    if path in _OBJECTS:
        return _object(there or {}, value, path)
    if path in _MAPS:
        return (there or {}) | {key: text for key, text in value.items() if text is not None}
    if name in _KEYED:
        return _by_name(there or [], value, path)
    if name in _APPENDED:
        there = there or []
        return [*there, *(item for item in value if item not in there)]
    return value


def _by_name(base: list[Manifest], over: list[Manifest], path: str) -> list[Manifest]:
    result = {item.get("name", ""): item for item in base}
    for item in over:
        name = item.get("name", "")  # the reference to a Secret may have none
        result[name] = _object(result.get(name, {}), item, f"{path}[]") if f"{path}[]" in _OBJECTS else item
    return list(result.values())
