"""What of a request may still be changed, by its phase: one table.

Source: ValidateUpdate of Dynamo's deploy/operator/internal/webhook/validation, with its exceptions and message.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from dgdr_api.conversion import V1ALPHA1, convert, defaults_of
from dgdr_api.errors import FieldError
from dgdr_api.json_values import JsonObject
from dgdr_api.names import KIND
from dgdr_api.v1alpha1.spec import ONLY_HERE
from dgdr_api.v1beta1 import API_VERSION, Phase

CHANGEABLE: Mapping[Phase, frozenset[str] | None] = {
    Phase.PENDING: None,
    Phase.PROFILING: frozenset({"runtimeVersionOverride"}),
    Phase.READY: frozenset({"runtimeVersionOverride", "autoApply"}),
    Phase.DEPLOYING: frozenset(),
    Phase.DEPLOYED: frozenset(),
    Phase.FAILED: None,
}
"""Fields of the spec that may change while autoApply is false; None: every field, whatever autoApply says."""


def validate_update(old: JsonObject, new: JsonObject) -> list[FieldError]:
    """Return why a request may not be changed like this; empty when it may.

    Args:
        old: The request as it is stored, v1beta1.
        new: As it is to be, v1beta1.
    """
    phase = _phase(old)
    before, after = _spec(old), _spec(new)
    allowed = CHANGEABLE[phase] if phase else None
    if phase is None or allowed is None:
        return []
    if before.get("autoApply") is not False:
        allowed = frozenset[str]()
    unchanged = {field: value for field, value in after.items() if field not in allowed}
    unchanged |= {field: before[field] for field in allowed if field in before}
    if _meaning(old, before) == _meaning(new, unchanged):
        return []
    detail = (
        f'updates are forbidden while the resource is in phase "{phase}"; '
        "delete and recreate the resource to change its spec"
    )
    return [FieldError("spec", "Forbidden", detail)]


def _phase(manifest: JsonObject) -> Phase | None:
    status = manifest.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    return Phase(phase) if isinstance(phase, str) and phase in list(Phase) else None


def _spec(manifest: JsonObject) -> JsonObject:
    spec = manifest.get("spec")
    return spec if isinstance(spec, dict) else {}


def _meaning(manifest: JsonObject, spec: JsonObject) -> JsonValue:
    """Return everything that a request says, in both versions' words, without what says nothing.

    What only v1alpha1 can say stands in an annotation, in which it may be spelled in several ways.
    """
    whole: JsonObject = {"apiVersion": API_VERSION, "kind": KIND, "metadata": manifest.get("metadata"), "spec": spec}
    alpha = _spec(convert(whole, V1ALPHA1))
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return [
        _telling([spec, {field: alpha[field] for field in ONLY_HERE if field in alpha}]),
        _switched_on(spec),
        defaults_of(annotations if isinstance(annotations, dict) else {}),
    ]


def _switched_on(spec: JsonObject) -> list[JsonValue]:
    """Return the features that are written: an empty object switches one on."""
    features = spec.get("features")
    return (
        [*sorted(name for name, value in features.items() if value is not None)] if isinstance(features, dict) else []
    )


def _telling(value: JsonValue) -> JsonValue:
    """Return a value without nulls and empty objects and lists: Go's semantic equality makes no difference."""
    if isinstance(value, dict):
        inner = {name: _telling(content) for name, content in value.items()}
        return {name: content for name, content in inner.items() if content not in (None, {}, [])}
    if isinstance(value, list):
        return [_telling(item) for item in value]
    return value
