"""The pods of a deployment: what they mount, where they run, how large they are."""

from collections.abc import Iterator

from pydantic import JsonValue

from dgdr_api.defaults import Cache
from dgdr_api.dgd import (
    ClaimSource,
    Container,
    EnvFromSecret,
    EnvFromSource,
    EnvVar,
    PodMeta,
    PodSpec,
    PodTemplate,
    Volume,
    VolumeMount,
)
from dgdr_api.names import LABEL_POD
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import Settings

_CACHE = "model-cache"
_HF_HOME = "/tmp/huggingface"  # noqa: S108 - in a container of its own
_PRODUCT = "nvidia.com/gpu.product"
"""Label by which GPU Feature Discovery tells nodes apart."""


def token(settings: Settings) -> tuple[EnvFromSource, ...]:
    """Return the Hugging Face token, where there is one: public models need none."""
    return (EnvFromSource(secret_ref=EnvFromSecret(name=settings.hf_token_secret, optional=True)),)


def pod_template(
    container: Container, request: GraphRequest, *, volumes: tuple[Volume, ...] = (), on_gpus: bool = False
) -> PodTemplate:
    """Return a component's pod: its container, and what decides on its node."""
    products = request.hardware.products if on_gpus else ()
    return PodTemplate(
        metadata=PodMeta(labels={LABEL_POD: request.name}),
        spec=PodSpec(
            containers=(container,),
            volumes=volumes or None,
            affinity=_to_products(products) if products else None,
            tolerations=request.tolerations or None,
        ),
    )


def model_volumes(request: GraphRequest) -> tuple[Volume, ...]:
    """Return the volume of the model cache, where there is one."""
    cache = request.effective.model_cache
    if cache is None:
        return ()
    return (Volume(name=_CACHE, persistent_volume_claim=ClaimSource(claim_name=cache.pvc_name, read_only=True)),)


def with_model(container: Container, request: GraphRequest) -> Container:
    """Mount the model cache, where there is one."""
    cache = request.effective.model_cache
    if cache is None:
        return container
    mount = VolumeMount(name=_CACHE, mount_path=cache.mount_path, read_only=True)
    found_elsewhere = request.loads_from_cache or request.downloads
    env = [] if found_elsewhere else [EnvVar(name=n, value=v) for n, v in _hub(cache)]
    changes = {
        "volume_mounts": (*(container.volume_mounts or ()), mount),
        "env": (*(container.env or ()), *env) or None,
    }
    return container.model_copy(update=changes)


def _hub(cache: Cache) -> Iterator[tuple[str, str]]:
    """Yield where the hub's library finds a model by its id. Its own folder is elsewhere: the mount takes no locks."""
    yield "HF_HUB_CACHE", cache.mount_path
    yield "HF_HOME", _HF_HOME
    yield "HF_HUB_OFFLINE", "1"


def _to_products(products: tuple[str, ...]) -> dict[str, JsonValue]:
    """Return the affinity that keeps a pod to the nodes it was planned for."""
    values: list[JsonValue] = list(products)
    term: JsonValue = {"matchExpressions": [{"key": _PRODUCT, "operator": "In", "values": values}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
