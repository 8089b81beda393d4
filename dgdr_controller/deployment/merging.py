"""Laying one manifest over another: the structure of pods and graphs as tables, the walk as one recursion.

Objects merge field by field, lists with a key (Kubernetes' ``patchMergeKey``) entry by entry, every other list is
replaced. Deleting is not possible: a null is refused. Fields that are in no table are laid over as they are; the API
server judges them.
"""

import copy
from collections.abc import Callable

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList
from dgdr_api.json_values import JsonObject
from dgdr_api.names import LABEL_MANAGED_BY
from dgdr_controller.deployment.fields import named
from dgdr_controller.deployment.quantities import GPU_RESOURCES, whole_number

NOT_NULL = "must not be null: fields cannot be deleted, only set"

_KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("components", "containers", "initContainers", "ephemeralContainers"), ("name",)),
    **dict.fromkeys(("env", "envs", "volumes", "claims", "imagePullSecrets", "resourceClaims", "pvcs"), ("name",)),
    "ports": ("containerPort",),
    "volumeMounts": ("mountPath", "mountPoint", "name"),  # of a container, of a service, of a service's cache
    "volumeDevices": ("devicePath",),
    "topologySpreadConstraints": ("topologyKey",),
    "hostAliases": ("ip",),
}
"""Lists that merge entry by entry, and what tells entries apart: the first of these fields that an entry has."""

_ATOMIC = {("graph", "env"): "graph.env", ("graph", "envs"): "graph.envs"}
"""Lists that are replaced although one of the same name elsewhere merges: the graph-wide environment."""

_MAPS = ("labels", "annotations", "nodeSelector", "matchLabels")
"""Objects whose keys are the user's own; their values are strings."""

_OPAQUE = ("eppConfig", "providerOverride")
"""Objects of others, whose shape we do not know: nulls may mean something there."""

_OBJECTS = (
    *("metadata", "spec", "graph", "services", "services[]", "podTemplate", "extraPodSpec", "extraPodMetadata"),
    *("mainContainer", "multinode", "scalingAdapter", "sharedMemory", "compilationCache", "resources", "limits"),
    *("requests", "custom", "securityContext", "affinity", "livenessProbe", "readinessProbe", "startupProbe"),
    *("valueFrom", *_MAPS, *(f"{name}[]" for name in (*_KEYS, "graph.env", "graph.envs", "envFrom", "tolerations"))),
)
_LISTS = (*_KEYS, "graph.env", "graph.envs", "args", "command", "envFrom", "tolerations")
_STRINGS = (
    *("name", "image", "value", "mountPath", "mountPoint", "envFromSecret", "workingDir", "backendFramework"),
    *(f"{name}[]" for name in ("args", "command", *_MAPS)),
)

_Test = tuple[Callable[[JsonValue], bool], str]
_OBJECT: _Test = (lambda value: isinstance(value, dict), "must be an object")
_LIST: _Test = (lambda value: isinstance(value, list), "must be a list")
_STRING: _Test = (lambda value: isinstance(value, str), "must be a string (quote numbers and true, false, yes, no)")
_INTEGER: _Test = (lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0, "must be a whole number")
_SCALAR: _Test = (lambda value: not isinstance(value, (dict, list)), "must be a single value")
_COUNT: _Test = (lambda value: whole_number(value) is not None, "must be a whole number of GPUs")
_EXPECTED: dict[str, _Test] = {
    **dict.fromkeys(_OBJECTS, _OBJECT),
    **dict.fromkeys(_LISTS, _LIST),
    **dict.fromkeys(_STRINGS, _STRING),
    **dict.fromkeys(("replicas", "nodeCount"), _INTEGER),
    **dict.fromkeys(("gpu", *GPU_RESOURCES), _COUNT),
    **dict.fromkeys(("type", "componentType", "sharedMemorySize", "size", "cpu", "memory"), _SCALAR),
}
"""What a field of this name, or an entry of such a list (``name[]``), must be."""

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_ONE_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("env[]", "envs[]"), ("value", "valueFrom")),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _HANDLERS),
    "valueFrom": ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"),
    "sharedMemory": ("disabled", "size"),
}
"""Fields of which an object has one: writing another one replaces it."""


def reserved(key: str) -> bool:
    """Say whether a label or annotation is a proof of ours, or bookkeeping of the operator's conversion."""
    return key.startswith(("dgdr.nvidia.com/", "nvidia.com/dgd-")) or key == LABEL_MANAGED_BY


