"""The question that a search answers: a request with its hardware known and its defaults filled in."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from dgdr_api.conversion import kept_spec
from dgdr_api.conversion.validation import engine_gpus
from dgdr_api.defaults import Value, effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.gpus import UNKNOWN_SKU, Gpu, find_gpu, unknown_gpu
from dgdr_api.hardware import HardwareUsed
from dgdr_api.measurements import Measurements
from dgdr_api.options import SearchOptions, search_options
from dgdr_api.preserved import search_annotations
from dgdr_api.request_warnings import ConfigurationWarning, RequestWarning
from dgdr_api.results import Goal, RequestIdentity, Target
from dgdr_api.v1beta1 import Backend, DynamoGraphDeploymentRequest, Hardware, SearchStrategy
from dgdr_api.validation import warnings
from dgdr_controller.deployment.render.planner_config import holds_latencies
from dgdr_controller.deployment.render.releases import NEWEST, Release
from dgdr_controller.profiler.hardware import HardwareOptions, resolve_hardware
from dgdr_controller.profiler.model.cache import MountedCache
from dgdr_controller.profiler.model.memory import USABLE_VRAM
from dgdr_controller.validation.request import validate

_ONLY_ESTIMATES = "spec.searchStrategy is thorough: these are rapid estimates; only a cluster can measure"


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A request that is ready to be searched for.

    Attributes:
        identity: Name, namespace and spec, as written.
        model: Id of the model.
        backend: The backend, or auto.
        gpu: The GPU.
        hardware: Everything about the hardware, with sources.
        goal: Workload, targets, objective.
        planner_holds_latencies: Whether Dynamo's planner is to hold latencies, not only to follow the load.
        options: What is wanted of the search beyond the spec.
        cache: Its model cache, and where that can be looked into.
        warnings: What should be said about the request itself.
        release: The release of Dynamo whose engines run.
        measurements: What was measured at this site.
    """

    identity: RequestIdentity
    model: str
    backend: Backend
    gpu: Gpu
    hardware: HardwareUsed
    goal: Goal
    planner_holds_latencies: bool
    options: SearchOptions
    cache: MountedCache | None
    warnings: tuple[RequestWarning, ...]
    release: Release = NEWEST
    measurements: Measurements = field(default_factory=Measurements)

    @property
    def total_gpus(self) -> int:
        """The budget."""
        return self.hardware.total_gpus.value

    @property
    def gpus_per_node(self) -> int:
        """Number of GPUs per node."""
        return self.hardware.num_gpus_per_node.value

    @property
    def engine_gpus(self) -> tuple[int, int | None]:
        """Fewest and most GPUs of an engine; None: the budget."""
        return engine_gpus(kept_spec(dict(self.identity.annotations or {})))

    @property
    def vram_mib(self) -> int:
        """Memory of one GPU in MiB."""
        return self.hardware.vram_mib.value

    @property
    def usable_gib(self) -> float:
        """Memory of one GPU that an engine may use, in GiB."""
        return self.vram_mib / 1024 * USABLE_VRAM


def plan_request(
    request: DynamoGraphDeploymentRequest,
    hardware_options: HardwareOptions,
    cache_root: Path | None = None,
    options: SearchOptions | None = None,
    release: Release = NEWEST,
) -> PlanRequest:
    """Validate a request and resolve everything that a search needs, without a cluster.

    Args:
        request: The request.
        hardware_options: Hardware from the command line.
        cache_root: A folder that stands for the root of the model cache's claim.
        options: Options of the search from the command line; what they leave open the request's annotations say.
        release: The release of Dynamo whose engines run.

    Raises:
        InvalidRequestError: The request breaks a rule, asks for what cannot be planned, or lacks hardware.
    """
    if errors := validate(request):
        raise InvalidRequestError(errors)
    gpu, hardware, replaced = resolve_hardware(request.spec.hardware or Hardware(), hardware_options)
    if request.spec.search_strategy is SearchStrategy.THOROUGH:
        replaced = [*replaced, _ONLY_ESTIMATES]
    planned = replace(_plan_request(request, gpu, hardware, replaced, cache_root), release=release)
    return replace(planned, options=planned.options.replaced_by(options)) if options else planned


def request_in_cluster(
    request: DynamoGraphDeploymentRequest, hardware: HardwareUsed, release: Release = NEWEST
) -> PlanRequest:
    """Return the question for a request whose hardware the controller has resolved.

    Args:
        request: The request.
        hardware: The hardware.
        release: The release of Dynamo whose engines run.

    Raises:
        InvalidRequestError: The request breaks a rule, asks for what cannot be planned, or its GPU is unknown.
    """
    if errors := validate(request):
        raise InvalidRequestError(errors)
    gpu = find_gpu(hardware.gpu_sku) or _unknown(hardware)
    if gpu is None:
        raise InvalidRequestError([unknown_gpu("spec.hardware.gpuSku", hardware.gpu_sku)])
    cache = effective(request).model_cache
    planned = _plan_request(request, gpu, hardware, [], Path(cache.mount_path) if cache else None)
    return replace(planned, release=release)


def _unknown(hardware: HardwareUsed) -> Gpu | None:
    """Return a GPU that is not in the table as far as a plan by memory fit needs it."""
    if hardware.gpu_sku != UNKNOWN_SKU:
        return None
    return Gpu(UNKNOWN_SKU, hardware.vram_mib.value, hardware.num_gpus_per_node.value, "pcie")


def _plan_request(
    request: DynamoGraphDeploymentRequest,
    gpu: Gpu,
    hardware: HardwareUsed,
    replaced: list[str],
    cache_root: Path | None,
) -> PlanRequest:
    applied = effective(request)
    notes = [*warnings(request), *replaced]
    cache = applied.model_cache
    if cache is not None and cache_root is None:
        notes.append(
            f"spec.modelCache {cache.pvc_name} was not read: set --model-cache to a folder with its contents. Engines "
            "are written to load the model from it and to download nothing"
        )
    return PlanRequest(
        identity=RequestIdentity(
            name=request.metadata.name,
            namespace=request.metadata.namespace,
            annotations=search_annotations(request.metadata.annotations) or None,
            spec=request.spec,
        ),
        model=applied.model,
        backend=applied.backend.value,
        gpu=gpu,
        hardware=hardware,
        goal=Goal(
            isl=applied.isl.value,
            osl=applied.osl.value,
            ttft=_target(applied.ttft),
            itl=_target(applied.itl),
            e2e_latency=_target(applied.e2e_latency),
            objective=applied.optimization_type.value,
            concurrency=applied.concurrency,
            request_rate=applied.request_rate,
            autoscale=applied.planner,
        ),
        planner_holds_latencies=applied.planner and holds_latencies(request.spec, applied),
        options=search_options(request.metadata.annotations),
        cache=MountedCache(cache, cache_root) if cache is not None else None,
        warnings=tuple(ConfigurationWarning.note(note) for note in notes),
    )


def _target(value: Value[float] | None) -> Target | None:
    return None if value is None else Target(value=value.value, explicit=value.explicit)
