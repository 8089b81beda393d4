"""What the cache holds of one kind, and who wants to hear of changes."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dgdr_controller.runtime.decoding import read_object
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.mutation_cache import MutationCache
from dgdr_controller.runtime.predicates import Change, ChangeType
from dgdr_controller.runtime.resource import CachedObject, Key, Resource, version_number

log = get_logger(__name__)

Index = Callable[[CachedObject], Iterable[str]]
"""Values under which an object is to be found."""
Transform = Callable[[dict[str, Any]], dict[str, Any]]
"""Drops of a decoded object what nobody reads, before it is kept."""
Handler = Callable[[Change], None]
_PLAIN = re.compile(r"[\w./-]+")
"""Name or value of a label in a selector; other signs belong to operators."""


def by_label(name: str) -> Index:
    """Return an index over the values of a label."""

    def index(stored: CachedObject) -> Iterable[str]:
        value = stored.meta.label(name)
        return () if value is None else (value,)

    return index


def by_owner(stored: CachedObject) -> Iterable[str]:
    """Index by the uid of every owner."""
    return [owner.uid for owner in stored.meta.owner_references or ()]


def _by_namespace(stored: CachedObject) -> Iterable[str]:
    return (stored.meta.namespace,)


@dataclass(frozen=True)
class WatchOptions:
    """Which objects of a kind are watched, and how they are kept.

    Attributes:
        namespace: Only of this namespace; empty: of all.
        label_selector: Only these, as ``kubectl -l`` takes it.
        field_selector: Only these.
        transform: Applied before an object is kept.
        indexes: By name.
        optional: The kind may not exist; then it is empty.
    """

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    transform: Transform | None = None
    indexes: Mapping[str, Index] = field(default_factory=dict)
    optional: bool = False

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels are those of an object that is watched; False also where the selector is not read here.

        Read are ``name=value`` and lists of it.
        """
        wanted = [part.partition("=") for part in self.label_selector.split(",") if part]
        plain = all(sign and _PLAIN.fullmatch(name) and _PLAIN.fullmatch(value) for name, sign, value in wanted)
        return plain and all(labels.get(name) == value for name, _, value in wanted)


