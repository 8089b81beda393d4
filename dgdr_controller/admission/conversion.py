"""``/convert``: the API server asks for requests in the other version (ConversionReview)."""

import asyncio
from typing import Any

import msgspec

from dgdr_api.conversion import UnknownVersionError, convert
from dgdr_controller.admission.review import UnreadableReviewError

VERSION = "apiextensions.k8s.io/v1"
_AT_ONCE = 20
"""Objects that are converted before others get a turn: a list may have hundreds."""


class _Asked(msgspec.Struct, frozen=True):
    uid: str
    desired: str = msgspec.field(name="desiredAPIVersion")
    objects: list[dict[str, Any]]


class _Review(msgspec.Struct, frozen=True):
    request: _Asked
    version: str = msgspec.field(name="apiVersion", default="")
    kind: str = ""


_reviews = msgspec.json.Decoder(_Review)


async def answer(body: bytes) -> tuple[bytes, bool]:
    """Answer a ConversionReview: all its objects in the version that is wanted, in their order, or a failure.

    Returns:
        The body of the answer, and whether it is no failure.

    Raises:
        UnreadableReviewError: The body is no ConversionReview.
    """
    try:
        review = _reviews.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise UnreadableReviewError(f"no ConversionReview: {error}") from None
    if (review.version, review.kind) != (VERSION, "ConversionReview"):
        raise UnreadableReviewError(f"expected {VERSION} ConversionReview, got {review.version!r} {review.kind!r}")
    response: dict[str, Any] = {"uid": review.request.uid}
    try:
        response["convertedObjects"] = await _converted(review.request)
        response["result"] = {"status": "Success"}
    except UnknownVersionError as error:
        response["result"] = {"status": "Failure", "message": str(error)}
    except RecursionError:
        raise UnreadableReviewError("an object is nested too deeply") from None
    answered = msgspec.json.encode({"apiVersion": VERSION, "kind": "ConversionReview", "response": response})
    return answered, "convertedObjects" in response


async def _converted(asked: _Asked) -> list[dict[str, Any]]:
    converted: list[dict[str, Any]] = []
    for each in asked.objects:
        converted.append(convert(each, asked.desired))
        if len(converted) % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return converted
