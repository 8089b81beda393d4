"""What is added to the schema of a JobSpec: by path, and about several fields together.

The functions see what is right field by field, hence `Any`; null is absent.
"""

from collections.abc import Mapping
from typing import Any

from dgdr_api import syntax
from dgdr_api.error_list import ErrorList
from dgdr_api.job_spec.profiling_pod import (
    PROFILER,
    PROFILER_FIXED,
    PUBLISHER,
    PUBLISHER_FREE,
    VOLUMES_FIXED,
    VOLUMES_MOUNTED,
    is_ours,
)
from dgdr_api.job_spec.quantity import amount
from dgdr_api.schema import Schema
from dgdr_api.text import shown

_STARTED = "the controller sets how it starts"


def written(value: Any) -> dict[str, Any]:
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
    if len(written(source)) != 1:
        errors.invalid(f"{path}.valueFrom", source, "must specify exactly one source of the value")


def _volume(volume: Any, path: str, errors: ErrorList) -> None:
    sources = [name for name in written(volume) if name != "name"]
    for name in sources[1:]:
        errors.forbidden(f"{path}.{name}", "may not specify more than 1 volume type")


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
        for field in sorted(written(container).keys() & PROFILER_FIXED):
            errors.forbidden(f"{path}.{field}", _STARTED)
        for index, mount in enumerate(container.get("volumeMounts") or ()):
            if mount["name"] in VOLUMES_MOUNTED:
                errors.forbidden(f"{path}.volumeMounts[{index}].name", "the profiler reads it at a fixed path")
    else:
        detail = "a pod ends when all its containers do; write it into initContainers, with restartPolicy: Always"
        errors.forbidden(f"{path}.name", detail)


def _publisher(container: Any, path: str, errors: ErrorList) -> None:
    for field in sorted(written(container).keys() - PUBLISHER_FREE):
        errors.forbidden(f"{path}.{field}", f"only image and resources of {PUBLISHER} can be set; {_STARTED}")


def _resources(resources: Any, path: str, errors: ErrorList) -> None:
    limits = written(resources.get("limits"))
    for name, request in written(resources.get("requests")).items():
        if name not in limits:  # it may stand in the Job that this becomes a part of
            continue
        over = amount(request) - amount(limits[name])
        shared = not _is_device(name) and not name.startswith(_PAGES)
        if over > 0 or (over and not shared):
            order = "less than or equal" if shared else "equal"
            errors.invalid(f"{path}.requests[{name}]", request, f"must be {order} to {name} limit of {limits[name]}")


def _container_resources(resources: Any, path: str, errors: ErrorList) -> None:
    for group in ("limits", "requests"):
        for name, quantity in written(resources.get(group)).items():
            at, number = f"{path}.{group}[{name}]", amount(quantity)
            if "/" not in name and name not in _SHARED and not name.startswith(_PAGES):
                errors.invalid(at, name, "must be a standard resource for containers, or a device: vendor.com/device")
            elif _is_device(name) and number != number.to_integral_value():
                errors.invalid(at, quantity, "must be an integer")
    _resources(resources, path, errors)


_SHARED = ("cpu", "memory", "ephemeral-storage")
_PAGES = "hugepages-"


def _is_device(name: str) -> bool:
    """Say whether a resource is an extended one: it is given whole, and no more of it than asked for."""
    return "/" in name and "kubernetes.io/" not in name


_ONE_POD = "the profiling Job is one pod that writes one result"
_ONE: Schema = {"minimum": 1, "maximum": 1, "why": _ONE_POD}
_INDEXED: Schema = {"forbidden": f"only Indexed Jobs have it; {_ONE_POD}"}
_GENERATED: Schema = {"forbidden": "Kubernetes generates it"}
_LABELS: Schema = {"keys": syntax.label_name}
_LABELLED: Schema = {"syntax": syntax.label_value}
_SPEC = "template.spec"
_CONTAINER = f"{_SPEC}.containers[]"
RULES: Mapping[str, Schema] = {
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
