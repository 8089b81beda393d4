"""``/convert``: the API server asks for requests in the other version (ConversionReview).

A list is converted in one review: what one of its requests breaks is missing for whoever reads any of them. So nothing
that a request holds may break anything here, and should it nevertheless, the answer names the request.
"""

from typing import Any

import msgspec

from dgdr_api.conversion import UnknownVersionError, convert
from dgdr_api.text import printable
from dgdr_controller.admission.envelope import Envelope, opened
from dgdr_controller.runtime.log import get_logger

VERSION = "apiextensions.k8s.io/v1"
log = get_logger(__name__)


class _Asked(msgspec.Struct, frozen=True):
    uid: str
    desired: str = msgspec.field(name="desiredAPIVersion")
    objects: list[dict[str, Any]]


_reviews = msgspec.json.Decoder(Envelope[_Asked])


class _FailedError(Exception):
    """An object cannot be converted; the message names it."""


def answer(body: bytes) -> tuple[bytes, bool]:
    """Answer a ConversionReview: all its objects in the version that is wanted, in their order, or a failure.

    Returns:
        The body of the answer, and whether it is no failure.

    Raises:
        UnreadableReviewError: The body is no ConversionReview.
    """
    asked = opened(body, _reviews, VERSION, "ConversionReview")
    response: dict[str, Any] = {"uid": asked.uid}
    try:
        response["convertedObjects"] = [_converted(manifest, asked.desired) for manifest in asked.objects]
        response["result"] = {"status": "Success"}
    except _FailedError as error:
        response["result"] = {"status": "Failure", "message": str(error)}
    answered = msgspec.json.encode({"apiVersion": VERSION, "kind": "ConversionReview", "response": response})
    return answered, "convertedObjects" in response


def _converted(manifest: dict[str, Any], version: str) -> msgspec.Raw:
    """Return a request in another version, encoded: only so it is known that it can be sent."""
    try:
        return msgspec.Raw(msgspec.json.encode(convert(manifest, version)))
    except UnknownVersionError as error:
        raise _FailedError(f"{_name(manifest)}: {error}") from None
    except RecursionError:
        raise _FailedError(f"{_name(manifest)} is nested too deeply") from None
    except Exception as error:
        log.exception("Cannot convert a request", object=_name(manifest), version=printable(version))
        raise _FailedError(f"dgdr-controller failed to convert {_name(manifest)}: {type(error).__name__}") from None


def _name(manifest: dict[str, Any]) -> str:
    metadata = manifest.get("metadata")
    parts = [metadata.get(field) for field in ("namespace", "name")] if isinstance(metadata, dict) else []
    return printable("/".join(part for part in parts if isinstance(part, str))) or "(no name)"
