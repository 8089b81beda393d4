"""``spec.overrides.dgd``: a part of a DynamoGraphDeployment, laid over the one that was rendered.

The override is merged in the version that it is written in; the result is always v1beta1. Without ``apiVersion`` and
``kind`` it is the older form with v1alpha1's services. Rules as in Dynamo's
deploy/operator/internal/dgdoverride/override.go, which drops some of what it does not take, where this one refuses it.
"""

import copy
import difflib
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject
from dgdr_api.names import DGD_KIND, MAX_GRAPH_AND_COMPONENT, dgd_name, is_service_name
from dgdr_controller.deployment.conversion.services import MAIN
from dgdr_controller.deployment.conversion.versions import (
    ALPHA,
    BETA,
    ConversionError,
    obsolete,
    to_v1alpha1,
    to_v1beta1,
)
from dgdr_controller.deployment.fields import part
from dgdr_controller.deployment.merging import NOT_NULL, overlaid
from dgdr_controller.deployment.overrides.targets import Topology, replacement, target
from dgdr_controller.deployment.quantities import gpus_of

__all__ = ["Merged", "OverrideError", "check", "deprecations", "gpus_of", "merge", "validate_name"]

PATH = "spec.overrides.dgd"
"""Where the override stands in a request."""

_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec")
_MAIN = f"podTemplate.spec.containers[{MAIN}]"
_ELSEWHERE: dict[str, dict[str, str]] = {
    BETA: {
        "componentType": "type",
        "subComponentType": "type",
        "extraPodSpec": "podTemplate.spec",
        "extraPodMetadata": "podTemplate.metadata",
        "envs": f"{_MAIN}.env",
        "envFromSecret": f"{_MAIN}.envFrom",
        "sharedMemory": "sharedMemorySize",
        **{name: f"{_MAIN}.{name}" for name in ("resources", "volumeMounts", "livenessProbe", "readinessProbe")},
    },
    ALPHA: {
        "type": "componentType",
        "podTemplate": "extraPodSpec",
        "sharedMemorySize": "sharedMemory.size",
        "compilationCache": "volumeMounts, with useAsCompilationCache",
    },
}
"""Fields of a component or service that only the other version has, and what stands for them in this one."""
_ELSEWHERE_IN_SPEC: dict[str, dict[str, str]] = {
    BETA: {"services": "components", "envs": "env", "pvcs": "podTemplate.spec.volumes of a component"},
    ALPHA: {"components": f"services, or apiVersion: {BETA} and kind: {DGD_KIND}", "env": "envs"},
}
"""The same for the graph's spec."""
_APPENDING = ("worker", "prefill", "decode")
"""Types of service to whose arguments v1alpha1 adds those of the override."""


class OverrideError(InvalidRequestError):
    """An override that cannot be laid over this deployment."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A deployment with its override.

    Attributes:
        graph: The deployment, v1beta1.
        warnings: A sentence for each thing that was done otherwise than it was written.
    """

    graph: JsonObject
    warnings: tuple[str, ...] = ()


def merge(graph: JsonObject, override: JsonObject) -> Merged:
    """Lay an override over a deployment.

    Args:
        graph: The rendered deployment, v1beta1. It is not changed.
        override: ``spec.overrides.dgd``. It is not changed.

    Raises:
        OverrideError: Everything that is wrong with the override, with paths that begin with ``spec.overrides.dgd``.
    """
    errors, warnings = ErrorList(), list[str]()
    version = _version(override, errors)
    result = copy.deepcopy(graph)
    result["metadata"] = _metadata(result, override, errors)
    spec = errors.mapping(override.get("spec"), f"{PATH}.spec")
    if spec and version is not None:
        result = _MERGES[version](result, spec, errors, warnings)
    errors.raise_as(OverrideError)
    return Merged(result, tuple(warnings))


def check(override: JsonObject, request_name: str, namespace: str | None = None) -> list[FieldError]:
    """Return what is wrong with an override before anybody knows the deployment; empty when nothing is.

    It is laid over a skeleton with every component that a deployment may have.

    Args:
        override: ``spec.overrides.dgd``.
        request_name: Name of the request.
        namespace: Namespace of the request; None: the current one.
    """
    try:
        merge(_skeleton(request_name, namespace), override)
    except OverrideError as error:
        return error.errors
    return []


