"""What applies where a request is silent, and for each value whether the user wrote it.

`effective` is the one resolver: controller, plan, validation and the profiling Job's configuration all use it.
Defaults of v1beta1: dynamo-api-facts §1.2 (isl 4000, osl 1000, ttft 2000 ms, itl 30 ms).
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from dgdr_api.v1beta1 import (
    Backend,
    DgdrSpec,
    Features,
    FeatureSetting,
    ModelCache,
    OptimizationType,
    SearchStrategy,
    Sla,
    Workload,
)

T = TypeVar("T")

DEFAULT_ISL = 4000
DEFAULT_OSL = 1000
DEFAULT_TTFT_MS = 2000.0
DEFAULT_ITL_MS = 30.0
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


def effective(spec: DgdrSpec) -> Effective:
    """Resolve every default of a v1beta1 spec."""
    sla, workload, features = spec.sla or Sla(), spec.workload or Workload(), spec.features or Features()
    whole = sla.e2e_latency
    written = spec.model_fields_set
    return Effective(
        model=spec.model,
        backend=Value(spec.backend, "backend" in written),
        search_strategy=Value(spec.search_strategy, "search_strategy" in written),
        auto_apply=Value(spec.auto_apply, "auto_apply" in written),
        isl=_or_default(workload.isl, DEFAULT_ISL),
        osl=_or_default(workload.osl, DEFAULT_OSL),
        ttft=None if whole else _or_default(sla.ttft, DEFAULT_TTFT_MS),
        itl=None if whole else _or_default(sla.itl, DEFAULT_ITL_MS),
        e2e_latency=Value(whole, explicit=True) if whole else None,
        optimization_type=_or_default(sla.optimization_type, OptimizationType.HYBRID),
        concurrency=workload.concurrency,
        request_rate=workload.request_rate,
        model_cache=_cache(spec.model_cache),
        planner=is_enabled(features.planner),
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
