"""``spec.overrides.profilingJob``: what is wrong with a part of a batch/v1 JobSpec, before anything is made of it.

`job_spec.json` says which fields there are; `_RULES` below adds what Kubernetes checks in code (``ValidateJobSpec`` and
``ValidatePodSpec``) and what a profiling Job cannot be. A part is judged by itself: what only the whole Job can break,
such as a mount without its volume, the API server finds when the Job is tried there.
"""

import functools
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from dgdr_api import schema, syntax
from dgdr_api.error_list import ErrorList, LimitReachedError
from dgdr_api.errors import FieldError
from dgdr_api.schema import Schema
from dgdr_api.text import MAX_REPORTED, did_you_mean, shown

PROFILER = "profiler"
PUBLISHER = "output-copier"
"""The containers of a profiling pod; the publisher is an init container that runs beside the other one."""
PROFILER_FIXED = frozenset({"command", "args"})
"""Fields of the profiler that stay ours."""
PUBLISHER_FREE = frozenset({"name", "image", "resources"})
"""Fields of the publisher that do not."""
VOLUMES_FIXED = frozenset({"input", "tmp", "output-copier-kube-api-access"})
"""Volumes that stay as they are; that of the results may come from elsewhere. Programs start in tmp."""
VOLUMES_MOUNTED = frozenset({"input", "profiling-output"})
"""Volumes that are mounted into the profiler where it looks for them."""

PATH = "spec.overrides.profilingJob"
"""Where the part of a JobSpec stands in a request."""


def validate(job: JsonValue, path: str = PATH) -> list[FieldError]:
    """Return everything by which a value is no part of a profiling Job's JobSpec; empty when nothing is wrong.

    What the whole Job must have may be absent; null is absent, as the API server reads it. Fields that are wrong
    together (a toleration's value beside ``Exists``) are named once each of them is right by itself.

    Args:
        job: Any value.
        path: Where it stands; the paths of the errors begin with it.

    Returns:
        At most `MAX_REPORTED` errors, in the order of the document.
    """
    errors = ErrorList(limit=MAX_REPORTED)
    try:
        if job is not None:
            _read(job, _prepared(), path, errors)
    except LimitReachedError:
        pass
    return errors.errors


# Quantities.

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:(?P<unit>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,4}))?"
)
"""Kubernetes' grammar; the schema's pattern also takes ``1e1.5``, which no API server does."""
_UNITS = {unit: Decimal(1000) ** power for power, unit in enumerate("num kMGTPE", -3)} | {
    f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)
}
_LONGEST_QUANTITY = 100
"""Nothing has more digits; Kubernetes rounds them away."""
_BITS = 63
"""An integer of more is a float to the API server."""
_NO_QUANTITY = 'must be a quantity such as "500m", "1" or "8Gi"'


def _amount(quantity: int | str) -> Decimal:
    """Return how much a quantity is.

    Raises:
        ValueError: It is no quantity.
    """
    if isinstance(quantity, int) and quantity.bit_length() <= _BITS:
        return Decimal(quantity)
    text = quantity if isinstance(quantity, str) and len(quantity) <= _LONGEST_QUANTITY else ""
    matched = _QUANTITY.fullmatch(text)
    if matched is None:
        raise ValueError(_NO_QUANTITY)
    number, unit, exponent = matched.group("number", "unit", "exponent")
    return Decimal(f"{number}e{exponent}") if exponent else Decimal(number) * _UNITS[unit or " "]


# Rules about several fields. They see what is right field by field, hence `Any`; null is absent.


def _written(value: Any) -> dict[str, Any]:
    """Return the fields of an object that are not null; none of an object that is absent."""
    return {name: content for name, content in (value or {}).items() if content is not None}


def _toleration(toleration: Any, path: str, errors: ErrorList) -> None:
    exists = toleration.get("operator") == "Exists"
    key, value = toleration.get("key"), toleration.get("value")
    if not key and not exists:
        detail = 'must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.invalid(f"{path}.operator", toleration.get("operator") or "", detail)
    if value and exists:
        errors.invalid(f"{path}.value", value, "must be empty when `operator` is 'Exists'")
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        detail = "must be 'NoExecute' when `tolerationSeconds` is set"
        errors.invalid(f"{path}.effect", toleration.get("effect") or "", detail)


def _variable(variable: Any, path: str, errors: ErrorList) -> None:
    source = variable.get("valueFrom")
    if source is None:
        return
    if variable.get("value"):
        errors.invalid(f"{path}.valueFrom", source, "may not be specified when `value` is not empty")
    if len(_written(source)) != 1:
        errors.invalid(f"{path}.valueFrom", source, "must specify exactly one source of the value")


