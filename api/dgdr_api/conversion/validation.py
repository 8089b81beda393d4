"""What is wrong, or has no effect, in the fields that only v1alpha1 has; paths are those of v1alpha1."""

from collections.abc import Iterator

from pydantic import JsonValue

from dgdr_api import syntax, text
from dgdr_api.conversion.field_mapping import CONFIG, FIELD_MAPPINGS, FieldMapping, spelled
from dgdr_api.conversion.paths import ABSENT, Path, get, shown
from dgdr_api.errors import FieldError
from dgdr_api.json_values import JsonObject
from dgdr_api.v1alpha1.spec import ONLY_HERE

FEWEST_GPUS, MOST_GPUS = (spelled("hardware", f"{which}_num_gpus_per_engine") for which in ("min", "max"))
"""Settings that v1beta1 has no field for, and that are read nevertheless."""

_OUTPUT_CLAIM: Path = ("profilingConfig", "outputPVC")
_KNOWN = frozenset((*FEWEST_GPUS, *MOST_GPUS, *(source for mapping in FIELD_MAPPINGS for source in mapping.sources)))
_BECAUSE = {
    **dict.fromkeys(
        (*spelled("sweep", "aic_backend_version"), (*CONFIG, "aic", "backend_version")),
        "the newest performance data is used",
    ),
    **dict.fromkeys(
        (
            *spelled("sweep", "prefill_interpolation_granularity"),
            *spelled("sweep", "decode_interpolation_granularity"),
        ),
        "estimates cost nothing, and the planner gets as many as Dynamo's own profiler measures",
    ),
}
"""Why documented settings have no effect."""
_SAME_AS = {
    **dict.fromkeys(spelled("engine", "backend"), "backend"),
    **dict.fromkeys(spelled("deployment", "model"), "model"),
    **dict.fromkeys(spelled("sweep", "aic_hf_id"), "model"),
    **dict.fromkeys(spelled("sweep", "aic_model_name"), "model"),
    **dict.fromkeys(spelled("sweep", "aic_backend"), "backend"),
}
"""Settings that can only repeat a field of the spec; they are worth a word where they do not."""


def validate_kept(kept: JsonObject) -> list[FieldError]:
    """Return what is wrong with what is kept of a spec of v1alpha1 beside its v1beta1, as far as it is told."""
    return text.at_most(_errors(kept), text.AND_MORE)


def _errors(kept: JsonObject) -> Iterator[FieldError]:
    only = {field: value for field, value in kept.items() if field in ONLY_HERE}
    for mapping in FIELD_MAPPINGS:
        yield from _of_one(mapping, only)
        written, alias_value = get(kept, mapping.target), mapping.read(only)
        source = mapping.speaking(only)
        if written is ABSENT or alias_value is ABSENT or source is None:
            continue
        if mapping.backward(written) != mapping.backward(alias_value):
            detail = f"spec.{shown(source)} is {text.shown(get(only, source))}; set only one of them"
            yield _invalid(mapping.target, written, detail)
    yield from _bounds(kept)
    claim = get(kept, _OUTPUT_CLAIM)
    if isinstance(claim, str) and claim and syntax.dns_subdomain(claim):
        yield _invalid(_OUTPUT_CLAIM, claim, "must be a DNS subdomain (RFC 1123)")


def engine_gpus(kept: JsonObject) -> tuple[int, int | None]:
    """Return between how many GPUs an engine is to have; None: as many as there are."""
    fewest, most = (_first_int(kept, path) for path in (FEWEST_GPUS, MOST_GPUS))
    return fewest or 1, most


def _first_int(kept: JsonObject, sources: tuple[Path, ...]) -> int | None:
    found = (get(kept, source) for source in sources)
    return next(
        (value for value in found if isinstance(value, int) and not isinstance(value, bool) and value > 0), None
    )


def _bounds(kept: JsonObject) -> Iterator[FieldError]:
    """Yield what is wrong with the bounds of an engine."""
    for source in (*FEWEST_GPUS, *MOST_GPUS):
        value = get(kept, source)
        if value is not ABSENT and value is not None and _first_int(kept, (source,)) is None:
            yield _invalid(source, value, "must be an integer of at least 1")
    fewest, most = engine_gpus(kept)
    if most is not None and fewest > most:
        yield _invalid(FEWEST_GPUS[0], fewest, f"must not be larger than the maximum, {most}")


def _of_one(mapping: FieldMapping, only: JsonObject) -> Iterator[FieldError]:
    """Yield what is wrong among the places that stand for one field."""
    first: tuple[Path, JsonValue] | None = None
    for source in mapping.sources:
        value = get(only, source)
        if value is ABSENT or value is None or value == "":
            continue
        if not mapping.fits(value):
            yield _invalid(source, value, f"must be {mapping.wanted}")
        elif first is None:
            first = source, value
        elif value != first[1]:
            other = text.shown(first[1])
            detail = f"is an alias of spec.{shown(first[0])}, which is {other}; set only one of them"
            yield _invalid(source, value, detail)


def _invalid(path: Path, value: object, detail: str) -> FieldError:
    return FieldError(f"spec.{shown(path)}", f"Invalid value: {text.shown(value)}", detail)


def without_effect(kept: JsonObject, spec: JsonObject) -> list[str]:
    """Return a sentence for each setting that v1alpha1 documents or a user made up, and that does nothing here.

    There are no more than anybody reads: the last one says so.

    Args:
        kept: What is kept of a spec of v1alpha1.
        spec: The spec in v1beta1.
    """
    more = f"spec.{shown(CONFIG)}: more settings here have no effect"
    return text.at_most(_without_effect(kept, spec), more)


def _without_effect(kept: JsonObject, spec: JsonObject) -> Iterator[str]:
    config = get(kept, CONFIG)
    for path, value in _leaves(config if isinstance(config, dict) else {}, CONFIG):
        if any(path[: len(known)] == known for known in _KNOWN):
            continue
        field, here = _SAME_AS.get(path), text.printable(f"spec.{shown(path)}")
        if field is None:
            reason = _BECAUSE.get(path)
            yield f"{here} has no effect{f': {reason}' if reason else ''}"
        elif value != spec.get(field):
            # The words of Dynamo 0.9's webhook.
            yield f"{here} ({text.quoted(value)}) will be overwritten by spec.{field} ({text.quoted(spec.get(field))})"
    if kept.get("enableGpuDiscovery") is False:
        yield "spec.enableGpuDiscovery has no effect: hardware that spec.hardware does not set is always discovered"


def _leaves(settings: JsonObject, path: Path) -> Iterator[tuple[Path, JsonValue]]:
    """Yield settings, those of a group one by one; a setting that is read may be an object itself."""
    for name, value in settings.items():
        here = (*path, name)
        if isinstance(value, dict) and here not in _KNOWN:
            yield from _leaves(value, here)
        else:
            yield here, value
