"""What a rendering needs to know beside the candidate."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pydantic import JsonValue

from dgdr_api.curves import WorkerCurve
from dgdr_api.defaults import Effective, resolve
from dgdr_api.dgd import GPU_RESOURCES
from dgdr_api.gpus import find_gpu
from dgdr_api.hardware import HardwareUsed
from dgdr_api.names import LABEL_MANAGED_BY, LABEL_NAME, LABEL_NAMESPACE, MANAGED_BY
from dgdr_api.preserved import Preserved
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import DgdrSpec
from dgdr_controller.deployment.render.families import needs_own_code
from dgdr_controller.manifest import Manifest, inside
from dgdr_controller.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest:
    """A request for a deployment.

    Attributes:
        name: Name of the request.
        namespace: Namespace of the request, or None for the current one.
        uid: UID of the request, or None outside a cluster.
        spec: What is asked for.
        model: What the engines load, as the search found it: an id of the hub or a path.
        facts: What the search found out about the model.
        hardware: The hardware that it was planned for.
        preserved: What v1alpha1 says beyond the spec.
        base: The user's own deployment, which the plan is put into, or None.
        keeps_image: Whether the image stays although its release is not supported.
        curves: How fast workers are at other loads, as far as that was asked for.
    """

    name: str
    namespace: str | None
    uid: str | None
    spec: DgdrSpec
    model: str
    hardware: HardwareUsed
    curves: tuple[WorkerCurve, ...] = ()
    preserved: Preserved = field(default_factory=Preserved)
    base: Manifest | None = None
    facts: ModelFacts = field(default_factory=ModelFacts)
    keeps_image: bool = False

    @property
    def effective(self) -> Effective:
        """The spec with every default filled in."""
        return resolve(self.spec, self.preserved)

    @property
    def gpu_resource(self) -> str:
        """Extended resource by which pods ask for GPUs; of an unknown SKU NVIDIA's."""
        gpu = find_gpu(self.hardware.gpu_sku)
        return GPU_RESOURCES[gpu.vendor if gpu else "nvidia"]

    @property
    def loads_from_cache(self) -> bool:
        """Whether engines load a folder of the model cache, not an id of the hub."""
        cache = self.effective.model_cache
        return cache is not None and PurePosixPath(self.model).is_relative_to(cache.mount_path)

    @property
    def downloads(self) -> bool:
        """Whether engines get the model from the hub although there is a model cache: it does not hold it."""
        return self.facts.in_cache is False

    def trusts_code(self, settings: Settings) -> bool:
        """Say whether engines may run code that the model brings along.

        What the request says counts. Where it says nothing, code that the model needs is trusted out of the request's
        own model cache, and from elsewhere if the installation allows it.
        """
        written = self.spec.overrides.trust_remote_code if self.spec.overrides else None
        if written is not None:
            return written
        return needs_own_code(self.facts) and (bool(self.facts.in_cache) or settings.dynamo.trust_remote_code)

    @property
    def tolerations(self) -> tuple[dict[str, JsonValue], ...]:
        """Tolerations of the profiling Job: a deployment goes to the same nodes."""
        job = (self.spec.overrides.profiling_job or {}) if self.spec.overrides else {}
        found = inside(job, "template", "spec").get("tolerations")
        return (
            tuple(toleration for toleration in found if isinstance(toleration, dict)) if isinstance(found, list) else ()
        )


def owner_labels(request: GraphRequest) -> dict[str, str]:
    """Return the labels by which an object that was made for a request is found."""
    namespace = {LABEL_NAMESPACE: request.namespace} if request.namespace else {}
    return {LABEL_NAME: request.name, **namespace, LABEL_MANAGED_BY: MANAGED_BY}
