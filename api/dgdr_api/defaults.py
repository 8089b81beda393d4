"""What applies where a request is silent, and for each value whether the user wrote it.

`effective` is the one resolver: controller, plan, validation and the profiling Job's configuration all use it. Which
defaults apply depends on the version, and in v1alpha1 on the form, that the request was written in; they are never
mixed. Sources: Dynamo's CRD for v1beta1, the "API Overview" of its proposal "Dynamo Deployment Flow with DGDRs" for
v1alpha1's flat form, the profiler of Dynamo 0.9 for ``profilingConfig``.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from dgdr_api.conversion import Defaults
from dgdr_api.preserved import Preserved, as_far_as_known
from dgdr_api.v1beta1 import (
    Backend,
    DgdrSpec,
    DynamoGraphDeploymentRequest,
    Features,
    FeatureSetting,
    ModelCache,
    OptimizationType,
    SearchStrategy,
    Sla,
    Workload,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assumed:
    """What applies where nothing is written.

    Attributes:
        isl: Tokens.
        osl: Tokens.
        ttft: Target in ms.
        itl: Target in ms.
        planner: Whether the planner is on.
    """

    isl: int
    osl: int
    ttft: float
    itl: float
    planner: bool = False


ASSUMED = {
    Defaults.V1BETA1: Assumed(isl=4000, osl=1000, ttft=2000.0, itl=30.0),
    Defaults.V1ALPHA1: Assumed(isl=512, osl=128, ttft=100.0, itl=15.0),
    # The deployment includes the planner: Dynamo 0.6.1's quick start, "Relationship to DynamoGraphDeployment".
    Defaults.PROFILING: Assumed(isl=3000, osl=500, ttft=50.0, itl=10.0, planner=True),
}
DEFAULT_MOUNT_PATH = "/opt/model-cache"


@dataclass(frozen=True, slots=True)
class Value(Generic[T]):
    """A value that applies, and whether the user wrote it (a default target is a preference, no demand)."""

    value: T
    explicit: bool


@dataclass(frozen=True, slots=True)
class Cache:
    """Where the model's weights are on a PersistentVolumeClaim."""

    pvc_name: str
    model_path: str | None
    mount_path: str


@dataclass(frozen=True, slots=True)
class Effective:
    """A request with every default filled in.

    Attributes:
        ttft: Target in ms; None when a target for the whole request replaces it.
        itl: Target in ms; None likewise.
        e2e_latency: Target in ms; None unless the user wrote one.
    """

    model: str
    backend: Value[Backend]
    search_strategy: Value[SearchStrategy]
    auto_apply: Value[bool]
    isl: Value[int]
    osl: Value[int]
    ttft: Value[float] | None
    itl: Value[float] | None
    e2e_latency: Value[float] | None
    optimization_type: Value[OptimizationType]
    concurrency: float | None
    request_rate: float | None
    model_cache: Cache | None
    planner: bool
    kv_router: bool
    mocker: bool


def effective(request: DynamoGraphDeploymentRequest) -> Effective:
    """Resolve every default of a request."""
    return resolve(request.spec, as_far_as_known(request.metadata.annotations))


def resolve(spec: DgdrSpec, preserved: Preserved) -> Effective:
    """Resolve every default of a spec, with what v1alpha1 said beyond it."""
    assumed = ASSUMED[preserved.defaults]
    sla, workload, features = spec.sla or Sla(), spec.workload or Workload(), spec.features or Features()
    whole = sla.e2e_latency
    written = spec.model_fields_set
    return Effective(
        model=spec.model,
        backend=Value(spec.backend, "backend" in written),
        search_strategy=Value(spec.search_strategy, "search_strategy" in written),
        auto_apply=Value(spec.auto_apply, "auto_apply" in written),
        isl=_or_default(workload.isl, assumed.isl),
        osl=_or_default(workload.osl, assumed.osl),
        ttft=None if whole else _or_default(sla.ttft, assumed.ttft),
        itl=None if whole else _or_default(sla.itl, assumed.itl),
        e2e_latency=Value(whole, explicit=True) if whole else None,
        optimization_type=_or_default(sla.optimization_type, OptimizationType.HYBRID),
        concurrency=workload.concurrency,
        request_rate=workload.request_rate,
        model_cache=_cache(spec.model_cache),
        planner=assumed.planner if features.planner is None else is_enabled(features.planner),
        kv_router=is_enabled(features.kv_router),
        mocker=is_enabled(features.mocker),
    )


def is_enabled(setting: FeatureSetting) -> bool:
    """Say whether a feature is on: true, or an object that does not say ``enabled: false``."""
    if isinstance(setting, dict):
        return setting.get("enabled", True) is True
    return setting is True


def _or_default(value: T | None, default: T) -> Value[T]:
    return Value(default, explicit=False) if value is None else Value(value, explicit=True)


def _cache(cache: ModelCache | None) -> Cache | None:
    if cache is None or cache.pvc_name is None:
        return None
    return Cache(
        pvc_name=cache.pvc_name,
        model_path=cache.pvc_model_path or cache.pvc_path or cache.model_path_in_pvc,
        mount_path=cache.pvc_mount_path or cache.mount_path or DEFAULT_MOUNT_PATH,
    )
