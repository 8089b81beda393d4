"""What both kinds of review have in common: a request in an envelope that says its version and kind."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class UnreadableReviewError(Exception):
    """A body that is no review; the message says what it lacks."""


class Envelope(msgspec.Struct, Generic[T], frozen=True):
    """A review, as far as it is the same for all."""

    request: T
    version: str = msgspec.field(name="apiVersion", default="")
    kind: str = ""


def opened(body: bytes, decoder: msgspec.json.Decoder[Envelope[T]], version: str, kind: str) -> T:
    """Return what is asked in a review.

    Args:
        body: The review, as it was sent.
        decoder: Reads it.
        version: Its apiVersion.
        kind: Its kind.

    Raises:
        UnreadableReviewError: The body is something else.
    """
    try:
        review = decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise UnreadableReviewError(f"no {kind}: {error}") from None
    if (review.version, review.kind) != (version, kind):
        raise UnreadableReviewError(f"expected {version} {kind}, got {review.version!r} {review.kind!r}")
    return review.request