def overlaid(base: JsonValue, over: JsonValue, path: str, field: str, errors: ErrorList) -> JsonValue:
    """Return a value with another one laid over it.

    Args:
        base: What is there; None: nothing. It is not changed, and neither is ``over``.
        over: What is laid over it.
        path: Path of ``over``, for messages.
        field: Name of the field, which says what it must be and how it merges; ``graph`` for a graph's spec.
        errors: Takes what is wrong with ``over``; such a part leaves the base as it is.
    """
    if over is None:
        errors.forbidden(path, NOT_NULL)
        return base
    is_right, wish = _EXPECTED.get(field) or _like(base)
    if not is_right(over):
        errors.invalid(path, over, wish)
        return base
    if field in _OPAQUE:
        return _opaque(base, over)
    if isinstance(over, dict):
        return _object(base if isinstance(base, dict) else {}, over, path, field, errors)
    if isinstance(over, list):
        return _list(base if isinstance(base, list) else [], over, path, field, errors)
    return over


def _like(base: JsonValue) -> _Test:
    """Without an entry in the table, what is there says what it must be."""
    if base is None:
        return (lambda _: True), ""
    return _OBJECT if isinstance(base, dict) else _LIST if isinstance(base, list) else _SCALAR


def _opaque(base: JsonValue, over: JsonValue) -> JsonValue:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _opaque(base.get(key), value) for key, value in over.items()}
    return copy.deepcopy(over)


def _object(base: JsonObject, over: JsonObject, path: str, field: str, errors: ErrorList) -> JsonObject:
    if field == "containers[]" and "$patch" in over:
        over = _patched(base, over, path, errors)
    result = {key: value for key, value in base.items() if key not in _replaced(over, field)}
    if field == "volumes[]" and over.keys() - {"name"}:
        result = {key: value for key, value in base.items() if key in over}  # a volume has one source
    for key, value in over.items():
        at = f"{path}[{key}]" if field in _MAPS or "/" in key or "." in key else f"{path}.{key}"
        if key.startswith("$"):
            errors.forbidden(at, "the only modifier is $patch: {args: append}, on a container of a v1beta1 component")
        elif field in _MAPS and reserved(key) and result.get(key) != value:
            errors.forbidden(at, "is managed by the controller and the operator")
        else:
            child = f"{field}[]" if field in (*_MAPS, "services") else _ATOMIC.get((field, key), key)
            laid = overlaid(result.get(key), value, at, child, errors)
            result |= {} if laid is None else {key: laid}
    return result


def _replaced(over: JsonObject, field: str) -> set[str]:
    """Return the fields that go because another one of which an object has one is written."""
    written = {name for name in _ONE_OF.get(field, ()) if over.get(name) is not None}
    return set(_ONE_OF.get(field, ())) - written if written else set()


def _list(base: list[JsonValue], over: list[JsonValue], path: str, field: str, errors: ErrorList) -> list[JsonValue]:
    if field not in _KEYS:
        entries = (overlaid(None, entry, f"{path}[{i}]", f"{field}[]", errors) for i, entry in enumerate(over))
        return [entry for entry in entries if entry is not None]
    result, seen = list(base), set[str]()
    for index, entry in enumerate(over):
        key = next((name for name in _KEYS[field] if isinstance(entry, dict) and name in entry), _KEYS[field][0])
        identity = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or isinstance(identity, (dict, list, bool)):
            errors.invalid(f"{path}[{index}]", entry, f"must be an object with a {key}")
        elif identity in (None, ""):
            errors.required(f"{path}[{index}].{key}", f"it identifies the entry of {field}")
        elif str(identity) in seen:
            errors.invalid(f"{path}[{index}].{key}", identity, "is set twice")
        else:
            seen.add(str(identity))
            there = named(base, identity, key)
            laid = overlaid(there, entry, f"{path}[{identity}]", f"{field}[]", errors)
            result = [laid if existing is there else existing for existing in result] if there else [*result, laid]
    return result


def _patched(base: JsonObject, over: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    """Carry out ``$patch: {args: append}``: return the entry with all the arguments."""
    rest = {key: value for key, value in over.items() if key not in ("$patch", "args")}
    patch, args, there = over["$patch"], over.get("args"), base.get("args")
    if patch != {"args": "append"}:
        errors.forbidden(f"{path}.$patch", "the only modifier is {args: append}")
    elif not base:
        errors.invalid(f"{path}.$patch", patch, "there is no container of this name to append to")
    elif not isinstance(there, list):
        errors.invalid(f"{path}.$patch", patch, "the container has no args to append to: write the whole command line")
    elif not isinstance(args, list) or not args or not all(isinstance(arg, str) and arg for arg in args):
        errors.invalid(f"{path}.args", args, "must be a list of strings, not empty, to be appended")
    else:
        return {**rest, "args": [*there, *args]}
    return rest
