"""Resources of containers: the names of GPUs, v1alpha1's own form of a resource list, how many GPUs a graph takes.

v1alpha1 writes ``{cpu, memory, gpu, gpuType, custom}``, each a string; ``gpu`` is a number of ``gpuType``, which is
``nvidia.com/gpu`` when absent, and ``custom`` holds every other name (upstream ``api/v1alpha1/common.go``).
"""

import re
from collections.abc import Iterator
from typing import cast

from pydantic import JsonValue

from dgdr_api import dgd
from dgdr_api.dgd import GPU_RESOURCE
from dgdr_api.error_list import ErrorList
from dgdr_api.json_values import JsonObject

GPU_RESOURCES = (*dgd.GPU_RESOURCES.values(), "gpu.intel.com/i915")
"""Names of the extended resources of which one is one whole GPU."""

_OWN_FIELDS = ("cpu", "memory")
_LISTS = ("limits", "requests")
_WHOLE = re.compile("[0-9]{1,9}")
_DEFAULT_NODES = 2
"""What an absent ``multinode.nodeCount`` means, in both versions."""


def to_items(value: JsonValue, path: str, errors: ErrorList) -> JsonValue:
    """Turn the resources of a container into those of a v1alpha1 service.

    A GPU of another vendor becomes ``gpu`` and ``gpuType``, so that an override of ``gpu`` changes it.
    """
    resources = errors.mapping(value, path)
    return resources | {name: _item(resources[name], f"{path}.{name}", errors) for name in _LISTS if name in resources}


def to_quantities(value: JsonValue, path: str, errors: ErrorList) -> JsonValue:
    """Turn the resources of a v1alpha1 service into those of a container."""
    resources = errors.mapping(value, path)
    return resources | {name: _list(resources[name], f"{path}.{name}", errors) for name in _LISTS if name in resources}


def _item(value: JsonValue, path: str, errors: ErrorList) -> JsonObject:
    quantities = {
        name: _text(quantity, f"{path}[{name}]", errors) for name, quantity in errors.mapping(value, path).items()
    }
    item: JsonObject = {name: quantities.pop(name) for name in _OWN_FIELDS if name in quantities}
    gpu = next((name for name in GPU_RESOURCES if name in quantities), None)
    if gpu is not None:
        item["gpu"] = quantities.pop(gpu)
        item |= {} if gpu == GPU_RESOURCE else {"gpuType": gpu}
    return item | ({"custom": cast("JsonValue", quantities)} if quantities else {})


def _list(value: JsonValue, path: str, errors: ErrorList) -> JsonObject:
    item = errors.mapping(value, path)
    gpu = str(item.pop("gpuType", None) or GPU_RESOURCE)
    custom = errors.mapping(item.pop("custom", None), f"{path}.custom")
    named: JsonObject = {
        gpu if name == "gpu" else name: _text(quantity, f"{path}.{name}", errors) for name, quantity in item.items()
    }
    return named | {name: _text(quantity, f"{path}.custom[{name}]", errors) for name, quantity in custom.items()}


def _text(value: JsonValue, path: str, errors: ErrorList) -> str:
    """Return a quantity as the string that v1alpha1 wants, and that v1beta1 takes."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        errors.invalid(path, value, 'must be a quantity such as "1", "500m" or "8Gi"')
    return str(value)


def gpus_of(manifest: JsonObject) -> int:
    """Return how many GPUs a v1beta1 graph takes: the sum of replicas × nodes × GPUs of a pod.

    Raises:
        ValueError: Something that must be a number is none; `overrides.dgd.merge` refuses such a graph.
    """
    errors = ErrorList()
    total = count(manifest, errors)
    if errors.errors:
        raise ValueError("; ".join(str(error) for error in errors.errors))
    return total


def count(manifest: JsonObject, errors: ErrorList) -> int:
    """Return how many GPUs a v1beta1 graph takes, and note every number in it that is none."""
    spec = errors.mapping(manifest.get("spec"), "spec")
    return sum(
        _component(component, f"spec.components[{component.get('name')}]", errors)
        for component in errors.mappings(spec.get("components"), "spec.components")
    )


def _component(component: JsonObject, path: str, errors: ErrorList) -> int:
    replicas = _number(component.get("replicas", 1), f"{path}.replicas", errors)
    nodes = 1
    if component.get("multinode") is not None:
        multinode = errors.mapping(component["multinode"], f"{path}.multinode")
        nodes = _number(multinode.get("nodeCount", _DEFAULT_NODES), f"{path}.multinode.nodeCount", errors)
    return replicas * nodes * _pod(component, f"{path}.podTemplate", errors)


def _pod(component: JsonObject, path: str, errors: ErrorList) -> int:
    """Return the GPUs of one pod: those of its containers, or of the hungriest that runs before them."""
    template = errors.mapping(component.get("podTemplate"), path)
    spec = errors.mapping(template.get("spec"), f"{path}.spec")
    running, before = (
        [_container(container, f"{path}.spec.{kind}[{container.get('name')}]", errors) for container in found]
        for kind in ("containers", "initContainers")
        for found in [errors.mappings(spec.get(kind), f"{path}.spec.{kind}")]
    )
    return max(sum(running), *before, 0)


def _container(container: JsonObject, path: str, errors: ErrorList) -> int:
    resources = errors.mapping(container.get("resources"), f"{path}.resources")
    written: JsonObject = {}
    for name in ("requests", "limits"):  # they are equal where both are written: limits last
        written |= errors.mapping(resources.get(name), f"{path}.resources.{name}")
    names: Iterator[str] = (name for name in GPU_RESOURCES if name in written)
    return sum(_number(written[name], f"{path}.resources.limits[{name}]", errors) for name in names)


def _number(value: JsonValue, path: str, errors: ErrorList) -> int:
    number = whole_number(value)
    if number is None:
        errors.invalid(path, value, "must be a whole number, 0 or more")
    return number or 0


def whole_number(value: JsonValue) -> int | None:
    """Return a count that is written as a number or as a string; None when it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None