def _volume(volume: Any, path: str, errors: ErrorList) -> None:
    sources = [name for name in _written(volume) if name != "name"]
    for name in sources[1:]:
        errors.forbidden(f"{path}.{name}", "may not specify more than 1 volume type")


def is_ours(label: str) -> bool:
    """Say whether a label of a profiling pod is what the controller, or NVIDIA's operator, finds it by."""
    return bool(_OUR_LABELS.fullmatch(label))


_OUR_LABELS = re.compile(r"app|dgdr|dgdr\.nvidia\.com/.*|nvidia\.com/(managed-by|dgdr-name)")
_STARTED = "the controller sets how it starts"


def _suspend(suspend: Any, path: str, errors: ErrorList) -> None:
    if suspend:
        errors.forbidden(path, "a suspended Job has no pod: the request would wait forever")


def _pod_labels(labels: Any, path: str, errors: ErrorList) -> None:
    for name in filter(is_ours, labels):
        errors.forbidden(f"{path}[{name}]", "the controller finds its pods by this label")


def _pod(pod: Any, path: str, errors: ErrorList) -> None:
    containers, others = pod.get("containers") or (), pod.get("initContainers") or ()
    for index, container in enumerate(containers):
        _container(container, f"{path}.containers[{index}]", errors)
    names = {container["name"] for container in containers}
    for index, container in enumerate(others):
        at = f"{path}.initContainers[{index}]"
        if container["name"] in names:
            errors.add(f"{at}.name", f"Duplicate value: {shown(container['name'])}")
        elif container["name"] == PROFILER:
            errors.forbidden(f"{at}.name", "the profiler must be in containers, not in initContainers")
        elif container["name"] == PUBLISHER:
            _publisher(container, at, errors)
    for index, volume in enumerate(pod.get("volumes") or ()):
        if volume["name"] in VOLUMES_FIXED:
            errors.forbidden(f"{path}.volumes[{index}].name", "this volume is the controller's")


def _container(container: Any, path: str, errors: ErrorList) -> None:
    if container["name"] == PUBLISHER:
        _publisher(container, path, errors)
    elif container["name"] == PROFILER:
        for field in sorted(_written(container).keys() & PROFILER_FIXED):
            errors.forbidden(f"{path}.{field}", _STARTED)
        for index, mount in enumerate(container.get("volumeMounts") or ()):
            if mount["name"] in VOLUMES_MOUNTED:
                errors.forbidden(f"{path}.volumeMounts[{index}].name", "the profiler reads it at a fixed path")
    else:
        detail = "a pod ends when all its containers do; write it into initContainers, with restartPolicy: Always"
        errors.forbidden(f"{path}.name", detail)


def _publisher(container: Any, path: str, errors: ErrorList) -> None:
    for field in sorted(_written(container).keys() - PUBLISHER_FREE):
        errors.forbidden(f"{path}.{field}", f"only image and resources of {PUBLISHER} can be set; {_STARTED}")


def _resources(resources: Any, path: str, errors: ErrorList) -> None:
    limits = _written(resources.get("limits"))
    for name, request in _written(resources.get("requests")).items():
        if name not in limits:  # it may stand in the Job that this becomes a part of
            continue
        over = _amount(request) - _amount(limits[name])
        shared = not _is_device(name) and not name.startswith(_PAGES)
        if over > 0 or (over and not shared):
            order = "less than or equal" if shared else "equal"
            errors.invalid(f"{path}.requests[{name}]", request, f"must be {order} to {name} limit of {limits[name]}")


def _container_resources(resources: Any, path: str, errors: ErrorList) -> None:
    for group in ("limits", "requests"):
        for name, quantity in _written(resources.get(group)).items():
            at, amount = f"{path}.{group}[{name}]", _amount(quantity)
            if "/" not in name and name not in _SHARED and not name.startswith(_PAGES):
                errors.invalid(at, name, "must be a standard resource for containers, or a device: vendor.com/device")
            elif _is_device(name) and amount != amount.to_integral_value():
                errors.invalid(at, quantity, "must be an integer")
    _resources(resources, path, errors)


_SHARED = ("cpu", "memory", "ephemeral-storage")
_PAGES = "hugepages-"


def _is_device(name: str) -> bool:
    """Say whether a resource is an extended one: it is given whole, and no more of it than asked for."""
    return "/" in name and "kubernetes.io/" not in name


