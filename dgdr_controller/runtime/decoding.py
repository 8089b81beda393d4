"""Lists, watch events and objects taken apart without building what nobody has asked for yet."""

from typing import TypeVar

import msgspec

from dgdr_controller.runtime.resource import CachedObject, ObjectMeta, Resource

T = TypeVar("T")


class WatchEvent(msgspec.Struct, gc=False):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class Page(msgspec.Struct, gc=False):
    """A page of a list; ``token`` leads to the next one, empty at the end."""

    items: list[bytes]
    version: str
    token: str


class _ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct, gc=False, rename="camel"):
    metadata: _ListMeta
    items: list[dict[str, msgspec.Raw]] | None = None


class BookmarkMeta(msgspec.Struct, gc=False, rename="camel"):
    """What a bookmark says."""

    resource_version: str = ""
    annotations: dict[str, str] | None = None

    @property
    def ends_initial(self) -> bool:
        """Whether all objects that existed when the watch began have been sent."""
        return (self.annotations or {}).get("k8s.io/initial-events-end") == "true"


class _Bookmark(msgspec.Struct, gc=False):
    metadata: BookmarkMeta


_read_event = msgspec.json.Decoder(WatchEvent).decode
_read_list = msgspec.json.Decoder(_List).decode
_read_bookmark = msgspec.json.Decoder(_Bookmark).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_meta = msgspec.json.Decoder(ObjectMeta).decode
_encode = msgspec.json.Encoder().encode


def read_event(line: bytes) -> WatchEvent:
    """Split a line of a watch."""
    return _read_event(line)


def read_bookmark(raw: msgspec.Raw) -> BookmarkMeta:
    """Return what a bookmark says."""
    return _read_bookmark(raw).metadata


def read_page(body: bytes, resource: Resource[T]) -> Page:
    """Split a list into objects; they get the ``apiVersion`` and ``kind`` that built-in kinds lack in lists."""
    found = _read_list(body)
    head = {
        "apiVersion": msgspec.Raw(_encode(resource.api_version)),
        "kind": msgspec.Raw(_encode(resource.kind)),
    }
    items = [_encode(head | item) for item in found.items or ()]
    return Page(items, found.metadata.resource_version, found.metadata.continue_)


def read_object(raw: bytes | msgspec.Raw) -> CachedObject:
    """Take an object's metadata out and drop ``managedFields``: a quarter of its bytes that nobody reads here.

    The bytes are copies: they do not keep the buffer alive that they came in.
    """
    fields = _read_fields(raw)
    metadata = fields["metadata"]
    meta = _read_meta(metadata)
    inner = _read_fields(metadata)
    if inner.pop("managedFields", None) is None:
        return CachedObject(meta, bytes(raw))
    fields["metadata"] = msgspec.Raw(_encode(inner))
    return CachedObject(meta, _encode(fields))
