"""The envelopes of ``admission.k8s.io/v1``: what the API server asks about an object, and what it is told.

Refusals look like those of Kubernetes itself (``field.Error``, ``apierrors.NewInvalid``): kubectl shows them well, and
so does whoever reads ``status.details.causes``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from dgdr_api.errors import FieldError
from dgdr_api.json_values import JsonObject
from dgdr_api.names import GROUP, KIND
from dgdr_api.text import AND_MORE, MAX_REPORTED, at_most, printable
from dgdr_api.v1beta1 import API_VERSION
from dgdr_controller.admission.envelope import Envelope, UnreadableReviewError, opened
from dgdr_controller.runtime.log import get_logger

VERSION = "admission.k8s.io/v1"
MAX_WARNING = 256
"""Characters; the API server cuts longer ones, and drops all when they are many."""
_MORE_WARNINGS = f"these are the first {MAX_REPORTED - 1} warnings, and there are more"
_MAX_TEXT = 1000
"""Characters of one error: more than any says that does not repeat what it is about."""
_CAUSES = {
    "Required value": "FieldValueRequired",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too long": "FieldValueTooLong",
}


class _Kind(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Asked(msgspec.Struct, frozen=True):
    uid: str
    kind: _Kind
    operation: str
    name: str = ""
    namespace: str = ""
    object: dict[str, Any] | None = None
    old: dict[str, Any] | None = msgspec.field(name="oldObject", default=None)


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What is to be done with a request.

    Attributes:
        operation: Create, update (or delete and connect, which nobody asks us about).
        new: The object as it is to be, v1beta1.
        old: As it is stored, on an update.
    """

    operation: Literal["CREATE", "UPDATE"]
    new: JsonObject
    old: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class AdmissionResponse:
    """What is answered.

    Attributes:
        errors: Why it is refused; none: it is allowed.
        warnings: Shown to the user either way.
        patch: Operations of a JSON patch (RFC 6902).
    """

    errors: Sequence[FieldError] = ()
    warnings: Sequence[str] = ()
    patch: Sequence[JsonObject] = field(default=())


Handler = Callable[[AdmissionRequest], AdmissionResponse]
log = get_logger(__name__)
_reviews = msgspec.json.Decoder(Envelope[_Asked])


def answer(body: bytes, handler: Handler) -> tuple[bytes, bool]:
    """Answer an AdmissionReview.

    Returns:
        The body of the answer, and whether the request is allowed.

    Raises:
        UnreadableReviewError: The body is no AdmissionReview that can be answered.
    """
    asked = _read(body)
    request = _request(asked)
    try:
        response = _respond(request, handler)
        return _encoded(_response(asked, response)), not response.errors
    except Exception as error:
        # What fails here would fail again: a refusal tells the user so, where an HTTP 500 tells nobody anything.
        log.exception(
            "Cannot validate a request", operation=asked.operation, object=f"{asked.namespace}/{_name(asked)}"
        )
        return _encoded(_failure(asked, error)), False


def _respond(request: AdmissionRequest | None, handler: Handler) -> AdmissionResponse:
    if request is None:
        return AdmissionResponse()
    try:
        return handler(request)
    except RecursionError:
        return AdmissionResponse([FieldError("(document)", "Invalid value", "is nested too deeply")])


def _response(asked: _Asked, response: AdmissionResponse) -> JsonObject:
    encoded: dict[str, Any] = {"uid": asked.uid, "allowed": not response.errors}
    if response.errors:
        encoded["status"] = _refusal(asked, at_most(response.errors, AND_MORE))
    if response.warnings:
        encoded["warnings"] = [
            printable(warning, MAX_WARNING - 1) for warning in at_most(response.warnings, _MORE_WARNINGS)
        ]
    if response.patch and not response.errors:
        encoded |= {"patchType": "JSONPatch", "patch": msgspec.json.encode(response.patch)}  # bytes: base64
    return encoded


def _failure(asked: _Asked, error: Exception) -> JsonObject:
    message = f"internal error of dgdr-controller: {type(error).__name__}"
    status: JsonObject = {"status": "Failure", "code": 500, "reason": "InternalError", "message": message}
    return {"uid": asked.uid, "allowed": False, "status": status}


def _encoded(response: JsonObject) -> bytes:
    return msgspec.json.encode({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response})


def _read(body: bytes) -> _Asked:
    asked = opened(body, _reviews, VERSION, "AdmissionReview")
    kind = asked.kind
    if (f"{kind.group}/{kind.version}", kind.kind) != (API_VERSION, KIND):
        raise UnreadableReviewError(f"expected {API_VERSION} {KIND}, got {kind.group}/{kind.version} {kind.kind}")
    return asked


def _request(asked: _Asked) -> AdmissionRequest | None:
    """Return what is asked; nothing where the answer is always yes."""
    if asked.operation not in ("CREATE", "UPDATE"):
        return None
    if asked.object is None:
        raise UnreadableReviewError(f"a review of {asked.operation} has no object")
    if asked.operation == "CREATE":
        return AdmissionRequest("CREATE", asked.object)
    if asked.old is None:
        raise UnreadableReviewError("a review of UPDATE has no oldObject")
    return AdmissionRequest("UPDATE", asked.object, asked.old)


def _refusal(asked: _Asked, errors: Sequence[FieldError]) -> JsonObject:
    name = _name(asked)
    texts = [printable(str(error), _MAX_TEXT) for error in errors]
    listed = ", ".join(texts)
    return {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": f'{KIND}.{GROUP} "{name}" is invalid: {listed if len(errors) == 1 else f"[{listed}]"}',
        "details": {"name": name, "group": GROUP, "kind": KIND, "causes": [_cause(error) for error in errors]},
    }


def _name(asked: _Asked) -> str:
    metadata = (asked.object or {}).get("metadata")
    generated = metadata.get("generateName") if isinstance(metadata, dict) else None
    return printable(asked.name or (generated if isinstance(generated, str) else ""))


def _cause(error: FieldError) -> JsonObject:
    reason = _CAUSES.get(error.kind.partition(":")[0], "FieldValueInvalid")
    message = str(error).removeprefix(f"{error.path}: ")
    return {"reason": reason, "field": printable(error.path), "message": printable(message, _MAX_TEXT)}
