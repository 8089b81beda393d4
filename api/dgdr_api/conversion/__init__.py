"""From one served version to the other, without loss: pure functions over JSON.

v1beta1 is the hub and what is stored. What only v1alpha1 can say is kept in annotations with the names that Dynamo's
conversion gives them, and so is whose defaults apply: a request that is silent means what the documents of its own
version promise. A request that was written as v1beta1 and is read as v1alpha1 carries that in an annotation, too.

Source: Dynamo's deploy/operator/api/v1alpha1/dynamographdeploymentrequest_conversion.go.
"""

import json
from typing import cast

from pydantic_core import from_json

from dgdr_api import v1alpha1, v1beta1
from dgdr_api.conversion import spec as specs
from dgdr_api.conversion import status as statuses
from dgdr_api.conversion.paths import copied
from dgdr_api.conversion.spec import Defaults
from dgdr_api.json_values import JsonObject
from dgdr_api.names import ANNOTATION_DEFAULTS, ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS
from dgdr_api.text import printable

V1ALPHA1 = v1alpha1.API_VERSION
V1BETA1 = v1beta1.API_VERSION

__all__ = ["V1ALPHA1", "V1BETA1", "Defaults", "UnknownVersionError", "convert", "defaults_of", "kept_spec"]


class UnknownVersionError(Exception):
    """A version that is not served; the message names it."""


def convert(manifest: JsonObject, version: str) -> JsonObject:
    """Return a request in another version; in its own one as it is.

    Args:
        manifest: The request; what it holds need not be valid.
        version: Its apiVersion afterwards.

    Raises:
        UnknownVersionError: One of the versions is none of ours.
    """
    known = manifest.get("apiVersion")
    if known == version and version in (V1ALPHA1, V1BETA1):
        return manifest
    if known == V1ALPHA1 and version == V1BETA1:
        return _to_v1beta1(manifest)
    if known == V1BETA1 and version == V1ALPHA1:
        return _to_v1alpha1(manifest)
    raise UnknownVersionError(
        f"{printable(f'{known}')} cannot be converted to {printable(version)}: there are {V1ALPHA1} and {V1BETA1}"
    )


def defaults_of(annotations: JsonObject) -> Defaults:
    """Return whose defaults a request of v1beta1 has.

    Upstream's conversion leaves no word of it, but keeps ``profilingConfig``.
    """
    written_defaults = annotations.get(ANNOTATION_DEFAULTS)
    if isinstance(written_defaults, str) and written_defaults in list(Defaults):
        return Defaults(written_defaults)
    return Defaults.PROFILING if "profilingConfig" in kept_spec(annotations) else Defaults.V1BETA1


def kept_spec(annotations: JsonObject) -> JsonObject:
    """Return what is kept beside the spec of a request of v1beta1: a sparse spec of v1alpha1."""
    return _kept(annotations, ANNOTATION_PRESERVED)


def _to_v1beta1(manifest: JsonObject) -> JsonObject:
    converted, annotations = _copy(manifest, V1BETA1)
    spec, status = manifest.get("spec"), manifest.get("status")
    as_v1beta1 = annotations.pop(ANNOTATION_DEFAULTS, None) == Defaults.V1BETA1
    if isinstance(spec, dict):
        form = specs.form(spec)
        defaults = Defaults.V1BETA1 if as_v1beta1 else form
        converted["spec"], kept = specs.to_v1beta1(spec, defaults)
        _keep(annotations, ANNOTATION_PRESERVED, kept)
        if not as_v1beta1 or form is Defaults.PROFILING:  # which would be taken for its defaults otherwise
            annotations[ANNOTATION_DEFAULTS] = defaults.value
    if isinstance(status, dict):
        converted["status"], kept = statuses.to_v1beta1(status)
        _keep(annotations, ANNOTATION_PRESERVED_STATUS, kept)
    return _annotated(converted, annotations)


def _to_v1alpha1(manifest: JsonObject) -> JsonObject:
    converted, annotations = _copy(manifest, V1ALPHA1)
    spec, status = manifest.get("spec"), manifest.get("status")
    if isinstance(spec, dict):
        defaults = defaults_of(annotations)
        kept = _taken(annotations, ANNOTATION_PRESERVED)
        as_v1beta1 = defaults is Defaults.V1BETA1
        converted["spec"] = specs.to_v1alpha1(spec, kept, defaults if as_v1beta1 else specs.form(kept))
        annotations.pop(ANNOTATION_DEFAULTS, None)
        if as_v1beta1:
            annotations[ANNOTATION_DEFAULTS] = defaults.value
    if isinstance(status, dict):
        kept = _taken(annotations, ANNOTATION_PRESERVED_STATUS)
        converted["status"] = statuses.to_v1alpha1(status, kept)
    return _annotated(converted, annotations)


def _copy(manifest: JsonObject, version: str) -> tuple[JsonObject, JsonObject]:
    """Return a copy without spec and status, which are converted apart, and its annotations."""
    converted = {field: copied(value) for field, value in manifest.items() if field not in ("spec", "status")}
    converted |= {field: manifest[field] for field in ("spec", "status") if field in manifest}
    converted["apiVersion"] = version
    metadata = converted.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return converted, dict(annotations) if isinstance(annotations, dict) else {}


def _annotated(converted: JsonObject, annotations: JsonObject) -> JsonObject:
    metadata = converted.get("metadata")
    if isinstance(metadata, dict):
        if annotations:
            metadata["annotations"] = annotations
        elif isinstance(metadata.get("annotations"), dict):
            del metadata["annotations"]
    return converted


def _keep(annotations: JsonObject, name: str, kept: JsonObject) -> None:
    if kept:
        annotations[name] = json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _kept(annotations: JsonObject, name: str) -> JsonObject:
    """Return what an annotation keeps; nothing where somebody has edited it into what no conversion writes."""
    text = annotations.get(name)
    try:
        return _strictly_read(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}


def _strictly_read(text: str) -> JsonObject:
    """Read a JSON object as others do: Python's own reader takes what nobody can write again.

    Raises:
        ValueError: It is no JSON, or holds half a surrogate pair, a number that is not finite, or too many levels.
    """
    found: object = from_json(text.encode())
    json.dumps(found, allow_nan=False)  # NaN is read, and 1e999 as infinite
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def _taken(annotations: JsonObject, name: str) -> JsonObject:
    """Take what an annotation keeps out of it; what cannot be read stays, so that nothing is lost."""
    kept = _kept(annotations, name)
    if kept:
        del annotations[name]
    return kept