def deprecations(override: JsonObject) -> list[str]:
    """Return a sentence for each older component name in an override, for a warning at admission."""
    written = [(f"services.{name}", name) for name in part(override, "spec", "services")]
    components = ErrorList().mappings(part(override, "spec").get("components"), "")
    written += [
        (f"components[{name}]", name) for component in components if isinstance(name := component.get("name"), str)
    ]
    return [
        f'{PATH}.spec.{path}: override target "{name}" is deprecated; use {instead}'
        for path, name in written
        if (instead := replacement(name))
    ]


def validate_name(graph: JsonObject, path: str) -> list[FieldError]:
    """Return what is wrong with the name of a deployment, given those of its components.

    The operator's gang scheduler bounds the sum of both.
    """
    name = str(part(graph, "metadata").get("name"))
    longest = max(Topology.of(graph).types, key=len, default="")
    errors = ErrorList()
    if not is_service_name(name):
        errors.invalid(
            path, name, "must start with a lower-case letter and hold only lower-case letters, digits and '-'"
        )
    elif len(name) + len(longest) > MAX_GRAPH_AND_COMPONENT:
        room = MAX_GRAPH_AND_COMPONENT - len(longest)
        errors.invalid(path, name, f'must have at most {room} characters beside the component "{longest}"')
    return errors.errors


