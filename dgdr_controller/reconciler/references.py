"""Which objects that others make a request names, for its profiling pod and for the pods of its deployment."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from dgdr_api.defaults import effective
from dgdr_api.job_spec import PATH as JOB
from dgdr_api.names import PROFILING_SERVICE_ACCOUNT
from dgdr_api.preserved import as_far_as_known
from dgdr_api.syntax import dns_subdomain
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.manifest import Manifest, inside
from dgdr_controller.profiling_job.run import pod_override_of
from dgdr_controller.reconciler.observed_state import ObjectName
from dgdr_controller.settings import Settings

CLAIM, ACCOUNT, SECRET, CONFIG_MAP = "PersistentVolumeClaim", "ServiceAccount", "Secret", "ConfigMap"

_GATED = ("meta-llama/",)
"""Publishers whose models are all gated on the hub, of those that the simulator knows: about other models it is asked
while the request is profiled."""
_HUB_VARIABLES = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"})
"""With one of these in the deployment the user has seen to the hub."""
_SOURCES = ("envFrom", "envFromSecret")
"""What these name may hold such a variable."""


class Use(Enum):
    """What an object is needed for."""

    MODEL_CACHE = auto()
    """The profiling pod and the deployment's mount it."""
    JOB = auto()
    """Without it the profiling pod does not start."""
    BASE = auto()
    """The plan is put into it."""
    DEPLOYMENT = auto()
    """Without it pods of the deployment do not start."""
    PULL = auto()
    """Images are pulled with it, if they are not public."""
    TOKEN = auto()
    """Engines download the model with it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in the request's namespace that something needs.

    Attributes:
        object: Which.
        path: Where it is named.
        use: What it is needed for.
    """

    object: ObjectName
    path: str
    use: Use


def references(request: DynamoGraphDeploymentRequest, settings: Settings) -> tuple[Reference, ...]:
    """Return what a request needs that neither the controller nor Dynamo makes; each object once for each use."""
    found: dict[tuple[ObjectName, Use], Reference] = {}
    for reference in _all(request, settings):
        if dns_subdomain(reference.object.name):
            continue  # nothing has such a name; validation or the API server refuses it
        found.setdefault((reference.object, reference.use), reference)
    return tuple(found.values())


def _all(request: DynamoGraphDeploymentRequest, settings: Settings) -> Iterator[Reference]:
    cache, base = effective(request).model_cache, as_far_as_known(request.metadata.annotations).base
    if cache is not None:
        yield Reference(ObjectName(CLAIM, cache.pvc_name), "spec.modelCache.pvcName", Use.MODEL_CACHE)
    if base is not None:
        yield Reference(ObjectName(CONFIG_MAP, base.name), "spec.profilingConfig.configMapRef", Use.BASE)
    job = pod_override_of(request)
    ensured = ObjectName(ACCOUNT, PROFILING_SERVICE_ACCOUNT)
    yield from (r for r in _of_pod(job, f"{JOB}.template.spec", Use.JOB) if r.object != ensured)
    for secret in settings.profiling.pull_secrets:
        yield Reference(ObjectName(SECRET, secret), "DGDR_PROFILING__PULL_SECRETS", Use.PULL)
    override = request.spec.overrides.dgd if request.spec.overrides else None
    for path, pod in _pods_of(override):
        yield from _of_pod(pod, f"spec.overrides.dgd.{path}", Use.DEPLOYMENT)
    for name, service in inside(override, "spec", "services").items():
        if secret := _name(inside({name: service}, name), "envFromSecret"):
            path = f"spec.overrides.dgd.spec.services.{name}.envFromSecret"
            yield Reference(ObjectName(SECRET, secret), path, Use.DEPLOYMENT)
    if cache is None and request.spec.model.startswith(_GATED) and not _sees_to_the_hub(override):
        yield Reference(ObjectName(SECRET, settings.hf_token_secret), "DGDR_HF_TOKEN_SECRET", Use.TOKEN)


def _pods_of(graph: Any) -> Iterator[tuple[str, Manifest]]:
    """Yield the pods of a deployment's components with their paths, in both of its versions."""
    spec = inside(graph, "spec")
    for component in _objects(spec.get("components")):
        yield f"spec.components[{component.get('name')}].podTemplate.spec", inside(component, "podTemplate", "spec")
    for name in inside(spec, "services"):
        yield f"spec.services.{name}.extraPodSpec", inside(spec, "services", name, "extraPodSpec")


def _of_pod(pod: Manifest, path: str, use: Use) -> Iterator[Reference]:
    """Yield what a pod does not start without, and the Secrets that its images are pulled with."""
    if account := _name(pod, "serviceAccountName"):
        yield Reference(ObjectName(ACCOUNT, account), f"{path}.serviceAccountName", use)
    for secret in _objects(pod.get("imagePullSecrets")):
        if name := _name(secret, "name"):
            yield Reference(ObjectName(SECRET, name), f"{path}.imagePullSecrets", Use.PULL)
    for volume in _objects(pod.get("volumes")):
        for reference in _of_volume(volume):
            yield Reference(reference, f"{path}.volumes[{volume.get('name')}]", use)
    for kind in ("containers", "initContainers"):
        for container in _objects(pod.get(kind)):
            for reference in _of_environment(container):
                yield Reference(reference, f"{path}.{kind}[{container.get('name')}]", use)


def _of_volume(volume: Manifest) -> Iterator[ObjectName]:
    if claim := _name(inside(volume, "persistentVolumeClaim"), "claimName"):
        yield ObjectName(CLAIM, claim)
    yield from _required(SECRET, inside(volume, "secret"), "secretName")
    yield from _required(CONFIG_MAP, inside(volume, "configMap"), "name")
    for source in _objects(inside(volume, "projected").get("sources")):
        yield from _required(SECRET, inside(source, "secret"), "name")
        yield from _required(CONFIG_MAP, inside(source, "configMap"), "name")


def _of_environment(container: Manifest) -> Iterator[ObjectName]:
    for variable in _objects(container.get("env")):
        yield from _required(SECRET, inside(variable, "valueFrom", "secretKeyRef"), "name")
        yield from _required(CONFIG_MAP, inside(variable, "valueFrom", "configMapKeyRef"), "name")
    for source in _objects(container.get("envFrom")):
        yield from _required(SECRET, inside(source, "secretRef"), "name")
        yield from _required(CONFIG_MAP, inside(source, "configMapRef"), "name")


def _required(kind: str, source: Manifest, field: str) -> Iterator[ObjectName]:
    name = _name(source, field)
    if name and source.get("optional") is not True:
        yield ObjectName(kind, name)


def _sees_to_the_hub(graph: Any) -> bool:
    """Say whether a deployment sets how the hub is reached; both versions have several lists of variables.

    Without recursion: how deep it is nested is the user's choice.
    """
    parts = [graph]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            variables = (_name(variable, "name") for name in ("env", "envs") for variable in _objects(part.get(name)))
            if any(part.get(name) for name in _SOURCES) or not _HUB_VARIABLES.isdisjoint(variables):
                return True
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return False


def _objects(value: Any) -> list[Manifest]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _name(value: Manifest, field: str) -> str:
    name = value.get(field)
    return name if isinstance(name, str) else ""
