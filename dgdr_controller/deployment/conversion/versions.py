"""A DynamoGraphDeployment in v1beta1 and in v1alpha1: the same graph in two notations.

v1beta1 has a list of components, v1alpha1 a map of services (``services`` in this package says what each is in the
other). What one version cannot say is refused with the way out, never dropped.
Source: Dynamo's deploy/operator/api/v1alpha1/dynamographdeployment_conversion.go, which keeps the rest in annotations.
"""

import copy
from collections.abc import Iterator

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import InvalidRequestError
from dgdr_api.json_values import JsonObject
from dgdr_api.names import GROUP
from dgdr_controller.deployment.conversion.services import OBSOLETE, to_component, to_service
from dgdr_controller.deployment.fields import part

ALPHA = f"{GROUP}/v1alpha1"
BETA = f"{GROUP}/v1beta1"


class ConversionError(InvalidRequestError):
    """The graph holds something that the other version cannot say."""


_RENAMED = {"env": "envs"}
"""Fields of the graph's spec: v1beta1 and v1alpha1."""


def to_v1alpha1(manifest: JsonObject) -> JsonObject:
    """Return a v1beta1 graph in v1alpha1. Claims of compilation caches are declared, as v1alpha1 wants it.

    Raises:
        ConversionError: The graph holds what only v1beta1 can say.
    """
    errors = ErrorList()
    graph, spec = _opened(manifest, errors)
    services: JsonObject = {}
    for index, component in enumerate(errors.mappings(spec.pop("components", None), "spec.components")):
        name = component.pop("name", None)
        if isinstance(name, str):
            services[name] = to_service(component, f"spec.components[{name}]", errors)
        else:
            errors.required(f"spec.components[{index}].name")
    claims = sorted({str(mount["name"]) for mount in _mounts(services)})
    declared: JsonObject = {"pvcs": [{"name": name, "create": False} for name in claims]} if claims else {}
    renamed: JsonObject = {_RENAMED.get(name, name): value for name, value in spec.items()}
    errors.raise_as(ConversionError)
    return {**graph, "apiVersion": ALPHA, "spec": {**renamed, **declared, "services": services}}


def to_v1beta1(manifest: JsonObject) -> JsonObject:
    """Return a v1alpha1 graph in v1beta1. Fields without effect are left out; `obsolete` tells of them.

    Raises:
        ConversionError: The graph holds what only v1alpha1 can say, or something of a wrong type.
    """
    errors = ErrorList()
    graph, spec = _opened(manifest, errors)
    claims = set(_declared(spec.pop("pvcs", None), errors))
    components: list[JsonValue] = []
    for name, value in errors.mapping(spec.pop("services", None), "spec.services").items():
        path = f"spec.services.{name}"
        components.append({"name": name, **to_component(errors.mapping(value, path), claims, path, errors)})
    original = {alpha: beta for beta, alpha in _RENAMED.items()}
    renamed: JsonObject = {original.get(name, name): value for name, value in spec.items()}
    errors.raise_as(ConversionError)
    return {**graph, "apiVersion": BETA, "spec": {**renamed, "components": components}}


def obsolete(manifest: JsonObject) -> list[str]:
    """Return a sentence for each field of a v1alpha1 graph, or part of one, that is written and has no effect."""
    return [
        f"spec.services.{name}.{field}: {why}"
        for name, service in part(manifest, "spec", "services").items()
        if isinstance(service, dict)
        for field, why in OBSOLETE.items()
        if field in service
    ]


def _opened(manifest: JsonObject, errors: ErrorList) -> tuple[JsonObject, JsonObject]:
    """Return copies of the graph and of its spec, which may be changed."""
    graph = copy.deepcopy(manifest)
    return graph, errors.mapping(graph.get("spec"), "spec")


def _mounts(services: JsonObject) -> Iterator[JsonObject]:
    for service in services.values():
        mounts = service.get("volumeMounts") if isinstance(service, dict) else None
        yield from (mount for mount in mounts if isinstance(mount, dict)) if isinstance(mounts, list) else ()


def _declared(value: JsonValue, errors: ErrorList) -> Iterator[str]:
    """Yield the names of the claims that a graph declares; only existing ones can be carried over."""
    for index, claim in enumerate(errors.mappings(value, "spec.pvcs")):
        name = claim.get("name")
        if not isinstance(name, str):
            errors.required(f"spec.pvcs[{index}].name")
            continue
        if claim.get("create") is True:
            errors.forbidden(
                f"spec.pvcs[{name}].create",
                "v1beta1 creates no claims: create the PersistentVolumeClaim beforehand and leave create out",
            )
        yield name