# The schema.

_ONE_POD = "the profiling Job is one pod that writes one result"
_ONE: Schema = {"minimum": 1, "maximum": 1, "why": _ONE_POD}
_INDEXED: Schema = {"forbidden": f"only Indexed Jobs have it; {_ONE_POD}"}
_GENERATED: Schema = {"forbidden": "Kubernetes generates it"}
_LABELS: Schema = {"keys": syntax.label_name}
_LABELLED: Schema = {"syntax": syntax.label_value}
_SPEC = "template.spec"
_CONTAINER = f"{_SPEC}.containers[]"
_RULES: Mapping[str, Schema] = {
    "activeDeadlineSeconds": {"minimum": 1},
    "backoffLimit": {"minimum": 0},
    "backoffLimitPerIndex": _INDEXED,
    "completionMode": {"enum": ["NonIndexed"], "why": _ONE_POD},
    "completions": _ONE,
    "managedBy": {
        "enum": ["kubernetes.io/job-controller"],
        "why": "Kubernetes does not run a Job that another controller manages",
    },
    "manualSelector": _GENERATED,
    "maxFailedIndexes": _INDEXED,
    "parallelism": _ONE,
    "podReplacementPolicy": {"enum": ["Failed"], "why": "two pods must not write one result"},
    "selector": _GENERATED,
    "successPolicy": _INDEXED,
    "suspend": {"rule": _suspend},
    "ttlSecondsAfterFinished": {"minimum": 0},
    "template.metadata.labels": _LABELS | {"rule": _pod_labels},
    _SPEC: {"rule": _pod},
    f"{_SPEC}.activeDeadlineSeconds": {"minimum": 1},
    f"{_SPEC}.priorityClassName": {"syntax": syntax.dns_subdomain},
    f"{_SPEC}.resources": {"rule": _resources},
    f"{_SPEC}.restartPolicy": {"enum": ["Never"], "why": "the Job creates a new pod for each try"},
    f"{_SPEC}.runtimeClassName": {"syntax": syntax.dns_subdomain},
    f"{_SPEC}.serviceAccount": {"forbidden": "use serviceAccountName instead"},
    f"{_SPEC}.serviceAccountName": {"syntax": syntax.dns_subdomain},
    f"{_SPEC}.tolerations[]": {"rule": _toleration},
    f"{_SPEC}.tolerations[].key": {"syntax": syntax.label_name},
    f"{_SPEC}.tolerations[].operator": {"enum": ["Equal", "Exists"]},  # the others need a feature gate
    f"{_SPEC}.tolerations[].value": _LABELLED,
    f"{_SPEC}.volumes[]": {"rule": _volume},
    f"{_SPEC}.volumes[].name": {"syntax": syntax.dns_label},
    f"{_CONTAINER}.env[]": {"rule": _variable},
    f"{_CONTAINER}.env[].name": {"syntax": syntax.variable_name},
    f"{_CONTAINER}.name": {"syntax": syntax.dns_label},
    f"{_CONTAINER}.resources": {"rule": _container_resources},
    # wherever they stand
    "*.annotations": {"keys": syntax.annotation_name},
    "*.labels": _LABELS,
    "*.labels{}": _LABELLED,
    "*.matchLabels": _LABELS,
    "*.matchLabels{}": _LABELLED,
    "*.nodeSelector": _LABELS,
    "*.nodeSelector{}": _LABELLED,
}
"""What is added to the schema, by path: bounds, the values that a profiling Job takes (of those that Kubernetes knows)
and why, the syntax of texts and keys, and one rule for what several fields must be together. What holds for containers
holds for init containers."""


@functools.cache
def _prepared() -> Schema:
    return _prepare(schema.job_spec(), "")


def _prepare(node: Schema, path: str) -> Schema:
    """Return a schema with its own rules and those of everything below; each knows how it is read."""
    node = node | _RULES.get(path, _RULES.get(f"*.{path.rpartition('.')[2]}", {}))
    kind = "quantity" if "pattern" in node else node.get("type", "int-or-string")
    node["read"] = _READERS[kind]
    prefix = f"{path}." if path else ""
    fields = node.get("properties", {})
    node["properties"] = {name: _prepare(field, f"{prefix}{_SAME.get(name, name)}") for name, field in fields.items()}
    for below, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if below in node:
            node[below] = _prepare(node[below], f"{path}{sign}")
    return node


_SAME = {"initContainers": "containers"}


