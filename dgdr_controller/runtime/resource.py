"""Which kinds there are, how objects are named, and what of an object is always at hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Key(NamedTuple):
    """Name of an object within its kind; the namespace of cluster-scoped objects is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


_UP = (".", "..")


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A kind of objects that the API server keeps.

    Two resources are equal when they name the same kind, whatever they decode to.

    Attributes:
        group: API group; empty for core kinds.
        version: API version, such as ``v1``.
        plural: Name in URLs, such as ``jobs``.
        kind: Name in manifests, such as ``Job``.
        decode: Makes an object from the JSON of one; called whenever somebody asks for an object, so what it returns
            belongs to who asked. What it raises reaches who asked.
        namespaced: Whether objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    decode: Callable[[bytes], T] = field(compare=False, repr=False)
    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As manifests write it: ``batch/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of an object, or of all of a namespace, or of all.

        Raises:
            ValueError: A namespace for a cluster-scoped kind, or an object of a namespaced kind without one; or a name
                that would lead to another path.
        """
        for segment in (namespace, name):
            if "/" in segment or "%" in segment or segment in _UP:  # as client-go: IsValidPathSegmentName
                raise ValueError(f"{self}: {segment!r} cannot be a name")
        if not self.namespaced and namespace:
            raise ValueError(f"{self} live in no namespace, not in {namespace}")
        if self.namespaced and name and not namespace:
            raise ValueError(f"{self} {name}: which namespace?")
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


class OwnerReference(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Who owns an object."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False

    @property
    def group(self) -> str:
        """The owner's API group; versions may differ from those that are watched."""
        return self.api_version.rpartition("/")[0]


class ObjectMeta(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What the cache knows of an object without decoding it."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None

    @property
    def key(self) -> Key:
        """The object's name within its kind."""
        return Key(self.namespace, self.name)

    @property
    def version(self) -> int:
        """``resourceVersion`` as the number that it is (KEP-5504); -1 where a server uses something else."""
        return version_number(self.resource_version)

    def label(self, name: str) -> str | None:
        """Return the value of a label."""
        return (self.labels or {}).get(name)

    def controller(self) -> OwnerReference | None:
        """Return the owner that controls the object."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class CachedObject(msgspec.Struct, frozen=True, gc=False):
    """An object as the cache keeps it: metadata at hand, the rest as bytes (without ``managedFields``)."""

    meta: ObjectMeta
    raw: bytes

    @property
    def key(self) -> Key:
        """The object's name within its kind."""
        return self.meta.key


def version_number(resource_version: str) -> int:
    """Return a ``resourceVersion`` as a number, -1 if it is none: aggregated API servers may use other words."""
    return int(resource_version) if resource_version.isdecimal() else -1


def decode_dict(raw: bytes) -> dict[str, Any]:
    """Decode an object to plain values: for kinds that need no model."""
    return dict(msgspec.json.decode(raw, type=dict[str, Any]))