class Informer:
    """The objects of one kind, as the last event told, and our own writes on top.

    A reflector feeds it; `Cache` reads it. All in one event loop.

    Args:
        resource: The kind.
        options: Which of it.
    """

    def __init__(self, resource: Resource[Any], options: WatchOptions) -> None:
        self.resource = resource
        self.options = options
        self.synced = False
        self.absent = False
        self.problem = ""
        self._known = asyncio.Event()
        self._records: dict[Key, CachedObject] = {}
        self._indexes: dict[str, Index] = {"": _by_namespace, **options.indexes}
        self._found: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in self._indexes}
        self._overlay = MutationCache()
        self._handlers: list[Handler] = []

    def subscribe(self, handler: Handler) -> None:
        """Have a function called for each change, and now for each object that is there already."""
        self._handlers.append(handler)
        for stored in tuple(self._records.values()):
            self._tell(Change(ChangeType.ADDED, None, stored, initial=True), (handler,))

    async def wait_known(self) -> None:
        """Wait until it is known what exists, or that the kind does not (if that is allowed)."""
        await self._known.wait()

    # What a reflector calls

    def ingest(self, raw: bytes | msgspec.Raw) -> CachedObject:
        """Turn JSON into what is kept."""
        stored = read_object(raw)
        if self.options.transform is None:
            return stored
        kept = self.options.transform(msgspec.json.decode(stored.raw))
        return CachedObject(stored.meta, msgspec.json.encode(kept))

    def replace(self, objects: Mapping[Key, CachedObject], version: str) -> None:
        """Take over all that exists, as it was at a version; what is not among it is gone."""
        initial = not self.synced
        for key in [key for key in self._records if key not in objects]:
            self.remove(self._records[key])
        for stored in objects.values():
            self._put(stored, initial=initial)
        self._overlay.begin(version_number(version))
        self.synced, self.absent, self.problem = True, False, ""
        self._known.set()

    def update(self, stored: CachedObject) -> None:
        """Take over an object that was added or modified, unless it is older than what is known."""
        old = self._records.get(stored.key)
        if old is None or stored.meta.version < 0 or stored.meta.version >= old.meta.version:
            self._put(stored)
        self._overlay.seen(stored.meta.version)

    def remove(self, last: CachedObject) -> None:
        """Forget an object that was deleted; its last state comes with the deletion, or is the last one known."""
        key = last.key
        old = self._records.pop(key, None)
        self._overlay.deleted(key, last.meta)
        if old is not None:
            self._unindex(old)
            self._tell(Change(ChangeType.DELETED, old, last), self._handlers)

    def bookmark(self, version: str) -> None:
        """Note that everything up to a version has been told."""
        self._overlay.seen(version_number(version))

    def mark_kind_missing(self) -> None:
        """Note that the server does not know the kind: whatever there was is gone."""
        for stored in tuple(self._records.values()):
            self.remove(stored)
        self._overlay = MutationCache()
        self.synced, self.absent = False, True
        self.problem = f"{self.resource}: the API server knows no such kind; is its CustomResourceDefinition installed?"
        if self.options.optional:
            self._known.set()
        else:
            self._known.clear()

    # What the cache calls

    def get(self, key: Key) -> CachedObject | None:
        """Return an object: our own write, if that is newer."""
        return self._overlay.on_top(key, self._records.get(key))

    def select(self, index: str, value: str) -> Iterator[CachedObject]:
        """Yield objects by an index.

        Raises:
            KeyError: There is no such index.
        """
        for key in tuple(self._found[index].get(value, ())):
            stored = self.get(key)
            if stored is not None and (key not in self._overlay or value in self._values(index, stored)):
                yield stored
        for stored in self._overlay.written():
            if stored.key not in self._found[index].get(value, ()) and value in self._values(index, stored):
                yield stored

    def all(self) -> Iterator[CachedObject]:
        """Yield all objects."""
        for key in tuple(self._records):
            if (stored := self.get(key)) is not None:
                yield stored
        for stored in self._overlay.written():
            if stored.key not in self._records:
                yield stored

    def note_write(self, raw: bytes) -> None:
        """Put an object that we have just written on top, until the watch has caught up."""
        options = self.options
        if not self.synced or options.field_selector:
            return  # whether the watch will ever tell of it is not known
        stored = self.ingest(raw)
        if options.namespace in ("", stored.meta.namespace) and options.selects(stored.meta.labels or {}):
            self._overlay.wrote(stored, self._records.get(stored.key))

    def note_delete(self, key: Key, uid: str) -> None:
        """Hide an object that we have just deleted, until the watch has caught up."""
        stored = self._records.get(key)
        if stored is not None and uid == stored.meta.uid:
            self._overlay.hide(key, uid)

    def _put(self, stored: CachedObject, *, initial: bool = False) -> None:
        key = stored.key
        old = self._records.get(key)
        if old is not None:
            if old.meta.resource_version == stored.meta.resource_version and old.meta.uid == stored.meta.uid:
                return
            self._unindex(old)
        self._records[key] = stored
        for name in self._indexes:
            for value in self._values(name, stored):
                self._found[name].setdefault(value, {})[key] = None
        own = self._overlay.is_echo(stored)
        kind = ChangeType.ADDED if old is None else ChangeType.UPDATED
        self._tell(Change(kind, old, stored, initial=initial, own=own), self._handlers)

    def _unindex(self, stored: CachedObject) -> None:
        for name, found in self._found.items():
            for value in self._values(name, stored):
                _discard(found, value, stored.key)

    def _values(self, index: str, stored: CachedObject) -> Iterable[str]:
        try:
            return self._indexes[index](stored)
        except Exception:  # one odd object must not end the watch of its kind
            log.exception(
                "An index function has failed", index=index, resource=str(self.resource), object=str(stored.key)
            )
            return ()

    def _tell(self, change: Change, handlers: Iterable[Handler]) -> None:
        for handler in handlers:
            try:
                handler(change)
            except Exception:  # the same
                log.exception("An event handler has failed", resource=str(self.resource), object=str(change.new.key))


def _discard(found: dict[str, dict[Key, None]], value: str, key: Key) -> None:
    """Take a key out of an index, and with the last key the value."""
    keys = found.get(value)
    if keys is None:
        return
    keys.pop(key, None)
    if not keys:
        del found[value]
