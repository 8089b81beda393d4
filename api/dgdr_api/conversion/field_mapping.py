"""Which place of v1alpha1 stands for which field of v1beta1: one table.

Mapped is what Dynamo's conversion maps (its deploy/operator/api/v1alpha1/dynamographdeploymentrequest_conversion.go),
and what that drops although Dynamo's guides promise it: the quick start of 0.6.1 ("Profiling Methods", "Inline
Configuration") and the planner guide of 0.9. Keys of ``profilingConfig.config`` are read in snake_case, the spelling
of 0.6, and in camelCase, that of 0.9.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError

from dgdr_api.conversion.paths import ABSENT, Absent, Named, Path, get, shown
from dgdr_api.errors import InvalidRequestError
from dgdr_api.json_values import JsonObject, json_value
from dgdr_api.model import to_camel
from dgdr_api.v1beta1.spec import FeatureSetting, Milliseconds, PositiveInt

CONFIG: Path = ("profilingConfig", "config")
_POD: Path = ("overrides", "profilingJob", "template", "spec")


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """A field of v1beta1's spec, and where only v1alpha1 says it.

    Attributes:
        target: Path in a spec of v1beta1 (and in v1alpha1's flat form, which has the same fields).
        sources: Paths in a spec of v1alpha1; all mean the same.
        kind: Type of the value there.
        wanted: What the value must be, for a message.
        forward: From the value of v1alpha1 to that of v1beta1; `ABSENT`: it says nothing.
        backward: The other way.
    """

    target: Path
    sources: tuple[Path, ...]
    kind: TypeAdapter[object]
    wanted: str
    forward: Callable[[JsonValue], JsonValue | Absent] = lambda value: value
    backward: Callable[[JsonValue], JsonValue] = lambda value: value

    def fits(self, value: JsonValue) -> bool:
        """Say whether a value of v1alpha1 has the right type."""
        try:
            self.kind.validate_python(json_value(value), strict=True)
        except (ValidationError, InvalidRequestError):
            return False
        return True

    def read(self, only: JsonObject) -> JsonValue | Absent:
        """Return what v1alpha1's own fields say of the field of v1beta1; nothing where that is of a wrong type.

        Args:
            only: The fields of a spec that v1beta1 does not have.
        """
        source = self.speaking(only)
        return ABSENT if source is None else self.forward(json_value(_value(only, source)))

    def speaking(self, only: JsonObject) -> Path | None:
        """Return the source that `read` reads: the first one with a value that fits."""
        for source in self.sources:
            value = _value(only, source)
            if value is not None and value != "" and self.fits(value):
                return source
        return None


def _value(only: JsonObject, source: Path) -> JsonValue:
    """Return what stands at a source; null where nothing does, which says the same."""
    value = get(only, source)
    return None if value is ABSENT else value


def spelled(*path: str) -> tuple[Path, ...]:
    """Return a path of ``profilingConfig.config`` in the spellings of its last two keys: as it is, and camelCase."""
    *groups, key = path
    return tuple(dict.fromkeys((*CONFIG, *groups, name) for name in (key, to_camel(key))))


def _is_mocked(value: JsonValue) -> JsonValue:
    return value is True or (isinstance(value, dict) and value.get("enabled", True) is True)


_INT: TypeAdapter[object] = TypeAdapter(PositiveInt)
_MS: TypeAdapter[object] = TypeAdapter(Milliseconds)
_TEXT: TypeAdapter[object] = TypeAdapter(str)
_BOOL: TypeAdapter[object] = TypeAdapter(bool)
_TARGET = "a number of milliseconds above 0"
_TOKENS = "an integer of at least 1"


def _cache(*keys: str) -> tuple[Path, ...]:
    return tuple((*CONFIG, "deployment", group, key) for group in ("modelCache", "model_cache") for key in keys)


FIELD_MAPPINGS = (
    FieldMapping(("image",), (("profilingConfig", "profilerImage"),), _TEXT, "an image"),
    FieldMapping(
        ("features", "mocker"), (("useMocker",),), _BOOL, "true or false",
        forward=lambda value: True if value is True else ABSENT, backward=_is_mocked,
    ),
    FieldMapping(
        ("searchStrategy",), spelled("sweep", "use_ai_configurator"), _BOOL, "true or false",
        forward=lambda value: "rapid" if value is True else "thorough", backward=lambda value: value == "rapid",
    ),
    FieldMapping(("workload", "isl"), spelled("sla", "isl"), _INT, _TOKENS),
    FieldMapping(("workload", "osl"), spelled("sla", "osl"), _INT, _TOKENS),
    FieldMapping(("sla", "ttft"), spelled("sla", "ttft"), _MS, _TARGET),
    FieldMapping(("sla", "itl"), spelled("sla", "itl"), _MS, _TARGET),
    FieldMapping(
        ("sla", "optimizationType"), spelled("sla", "optimization_type"),
        TypeAdapter(Literal["hybrid", "latency", "throughput"]), "hybrid, latency or throughput",
    ),
    FieldMapping(
        ("modelCache", "pvcName"), _cache("pvcName", "pvc_name"), _TEXT, "the name of a PersistentVolumeClaim"
    ),
    FieldMapping(
        ("modelCache", "pvcModelPath"),
        _cache("modelPathInPvc", "pvcPath", "pvcModelPath", "model_path_in_pvc", "pvc_path"), _TEXT, "a path",
    ),
    FieldMapping(
        ("modelCache", "pvcMountPath"),
        _cache("pvcMountPath", "mountPath", "pvc_mount_path", "mount_path"), _TEXT, "a path",
    ),
    FieldMapping(
        ("hardware", "gpuSku"),
        (*spelled("hardware", "gpu_type"), *spelled("sweep", "aic_system"), (*CONFIG, "aic", "system")),
        _TEXT, "a GPU such as h200_sxm",
    ),
    FieldMapping(("hardware", "numGpusPerNode"), spelled("hardware", "num_gpus_per_node"), _INT, _TOKENS),
    FieldMapping(
        ("features", "planner"), ((*CONFIG, "planner"),),
        TypeAdapter(FeatureSetting), "true, false or an object",
    ),
    FieldMapping(
        (*_POD, "tolerations"), (("profilingConfig", "tolerations"),),
        TypeAdapter(list[dict[str, JsonValue]]), "a list of objects",
    ),
    FieldMapping(
        (*_POD, "nodeSelector"), (("profilingConfig", "nodeSelector"),),
        TypeAdapter(dict[str, str]), "an object of labels",
    ),
    FieldMapping(
        (*_POD, "containers", Named("profiler"), "resources"), (("profilingConfig", "resources"),),
        TypeAdapter(dict[str, JsonValue]), "an object",
    ),
)  # fmt: skip
"""Every such field. Where both forms speak, the flat one is kept, and admission refuses what contradicts it."""


def as_written(path: str, kept: JsonObject) -> str:
    """Return where v1alpha1 says what stands at a path of v1beta1; the path itself where it does not.

    Args:
        path: Path of an error, for example ``spec.hardware.gpuSku``.
        kept: What is kept of a spec of v1alpha1.
    """
    for mapping in FIELD_MAPPINGS:
        target = f"spec.{shown(mapping.target)}".replace("[profiler]", "[0]")  # errors number it, and there is one
        source = mapping.speaking(kept)
        if source is None or get(kept, mapping.target) is not ABSENT:  # who has written both is told of this one
            continue
        if path == target or path.startswith((f"{target}.", f"{target}[")):
            return f"spec.{shown(source)}{path.removeprefix(target)}"
    return path
