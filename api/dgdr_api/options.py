"""Options of the search that the API has no field for: annotations of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from dgdr_api.candidate import KvCacheDtype
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import (
    ANNOTATION_CONTEXT_LENGTH,
    ANNOTATION_KEEP_IMAGE,
    ANNOTATION_KV_CACHE_DTYPE,
    ANNOTATION_MEASURING_GPU_HOURS,
    ANNOTATION_MEASURING_MINUTES,
    ANNOTATION_PROFILER,
    ANNOTATION_SPECULATIVE,
)
from dgdr_api.text import shown

MOST_DRAFT_TOKENS = 8
"""Tokens of one draft: no engine's own recipes have more."""
MOST_MINUTES, MOST_GPU_HOURS = 10_080, 100_000
"""Of a thorough search: a week, and more than anybody has."""
_COUNTS = {
    ANNOTATION_CONTEXT_LENGTH: 2**31 - 1,
    ANNOTATION_SPECULATIVE: MOST_DRAFT_TOKENS,
    ANNOTATION_MEASURING_MINUTES: MOST_MINUTES,
    ANNOTATION_MEASURING_GPU_HOURS: MOST_GPU_HOURS,
}
"""Annotations that are numbers, and the largest value of each."""
_IMAGE = "image"
"""Value of the annotation that has ``spec.image`` profile."""
OPTIONS = (*_COUNTS, ANNOTATION_KV_CACHE_DTYPE, ANNOTATION_KEEP_IMAGE, ANNOTATION_PROFILER)
"""The annotations: results of a search with other values are not used."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is wanted of a search beyond the spec.

    Attributes:
        context_length: The longest sequence in tokens that engines are started for; None: as much as fits.
        draft_tokens: Tokens that a model's own layers draft in each step (multi-token prediction); None: no speculative
            decoding.
        kv_cache_dtype: Number format of the KV cache; None: the one that the simulator assumes for the checkpoint.
        measuring_minutes: How long a thorough search may measure; None: as long as its Job may run.
        measuring_gpu_hours: GPU hours that the deployments may take which a thorough search measures; None: those of
            the installation's settings.
    """

    context_length: int | None = None
    draft_tokens: int | None = None
    kv_cache_dtype: KvCacheDtype | None = None
    measuring_minutes: int | None = None
    measuring_gpu_hours: int | None = None

    def replaced_by(self, options: "SearchOptions") -> "SearchOptions":
        """Return these options but those that others set."""
        set_there = {field.name: value for field in fields(options) if (value := getattr(options, field.name))}
        return replace(self, **set_there)


def search_options(annotations: Mapping[str, str] | None) -> SearchOptions:
    """Read the options of a request.

    Raises:
        InvalidRequestError: A value is not one that the annotation may have.
    """
    written = annotations or {}
    counts = {name: _count(name, written[name]) for name in _COUNTS if name in written}
    dtype = _dtype(written[ANNOTATION_KV_CACHE_DTYPE]) if ANNOTATION_KV_CACHE_DTYPE in written else None
    kept = _one_of(ANNOTATION_KEEP_IMAGE, written, "true", "false")
    profiler = _one_of(ANNOTATION_PROFILER, written, _IMAGE)
    if errors := [value for value in (*counts.values(), dtype, kept, profiler) if isinstance(value, FieldError)]:
        raise InvalidRequestError(errors)
    numbers = {name: value for name, value in counts.items() if isinstance(value, int)}
    return SearchOptions(
        context_length=numbers.get(ANNOTATION_CONTEXT_LENGTH),
        draft_tokens=numbers.get(ANNOTATION_SPECULATIVE),
        kv_cache_dtype=dtype if isinstance(dtype, KvCacheDtype) else None,
        measuring_minutes=numbers.get(ANNOTATION_MEASURING_MINUTES),
        measuring_gpu_hours=numbers.get(ANNOTATION_MEASURING_GPU_HOURS),
    )


def keeps_image(annotations: Mapping[str, str] | None) -> bool:
    """Say whether the images stay those of ``spec.image`` although their release is not supported."""
    return (annotations or {}).get(ANNOTATION_KEEP_IMAGE) == "true"


def runs_its_image(annotations: Mapping[str, str] | None) -> bool:
    """Say whether ``spec.image`` profiles, as Dynamo's profiler does, in place of this project's profiler."""
    return (annotations or {}).get(ANNOTATION_PROFILER) == _IMAGE


def _one_of(name: str, written: Mapping[str, str], *values: str) -> FieldError | None:
    text = written.get(name)
    return None if text is None or text in values else _invalid(name, text, f"must be {' or '.join(values)}")


def _count(name: str, text: str) -> int | FieldError:
    most = _COUNTS[name]
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most:
        return int(text)
    return _invalid(name, text, f"must be a number from 1 to {most}")


def _dtype(text: str) -> KvCacheDtype | FieldError:
    try:
        return KvCacheDtype(text)
    except ValueError:
        return _invalid(ANNOTATION_KV_CACHE_DTYPE, text, f"must be {' or '.join(KvCacheDtype)}")


def _invalid(name: str, text: str, wish: str) -> FieldError:
    return FieldError(f"metadata.annotations[{name}]", f"Invalid value: {shown(text)}", wish)
