"""Whether a request may be stored: the rules that hold everywhere, and on an update only what it makes worse."""

from collections.abc import Sequence

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject
from dgdr_api.parse import parse_request
from dgdr_api.text import AND_MORE
from dgdr_api.updates import validate_update
from dgdr_controller.admission.review import AdmissionRequest, AdmissionResponse
from dgdr_controller.validation import request as rules

_VERSION_OF_IMAGE = "spec.runtimeVersionOverride"


def admit(request: AdmissionRequest) -> AdmissionResponse:
    """Return whether a request may be stored like this."""
    errors, warnings = _judged(request.new)
    if request.old is None:
        return AdmissionResponse(errors, warnings)
    if _is_being_deleted(request.new):
        # Otherwise a finalizer could not be removed from a request that was stored before a rule existed.
        return AdmissionResponse(warnings=warnings)
    worse = _made_worse(request.old, request.new, errors)
    return AdmissionResponse([*validate_update(request.old, request.new), *worse], warnings)


def _judged(manifest: JsonObject) -> tuple[list[FieldError], list[str]]:
    """Return what is wrong with a request, and what should be said about it."""
    try:
        request = parse_request(manifest)
    except InvalidRequestError as malformed:
        return malformed.errors, []
    return rules.validate(request), rules.warnings(request)


def _made_worse(old: JsonObject, new: JsonObject, errors: Sequence[FieldError]) -> list[FieldError]:
    """Return the errors that the stored request did not have: what was stored before a rule can still be changed."""
    if not errors:
        return []
    before, _ = _judged(old)
    if AND_MORE in before:  # which of the errors are new cannot be said; the controller refuses the request in any case
        return []
    known = set(map(str, before))
    deploys_now = _auto_apply(old) is False and _auto_apply(new) is not False
    return [error for error in errors if str(error) not in known or (deploys_now and error.path == _VERSION_OF_IMAGE)]


def _auto_apply(manifest: JsonObject) -> object:
    spec = manifest.get("spec")
    return spec.get("autoApply") if isinstance(spec, dict) else None


def _is_being_deleted(manifest: JsonObject) -> bool:
    metadata = manifest.get("metadata")
    return isinstance(metadata, dict) and metadata.get("deletionTimestamp") is not None
