"""One component of a v1beta1 graph and one service of a v1alpha1 graph: what each field of one is in the other.

v1alpha1 spreads the main container over fields of the service; the rest of it is ``extraPodSpec.mainContainer``, and
the rest of the pod ``extraPodSpec``. Where both say something, the main container wins; environment and mounts add up
(upstream's ``api/v1alpha1/shared_spec_conversion.go``). What stands in no table has the same name in both.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList
from dgdr_api.json_values import JsonObject
from dgdr_controller.deployment import quantities
from dgdr_controller.deployment.fields import named, part
from dgdr_controller.deployment.merging import overlaid

MAIN = "main"
"""Name of a component's own container; the operator wants it."""

_Convert = Callable[[JsonValue, str, ErrorList], JsonValue]
"""From a value and its path to the value in the other version; None: nothing is written there."""


def _same(value: JsonValue, _path: str, _errors: ErrorList) -> JsonValue:
    return value


def _memory(value: JsonValue, _path: str, _errors: ErrorList) -> JsonValue:
    return {"disabled": True} if value in ("0", 0) else {"size": value}


def _memory_size(value: JsonValue, path: str, errors: ErrorList) -> JsonValue:
    memory = errors.mapping(value, path)
    return "0" if memory.get("disabled") is True else memory.get("size")


def _switched_on(_value: JsonValue, _path: str, _errors: ErrorList) -> JsonValue:
    return {"enabled": True}


def _presence(value: JsonValue, path: str, errors: ErrorList) -> JsonValue:
    return {} if errors.mapping(value, path).get("enabled") is True else None


@dataclass(frozen=True, slots=True)
class _Pair:
    """A field of a v1alpha1 service and the field that means the same in v1beta1."""

    alpha: str
    beta: str
    down: _Convert = _same
    up: _Convert = _same


_COMPONENT = (
    _Pair("sharedMemory", "sharedMemorySize", _memory, _memory_size),
    _Pair("scalingAdapter", "scalingAdapter", _switched_on, _presence),
)
"""Fields of the service and of the component."""

_CONTAINER = (
    _Pair("envs", "env"),
    _Pair("resources", "resources", quantities.to_items, quantities.to_quantities),
    _Pair("livenessProbe", "livenessProbe"),
    _Pair("readinessProbe", "readinessProbe"),
)
"""Fields of the service and of the main container; its other fields stay in ``extraPodSpec.mainContainer``."""

_ROLES = ("prefill", "decode")
"""Types that v1alpha1 writes as workers of this ``subComponentType``."""

_POD_METADATA = ("labels", "annotations")
OBSOLETE = {
    "dynamoNamespace": "has no effect: the deployment's name and namespace are used instead",
    "autoscaling": "has no effect: scaling adapters and the planner replace it",
    "serviceName": "has no effect: the key of the service is its name",
}
"""Fields of a service that the operator reads no more, and what to tell the reader."""

_IN_BETA = "write it in nvidia.com/v1beta1"
_ALPHA_ONLY = {
    "ingress": "v1beta1 has no ingress: create an Ingress or HTTPRoute yourself",
    "frontendSidecar": f"{_IN_BETA}: a container of podTemplate.spec.containers, and frontendSidecar with its name",
    "gpuMemoryService": f"{_IN_BETA}: experimental.gpuMemoryService",
    "failover": f"{_IN_BETA}: experimental.failover",
    "checkpoint": f"{_IN_BETA}: experimental.checkpoint",
}
"""Fields of a service that are not carried over; switched off they mean nothing and may stand."""
_BETA_ONLY = ("experimental", "frontendSidecar")
"""Fields of a component that v1alpha1 has in another form, or not."""
_REBUILT = ("type", "compilationCache", "podTemplate", *(pair.beta for pair in _COMPONENT))
"""Fields of a component that become others."""
_GATHERED = (
    *("componentType", "subComponentType", "volumeMounts", "envFromSecret", "extraPodMetadata", "extraPodSpec"),
    *(pair.alpha for pair in (*_COMPONENT, *_CONTAINER)),
)
"""Fields of a service that become others."""


