"""The graph around the engines: components, images, GPUs, names.

Invariant, checked on every rendering: the GPUs of the graph are those of the candidate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from dgdr_api.candidate import Candidate, Parallelism, Role, Worker
from dgdr_api.defaults import Cache, effective
from dgdr_api.dgd import (
    GPU_RESOURCE,
    ClaimSource,
    Component,
    ComponentType,
    Container,
    DgdSpec,
    DynamoGraphDeployment,
    EnvFromSecret,
    EnvFromSource,
    EnvVar,
    PodMeta,
    PodSpec,
    PodTemplate,
    Resources,
    Volume,
    VolumeMount,
)
from dgdr_api.images import image_repository, image_tag
from dgdr_api.names import (
    ANNOTATION_CANDIDATE,
    ANNOTATION_UID,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_NAMESPACE,
    LABEL_POD,
    MANAGED_BY,
    dgd_name,
)
from dgdr_api.v1beta1 import Backend, DgdrSpec, ObjectMeta
from dgdr_controller.deployment.render import sglang, trtllm, vllm
from dgdr_controller.deployment.render.engine import Engine, EngineWorker
from dgdr_controller.settings import VERIFIED_DYNAMO_VERSION, Settings

ENGINES: dict[Backend, Engine] = {
    Backend.VLLM: vllm.ENGINE,
    Backend.SGLANG: sglang.ENGINE,
    Backend.TRTLLM: trtllm.ENGINE,
}

_COMPONENTS: dict[Role, tuple[str, ComponentType]] = {
    Role.AGGREGATED: ("worker", "worker"),
    Role.PREFILL: ("prefill", "prefill"),
    Role.DECODE: ("decode", "decode"),
}
"""Name and type of the component of each role."""
_CACHE = "model-cache"
_HF_HOME = "/tmp/huggingface"  # noqa: S108 - in a container of its own


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """What a rendering needs to know beside the candidate.

    Attributes:
        name: Name of the request.
        namespace: Namespace of the request, or None for the current one.
        uid: UID of the request, or None outside a cluster.
        model: What the engines load.
        served_name: Name under which clients ask for it.
        image: ``spec.image``, whose registry and tag the images share, or None for the settings' ones.
        runtime_version: ``spec.runtimeVersionOverride``.
        cache: ``spec.modelCache``, or None.
    """

    name: str
    namespace: str | None
    uid: str | None
    model: str
    served_name: str
    image: str | None
    runtime_version: str | None
    cache: Cache | None = None

    @classmethod
    def of(cls, spec: DgdrSpec, name: str, namespace: str | None, uid: str | None, model: str) -> "GraphRequest":
        """Return what a request says about its graph.

        Args:
            spec: Its spec.
            name: Its name.
            namespace: Its namespace.
            uid: Its UID.
            model: What the engines load, as the search found it.
        """
        version = spec.runtime_version_override
        return cls(name, namespace, uid, model, spec.model, spec.image, version, effective(spec).model_cache)

    @property
    def hub_cache(self) -> str | None:
        """Where the hub's library finds the model, when engines load it by its id from the model cache."""
        if self.cache is None or PurePosixPath(self.model).is_relative_to(self.cache.mount_path):
            return None
        return self.cache.mount_path


def unrenderable(candidate: Candidate, gpus_per_node: int) -> str | None:
    """Say why a candidate cannot be rendered, or None if it can."""
    engine = candidate.backend
    reasons = (unrenderable_worker(engine, each.role, each.parallelism, gpus_per_node) for each in candidate.workers)
    return next((reason for reason in reasons if reason), None)


def unrenderable_worker(backend: Backend, role: Role, shape: Parallelism, gpus_per_node: int) -> str | None:
    """Say why no worker of this shape can be rendered, or None if it can.

    What is rendered is tensor parallelism (of the experts too, in a mixture-of-experts model) and, aggregated,
    pipeline parallelism, within a node. That is what the flags of our tables express.
    """
    return next(_obstacles(backend, role, shape, gpus_per_node), None)


def _obstacles(backend: Backend, role: Role, shape: Parallelism, gpus_per_node: int) -> Iterator[str]:
    if shape.gpus > gpus_per_node:
        yield f"one {role} worker needs {shape.gpus} GPUs and a node has {gpus_per_node}"
    if shape.dp > 1:
        yield "attention data parallelism is not rendered yet"
    if shape.moe_ep > 1:
        yield "expert parallelism is not rendered yet"
    if shape.cp > 1:
        yield f"{backend} has no flag for context parallelism"
    if shape.moe_tp not in (1, shape.tp):
        yield "experts and attention have different tensor parallel sizes"
    if shape.pp > 1 and role is not Role.AGGREGATED and not ENGINES[backend].disaggregates_pipelines:
        yield f"{backend} cannot hand over the KV cache of a pipeline"


