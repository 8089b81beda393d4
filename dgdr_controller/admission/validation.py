"""Whether a request may be stored: the rules that hold everywhere, and on an update only what it makes worse."""

from collections.abc import Sequence

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject
from dgdr_api.parse import parse_request
from dgdr_api.text import AND_MORE
from dgdr_api.updates import validate_update
from dgdr_controller.admission.review import AdmissionRequest, AdmissionResponse
from dgdr_controller.settings import HardwareSettings
from dgdr_controller.validation import request as rules
from dgdr_controller.validation.hardware import undescribed

_VERSION_OF_IMAGE = "spec.runtimeVersionOverride"


def admit(request: AdmissionRequest, hardware: HardwareSettings) -> AdmissionResponse:
    """Return whether a request may be stored like this.

    Args:
        request: What the API server asks.
        hardware: Whether GPUs are looked for where a request does not describe them.
    """
    errors, warnings = _judged(request.new, hardware)
    if request.old is None:
        return AdmissionResponse(errors, warnings)
    if _is_being_deleted(request.new):
        # Otherwise a finalizer could not be removed from a request that was stored before a rule existed.
        return AdmissionResponse(warnings=warnings)
    worse = _made_worse(request.old, request.new, errors, hardware)
    return AdmissionResponse([*validate_update(request.old, request.new), *worse], warnings)


def _judged(manifest: JsonObject, hardware: HardwareSettings) -> tuple[list[FieldError], list[str]]:
    """Return what is wrong with a request, and what should be said about it."""
    try:
        request = parse_request(manifest)
    except InvalidRequestError as malformed:
        return malformed.errors, []
    return [*rules.validate(request), *undescribed(request, hardware)], rules.warnings(request)


def _made_worse(
    old: JsonObject, new: JsonObject, errors: Sequence[FieldError], hardware: HardwareSettings
) -> list[FieldError]:
    """Return the errors that the stored request did not have: what was stored before a rule can still be changed."""
    if not errors:
        return []
    before, _ = _judged(old, hardware)
    if AND_MORE in before:  # which of the errors are new cannot be said; the controller refuses the request in any case
        return []
    known = set(map(str, before))
    deploys_now = _field(old, "autoApply") is False and _field(new, "autoApply") is not False
    other_image = any(_field(old, name) != _field(new, name) for name in ("image", "runtimeVersionOverride"))
    now_of_effect = {_VERSION_OF_IMAGE} if deploys_now or other_image else set()
    return [error for error in errors if str(error) not in known or error.path in now_of_effect]


def _field(manifest: JsonObject, name: str) -> object:
    spec = manifest.get("spec")
    return spec.get(name) if isinstance(spec, dict) else None


def _is_being_deleted(manifest: JsonObject) -> bool:
    metadata = manifest.get("metadata")
    return isinstance(metadata, dict) and metadata.get("deletionTimestamp") is not None