def _read(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if "forbidden" in node:
        errors.forbidden(path, node["forbidden"])
        return
    before = len(errors.errors)
    node["read"](value, node, path, errors)
    if "rule" in node and len(errors.errors) == before:
        node["rule"](value, path, errors)


def _object(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, dict):
        errors.invalid(path, value, "must be an object")
        return
    if "additionalProperties" in node:
        _map(value, node, path, errors)
        return
    known = node["properties"]
    for name, content in value.items():
        if name not in known:
            errors.add(f"{path}.{name}", "Unknown field", did_you_mean(name, known))
        elif content is not None:
            _read(content, known[name], f"{path}.{name}", errors)
    for name in node.get("required", ()):
        member = value.get(name)
        if member is None or (member == "" and name != "value"):  # of an HTTP header or a sysctl
            errors.add(f"{path}.{name}", "Required value")


def _map(value: dict[str, JsonValue], node: Schema, path: str, errors: ErrorList) -> None:
    for key, content in value.items():
        at = f"{path}[{key}]"
        if "keys" in node and (fault := node["keys"](key)):
            errors.invalid(at, key, fault)
        if content is not None:
            _read(content, node["additionalProperties"], at, errors)


def _list(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, list):
        errors.invalid(path, value, "must be a list")
        return
    keys = node.get("x-kubernetes-list-map-keys", ())
    distinct = bool(keys) or node["x-kubernetes-list-type"] == "set"
    seen = set[tuple[JsonValue, ...]]()
    for index, item in enumerate(value):
        at, before = f"{path}[{index}]", len(errors.errors)
        _read(item, node["items"], at, errors)
        if not distinct or len(errors.errors) > before:  # what is wrong in itself is the same as nothing
            continue
        key = _key(item, keys, node["items"]) if isinstance(item, dict) else (item,)
        if key in seen:
            twice = shown(key[0] if len(key) == 1 else list(key))
            errors.add(f"{at}.{keys[0]}" if len(keys) == 1 else at, f"Duplicate value: {twice}")
        seen.add(key)


def _key(item: dict[str, JsonValue], names: list[str], node: Schema) -> tuple[JsonValue, ...]:
    """Return what an item is told apart by: the values of these fields, their defaults where they are not written."""
    defaults = {name: node["properties"][name].get("default") for name in names}
    return tuple((defaults | _written(item))[name] for name in names)


def _text(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, str):
        errors.invalid(path, value, "must be a string")
    elif "enum" in node and value not in node["enum"]:
        values = ", ".join(f'"{allowed}"' for allowed in node["enum"])
        errors.add(path, f"Unsupported value: {shown(value)}", f"supported values: {values}{_why(node)}")
    elif value and "syntax" in node and (fault := node["syntax"](value)):
        errors.invalid(path, value, fault)


def _why(node: Schema) -> str:
    return f" ({node['why']})" if "why" in node else ""


def _integer(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    bits = 64 if node.get("format") == "int64" else 32
    if isinstance(value, bool) or not isinstance(value, int):
        errors.invalid(path, value, "must be an integer")
    elif not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        errors.invalid(path, value, f"must be an integer of {bits} bits")
    elif value < node.get("minimum", value):
        errors.invalid(path, value, f"must be greater than or equal to {node['minimum']}{_why(node)}")
    elif value > node.get("maximum", value):
        errors.invalid(path, value, f"must be less than or equal to {node['maximum']}{_why(node)}")


def _flag(value: JsonValue, _: Schema, path: str, errors: ErrorList) -> None:
    if not isinstance(value, bool):
        errors.invalid(path, value, "must be true or false")


def _integer_or_text(value: JsonValue, node: Schema, path: str, errors: ErrorList) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        _integer(value, node, path, errors)
    elif not isinstance(value, str):
        errors.invalid(path, value, "must be an integer or a string")


def _quantity(value: JsonValue, _: Schema, path: str, errors: ErrorList) -> None:
    try:
        amount = _amount(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        amount = None
    if amount is None:
        quoted = "; quote a number with a fraction" if isinstance(value, float) else ""
        errors.invalid(path, value, f"{_NO_QUANTITY}{quoted}")
    elif amount < 0:
        errors.invalid(path, value, "must be greater than or equal to 0")


_READERS: Mapping[str, Callable[[JsonValue, Schema, str, ErrorList], None]] = {
    "object": _object,
    "array": _list,
    "string": _text,
    "integer": _integer,
    "boolean": _flag,
    "int-or-string": _integer_or_text,
    "quantity": _quantity,
}