def _skeleton(request_name: str, namespace: str | None) -> JsonObject:
    types = {"Frontend": "frontend", "worker": "worker", "prefill": "prefill", "decode": "decode", "Planner": "planner"}
    main: JsonObject = {"name": MAIN, "command": [], "args": []}
    components: list[JsonValue] = [
        {"name": name, "type": kind, "podTemplate": {"spec": {"containers": [main]}}} for name, kind in types.items()
    ]
    metadata: JsonObject = {"name": dgd_name(request_name), **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": BETA, "kind": DGD_KIND, "metadata": metadata, "spec": {"components": components}}


def _version(override: JsonObject, errors: ErrorList) -> str | None:
    """Return the version that an override is written in; None, and a fault, when it is none that we know."""
    for field in sorted(override.keys() - set(_TOP_LEVEL)):
        if field == "status":
            errors.forbidden(f"{PATH}.status", "the operator writes it")
        else:
            close = difflib.get_close_matches(field, _TOP_LEVEL, n=1)
            hint = f'did you mean "{close[0]}"?' if close else "put changes into metadata and spec"
            errors.errors.append(FieldError(f"{PATH}.{field}", "Unknown field", hint))
    for field in _TOP_LEVEL:
        if field in override and override[field] is None:
            errors.forbidden(f"{PATH}.{field}", NOT_NULL)
    version, kind = override.get("apiVersion"), override.get("kind")
    if not override.keys() & {"apiVersion", "kind"}:
        return ALPHA
    for field, value, known in (("apiVersion", version, (BETA, ALPHA)), ("kind", kind, (DGD_KIND,))):
        if field not in override:
            errors.required(f"{PATH}.{field}", f"apiVersion and kind must be {' or '.join(known)}")
        elif value is not None and value not in known:
            errors.invalid(f"{PATH}.{field}", value, f"must be {' or '.join(known)}")
    return version if isinstance(version, str) and version in (ALPHA, BETA) else None


def _metadata(graph: JsonObject, override: JsonObject, errors: ErrorList) -> JsonObject:
    """Return the metadata of the deployment with that of the override: name, labels, annotations."""
    path, there = f"{PATH}.metadata", errors.mapping(graph.get("metadata"), "metadata")
    requested = errors.mapping(override.get("metadata"), path)
    for field in sorted(requested.keys() - {"name", "namespace", "labels", "annotations"}):
        errors.forbidden(f"{path}.{field}", "only name, labels and annotations of the deployment can be set")
    if "namespace" in requested and requested.pop("namespace") != there.get("namespace"):
        errors.forbidden(f"{path}.namespace", "the deployment is created in the namespace of the request")
    wanted: JsonObject = {field: requested[field] for field in ("name", "labels", "annotations") if field in requested}
    metadata = errors.mapping(overlaid(there, wanted, path, "metadata", errors), path)
    if metadata.get("name") != there.get("name"):
        errors.errors += validate_name({**graph, "metadata": metadata}, f"{path}.name")
    return metadata


def _in_v1beta1(graph: JsonObject, spec: JsonObject, errors: ErrorList, warnings: list[str]) -> JsonObject:
    path, topology = f"{PATH}.spec", Topology.of(graph)
    _refuse_foreign(spec, _ELSEWHERE_IN_SPEC[BETA], BETA, path, errors)
    wanted = dict(spec)
    if isinstance(components := spec.get("components"), list):
        wanted["components"] = _resolved_components(components, topology, errors, warnings)
    return {**graph, "spec": overlaid(graph["spec"], wanted, path, "graph", errors)}


def _resolved_components(
    components: list[JsonValue], topology: Topology, errors: ErrorList, warnings: list[str]
) -> list[JsonValue]:
    """Return the components of an override under the names that they have in the graph."""
    resolved: list[JsonValue] = []
    for component in components:
        name = component.get("name") if isinstance(component, dict) else None
        if not isinstance(component, dict) or not isinstance(name, str) or not name:
            resolved.append(component)  # the walk over the list says what is wrong
            continue
        path = f"{PATH}.spec.components[{name}]"
        _refuse_foreign(component, _ELSEWHERE[BETA], BETA, path, errors)
        found = target(name, topology, path, errors, warnings)
        resolved += [{**component, "name": found}] if found else []
    return resolved


def _in_v1alpha1(graph: JsonObject, spec: JsonObject, errors: ErrorList, warnings: list[str]) -> JsonObject:
    path, topology = f"{PATH}.spec", Topology.of(graph)
    _refuse_foreign(spec, _ELSEWHERE_IN_SPEC[ALPHA], ALPHA, path, errors)
    try:
        base = to_v1alpha1(graph)
    except ConversionError as error:
        reasons = "; ".join(str(field_error) for field_error in error.errors)
        errors.forbidden(f"{PATH}.apiVersion", f"write the override in {BETA}: the deployment needs it ({reasons})")
        return graph
    there = errors.mapping(base["spec"], "spec")
    wanted = dict(spec)
    if isinstance(services := spec.get("services"), dict):
        generated = errors.mapping(there.get("services"), "spec.services")
        wanted["services"] = _resolved_services(services, generated, topology, errors, warnings)
    warnings += [f"{PATH}.{sentence}" for sentence in obsolete({"spec": spec})]
    try:
        return to_v1beta1({**base, "spec": overlaid(there, wanted, path, "graph", errors)})
    except ConversionError as error:
        errors.extend(error.errors, f"{PATH}.")
        return graph


def _resolved_services(
    services: JsonObject, generated: JsonObject, topology: Topology, errors: ErrorList, warnings: list[str]
) -> JsonObject:
    """Return the services of an override under the names that they have in the graph, arguments complete."""
    resolved: JsonObject = {}
    for name, service in services.items():
        path = f"{PATH}.spec.services.{name}"
        found = target(name, topology, path, errors, warnings)
        if found is None:
            continue
        if found in resolved:
            errors.invalid(path, name, f'"{found}" is set twice, once under this name')
            continue
        if isinstance(service, dict):
            _refuse_foreign(service, _ELSEWHERE[ALPHA], ALPHA, path, errors)
        appends = topology.types[found] in _APPENDING
        resolved[found] = _appended(generated.get(found), service) if appends else service
    return resolved


def _appended(base: JsonValue, service: JsonValue) -> JsonValue:
    """Return a service whose arguments begin with those that the worker has: v1alpha1's older contract."""
    ours, requested = (part(side, "extraPodSpec", "mainContainer").get("args") for side in (base, service))
    if (
        not isinstance(ours, list)
        or not isinstance(requested, list)
        or not all(isinstance(arg, str) for arg in requested)
    ):
        return service
    pod = part(service, "extraPodSpec")
    main: JsonObject = {**part(pod, "mainContainer"), "args": [*ours, *requested]}
    return {**part(service), "extraPodSpec": {**pod, "mainContainer": main}}


def _refuse_foreign(
    requested: JsonObject, elsewhere: dict[str, str], version: str, path: str, errors: ErrorList
) -> None:
    """Refuse fields of the other version, which the API server would drop without a word."""
    for field in requested.keys() & elsewhere.keys():
        hint = f"{version} has no such field; write {elsewhere[field]}"
        errors.errors.append(FieldError(f"{path}.{field}", "Unknown field", hint))


_MERGES: dict[str, Callable[[JsonObject, JsonObject, ErrorList, list[str]], JsonObject]] = {
    ALPHA: _in_v1alpha1,
    BETA: _in_v1beta1,
}