def to_service(component: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    """Return a component, without its name, as a service."""
    for field in _BETA_ONLY:
        if component.get(field) is not None:
            errors.forbidden(f"{path}.{field}", f"v1alpha1 cannot express it: {_IN_BETA}")
    rest = {key: value for key, value in component.items() if key not in (*_BETA_ONLY, *_REBUILT)}
    kind, cache = component.get("type"), component.get("compilationCache")
    service: JsonObject = {}
    if kind is not None:
        service = {"componentType": "worker", "subComponentType": kind} if kind in _ROLES else {"componentType": kind}
    if cache is not None:
        service["volumeMounts"] = [_cache_mount(errors.mapping(cache, f"{path}.compilationCache"))]
    for pair in _COMPONENT:
        if pair.beta in component:
            service[pair.alpha] = pair.down(component[pair.beta], f"{path}.{pair.beta}", errors)
    template = errors.mapping(component.get("podTemplate"), f"{path}.podTemplate")
    return {**service, **rest, **_spread(template, f"{path}.podTemplate", errors)}


def _spread(template: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    """Return a pod template as fields of a service."""
    metadata = errors.mapping(template.get("metadata"), f"{path}.metadata")
    for field in sorted(metadata.keys() - set(_POD_METADATA)):
        errors.forbidden(f"{path}.metadata.{field}", f"v1alpha1 has only labels and annotations of pods: {_IN_BETA}")
    fields: JsonObject = {"extraPodMetadata": metadata} if "metadata" in template else {}
    if "spec" not in template:
        return fields
    pod = errors.mapping(template["spec"], f"{path}.spec")
    containers = errors.mappings(pod.pop("containers", None), f"{path}.spec.containers")
    main = next((container for container in containers if container.get("name") == MAIN), {})
    others: list[JsonValue] = [container for container in containers if container is not main]
    main.pop("name", None)
    for pair in _CONTAINER:
        if pair.beta in main:
            at = f"{path}.spec.containers[{MAIN}].{pair.beta}"
            fields[pair.alpha] = pair.down(main.pop(pair.beta), at, errors)
    pod |= {"containers": others} if others else {}
    pod |= {"mainContainer": main} if main else {}
    return {**fields, "extraPodSpec": pod}


def _cache_mount(cache: JsonObject) -> JsonObject:
    converted: JsonObject = {"mountPoint": cache["mountPath"]} if "mountPath" in cache else {}
    return {"name": cache.get("pvcName"), **converted, "useAsCompilationCache": True}


def to_component(service: JsonObject, claims: set[str], path: str, errors: ErrorList) -> JsonObject:
    """Return a service as a component, without its name.

    Args:
        service: The service.
        claims: Names of the claims that the graph declares (``spec.pvcs``).
        path: Path of the service, for messages.
        errors: Takes what cannot be said, or is of a wrong type.
    """
    for field, way_out in _ALPHA_ONLY.items():
        value = service.get(field)
        if value is not None and (not isinstance(value, dict) or value.get("enabled", field == "frontendSidecar")):
            errors.forbidden(f"{path}.{field}", way_out)
    for field in _POD_METADATA:
        if service.get(field):
            errors.forbidden(f"{path}.{field}", f"v1beta1 supports pod metadata only: use extraPodMetadata.{field}")
    dropped = (*OBSOLETE, *_ALPHA_ONLY, *_POD_METADATA, *_GATHERED)
    rest = {key: value for key, value in service.items() if key not in dropped}
    component = _type(service, path, errors)
    for pair in _COMPONENT:
        value = pair.up(service.get(pair.alpha), f"{path}.{pair.alpha}", errors)
        component |= {} if value is None else {pair.beta: value}
    mounts = errors.mappings(service.get("volumeMounts"), f"{path}.volumeMounts")
    caches = [mount for mount in mounts if mount.get("useAsCompilationCache") is True]
    if len(caches) > 1:
        errors.forbidden(f"{path}.volumeMounts", "v1beta1 supports one compilation cache per component")
    component |= {"compilationCache": _cache(caches[0])} if caches else {}
    template = _gathered(service, [mount for mount in mounts if mount not in caches], claims, path, errors)
    return {**component, **rest, **({"podTemplate": template} if template else {})}


def _type(service: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    kind, role = service.get("componentType"), service.get("subComponentType")
    if role in _ROLES and kind in (None, "worker", role):
        return {"type": role}
    if role not in (None, ""):
        errors.invalid(f"{path}.subComponentType", role, 'must be "prefill" or "decode", of a componentType "worker"')
    return {} if kind is None else {"type": kind}


def _cache(mount: JsonObject) -> JsonObject:
    converted: JsonObject = {"mountPath": mount["mountPoint"]} if "mountPoint" in mount else {}
    return {"pvcName": mount.get("name"), **converted}


def _gathered(
    service: JsonObject, mounts: list[JsonObject], claims: set[str], path: str, errors: ErrorList
) -> JsonObject:
    """Return the fields of a service that make a pod template."""
    metadata = errors.mapping(service.get("extraPodMetadata"), f"{path}.extraPodMetadata")
    template: JsonObject = {"metadata": metadata} if service.get("extraPodMetadata") is not None else {}
    pod = errors.mapping(service.get("extraPodSpec"), f"{path}.extraPodSpec")
    own = errors.mapping(pod.pop("mainContainer", None), f"{path}.extraPodSpec.mainContainer")
    main: JsonObject = {"name": MAIN}
    for pair in _CONTAINER:
        if service.get(pair.alpha) is not None:
            main[pair.beta] = pair.up(service[pair.alpha], f"{path}.{pair.alpha}", errors)
    if mounts:
        main["volumeMounts"] = [_mount(mount, f"{path}.volumeMounts[{i}]", errors) for i, mount in enumerate(mounts)]
        pod["volumes"] = _with_claims(pod.get("volumes"), mounts, claims, path, errors)
    own.pop("name", None)
    main = errors.mapping(overlaid(main, own, f"{path}.extraPodSpec.mainContainer", "mainContainer", errors), path)
    main |= _with_secret(main.get("envFrom"), service.get("envFromSecret"), path, errors)
    if len(main) == 1 and service.get("extraPodSpec") is None:
        return template
    others = errors.items(pod.pop("containers", None), f"{path}.extraPodSpec.containers")
    return {**template, "spec": {"containers": [main, *others], **pod}}


def _mount(mount: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    for field in ("name", "mountPoint"):
        if not isinstance(mount.get(field), str):
            errors.required(f"{path}.{field}")
    return {"name": mount.get("name"), "mountPath": mount.get("mountPoint")}


def _with_claims(
    value: JsonValue, mounts: list[JsonObject], claims: set[str], path: str, errors: ErrorList
) -> list[JsonValue]:
    """Return the volumes of a pod and those of the claims that its service mounts, which bear the claim's name."""
    volumes = errors.items(value, f"{path}.extraPodSpec.volumes")
    for name in dict.fromkeys(str(mount.get("name")) for mount in mounts):
        claimed: JsonObject = {"name": name, "persistentVolumeClaim": {"claimName": name}}
        there = named(volumes, name)
        if there is None:
            volumes.append(claimed)
        elif name in claims and _claim(there) != name:
            errors.forbidden(
                f"{path}.volumeMounts",
                f'the pod has another volume "{name}": mount the claim through extraPodSpec, under another name',
            )
    return volumes


def _claim(volume: JsonObject) -> JsonValue:
    return part(volume, "persistentVolumeClaim").get("claimName")


def _with_secret(value: JsonValue, secret: JsonValue, path: str, errors: ErrorList) -> JsonObject:
    """Return the sources of the environment with this Secret, which must then exist."""
    if secret in (None, ""):
        return {}
    if not isinstance(secret, str):
        errors.invalid(f"{path}.envFromSecret", secret, "must be the name of a Secret")
    sources = errors.mappings(value, f"{path}.extraPodSpec.mainContainer.envFrom")
    wanted: JsonObject = {"secretRef": {"name": secret}}
    named_so = [source for source in sources if named([source.get("secretRef")], str(secret))]
    replaced: list[JsonValue] = [wanted if source in named_so else source for source in sources]
    return {"envFrom": replaced if named_so else [*replaced, wanted]}