def render(candidate: Candidate, request: GraphRequest, settings: Settings) -> DynamoGraphDeployment:
    """Render the deployment of a candidate. The same inputs give the same object.

    Raises:
        ValueError: The graph would not have the candidate's GPUs, which means that our code is wrong.
    """
    engine = ENGINES[candidate.backend]
    image = _image(engine.image, request, settings)
    workers = [_worker(worker, candidate, engine, image, request, settings) for worker in candidate.workers]
    graph = DynamoGraphDeployment(
        metadata=ObjectMeta(
            name=dgd_name(request.name),
            namespace=request.namespace,
            labels={
                LABEL_NAME: request.name,
                **({LABEL_NAMESPACE: request.namespace} if request.namespace else {}),
                LABEL_MANAGED_BY: MANAGED_BY,
            },
            annotations={
                ANNOTATION_CANDIDATE: candidate.id,
                **({ANNOTATION_UID: request.uid} if request.uid else {}),
            },
        ),
        spec=DgdSpec(
            backend_framework=candidate.backend.value,
            components=(_frontend(image, request, settings), *workers),
        ),
    )
    if graph.gpus != candidate.gpus:
        raise ValueError(f"rendered {graph.gpus} GPUs for candidate {candidate.id} of {candidate.gpus}")
    return graph


def version_note(request: GraphRequest, settings: Settings) -> str | None:
    """Say where the images are not of the Dynamo release that the flags are for; None where they are."""
    tag = (image_tag(request.image) if request.image else settings.dynamo.version) or ""
    version = request.runtime_version or tag.removeprefix("v")
    if request.image is None and request.runtime_version not in (None, tag):
        return (
            f"spec.runtimeVersionOverride is {request.runtime_version}, but without spec.image the images are "
            f"{tag}: name an image of that version"
        )
    if version == VERIFIED_DYNAMO_VERSION:
        return None
    return f"The images are Dynamo {version}; the flags were checked against {VERIFIED_DYNAMO_VERSION}"


def _image(name: str, request: GraphRequest, settings: Settings) -> str:
    """Return the image of this name beside the request's own, or from the settings.

    A digest belongs to one image and cannot be shared: the tag is used, or the runtime version where there is none.
    """
    if request.image is None:
        return f"{settings.dynamo.registry}/{name}:{settings.dynamo.version}"
    repository = image_repository(request.image)
    tag = image_tag(request.image) or request.runtime_version
    return f"{repository}/{name}:{tag}" if repository else f"{name}:{tag}"


def _frontend(image: str, request: GraphRequest, settings: Settings) -> Component:
    container = Container(
        image=image,
        command=("python3", "-m", "dynamo.frontend"),
        args=(),
        env_from=_token(settings),
    )
    return _component("Frontend", "frontend", 1, container, request)


def _worker(
    worker: Worker, candidate: Candidate, engine: Engine, image: str, request: GraphRequest, settings: Settings
) -> Component:
    command_line = EngineWorker(
        model=request.model,
        served_name=request.served_name,
        role=worker.role,
        shape=worker.parallelism,
        batch=worker.batch,
        max_num_tokens=worker.max_num_tokens,
        context_length=candidate.context_length,
        kv_cache_dtype=worker.kv_cache_dtype,
    )
    container = Container(
        image=image,
        command=("python3", "-m", engine.module),
        args=tuple(engine.arguments(command_line)),
        env_from=_token(settings),
        resources=Resources(limits={GPU_RESOURCE: str(worker.parallelism.gpus)}),
    )
    name, kind = _COMPONENTS[worker.role]
    return _component(name, kind, worker.count * candidate.replicas, container, request)


def _component(name: str, kind: ComponentType, replicas: int, container: Container, request: GraphRequest) -> Component:
    return Component(
        name=name,
        type=kind,
        replicas=replicas,
        runtime_version_override=request.runtime_version,
        pod_template=PodTemplate(
            metadata=PodMeta(labels={LABEL_POD: request.name}),
            spec=PodSpec(containers=(_with_cache(container, request),), volumes=_volumes(request)),
        ),
    )


def _with_cache(container: Container, request: GraphRequest) -> Container:
    """Mount the model cache, read-only; its hub cache cannot take locks, so that the hub's home is elsewhere."""
    if request.cache is None:
        return container
    mount = VolumeMount(name=_CACHE, mount_path=request.cache.mount_path, read_only=True)
    place = {"HF_HUB_CACHE": request.hub_cache, "HF_HOME": _HF_HOME, "HF_HUB_OFFLINE": "1"}
    env = tuple(EnvVar(name=n, value=v) for n, v in place.items() if v) if request.hub_cache else None
    return container.model_copy(update={"volume_mounts": (mount,), "env": env})


def _volumes(request: GraphRequest) -> tuple[Volume, ...] | None:
    if request.cache is None:
        return None
    return (
        Volume(name=_CACHE, persistent_volume_claim=ClaimSource(claim_name=request.cache.pvc_name, read_only=True)),
    )


def _token(settings: Settings) -> tuple[EnvFromSource, ...]:
    """The Hugging Face token, where there is one: public models need none."""
    return (EnvFromSource(secret_ref=EnvFromSecret(name=settings.hf_token_secret, optional=True)),)
