"""Objects of the kinds that are watched: reading them costs no request."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.errors import NotSyncedError, NotWatchedError
from dgdr_controller.runtime.informer import Index, Informer, Transform, WatchOptions
from dgdr_controller.runtime.reflector import Reflector
from dgdr_controller.runtime.resource import CachedObject, Key, ObjectMeta, Resource

T = TypeVar("T")


class _Kind(msgspec.Struct):
    kind: str = ""


_read_kind = msgspec.json.Decoder(_Kind).decode


class Cache:
    """Keeps the objects of some kinds up to date.

    Objects are kept as bytes without ``managedFields`` and decoded for who asks: each answer is fresh, nothing is
    shared. What the client has written is visible at once, before the watch tells of it.

    Args:
        client: Watches, and tells of what it writes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource[Any], Informer] = {}
        self._tasks: asyncio.TaskGroup | None = None
        client.observe(self._note_write, self._note_delete)

    def watch(  # noqa: PLR0913 - each is named at every call
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        transform: Transform | None = None,
        indexes: Mapping[str, Index] | None = None,
        optional: bool = False,
    ) -> Informer:
        """Keep a kind; once, and before a controller that only names it does so with defaults.

        Args:
            resource: The kind.
            namespace: Only of this namespace; empty: of all.
            label_selector: Only these, as ``kubectl -l`` takes it.
            field_selector: Only these.
            transform: Drops of a decoded object what nobody reads, before it is kept.
            indexes: Functions of `CachedObject` by name, for ``list(index=..., value=...)``.
            optional: The kind may not exist in this cluster; it is looked for again every half minute.

        Raises:
            ValueError: It is kept already.
        """
        if resource in self._informers:
            raise ValueError(f"{resource} are watched already: call watch before the controllers are built")
        options = WatchOptions(namespace, label_selector, field_selector, transform, indexes or {}, optional)
        informer = self._informers[resource] = Informer(resource, options)
        if self._tasks:
            self._start(informer)
        return informer

    def informer(self, resource: Resource[T]) -> Informer:
        """Return what keeps a kind; keep it from now on, with defaults, if nobody has asked for it."""
        return self._informers.get(resource) or self.watch(resource)

    def get(self, resource: Resource[T], key: Key) -> T | None:
        """Return an object, decoded afresh; None if there is none.

        Raises:
            NotSyncedError: It is not known yet what exists.
            NotWatchedError: Nobody asked to watch this kind.
            Exception: What ``resource.decode`` raises.
        """
        stored = self._ready(resource).get(key)
        return None if stored is None else resource.decode(stored.raw)

    def meta(self, resource: Resource[T], key: Key) -> ObjectMeta | None:
        """Return an object's metadata without decoding it; raises what ``get`` raises."""
        stored = self._ready(resource).get(key)
        return None if stored is None else stored.meta

    def list(
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        index: str = "",
        value: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> tuple[T, ...]:
        """Return objects, decoded afresh, in the order of their names.

        Args:
            resource: The kind.
            namespace: Only of this namespace; empty: of all.
            index: Name of an index of this kind.
            value: Only those that the index has under this value.
            labels: Only those with these labels.

        Raises:
            KeyError: There is no such index.
            Exception: What ``get`` raises.
        """
        return tuple(resource.decode(s.raw) for s in self.stored(resource, namespace, index, value, labels))

    def metas(
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        index: str = "",
        value: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> tuple[ObjectMeta, ...]:
        """Return metadata of objects without decoding them; as ``list`` otherwise."""
        return tuple(stored.meta for stored in self.stored(resource, namespace, index, value, labels))

    def stored(
        self,
        resource: Resource[T],
        namespace: str = "",
        index: str = "",
        value: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Iterable[CachedObject]:
        """Return objects undecoded; as ``list`` otherwise."""
        informer = self._ready(resource)
        if index:
            found: Iterable[CachedObject] = (
                s for s in informer.select(index, value) if namespace in ("", s.meta.namespace)
            )
        else:
            found = informer.select("", namespace) if namespace else informer.all()
        wanted = (labels or {}).items()
        return sorted((s for s in found if wanted <= (s.meta.labels or {}).items()), key=lambda s: s.key)

    def available(self, resource: Resource[T]) -> bool:
        """Say whether the API server knows a kind; False also before that is known.

        Raises:
            NotWatchedError: Nobody asked to watch it.
        """
        return self._watched(resource).synced

    def problems(self) -> dict[str, str]:
        """Return what hinders the watches, by kind; empty when all is well."""
        return {str(informer.resource): informer.problem for informer in self._informers.values() if informer.problem}

    async def run(self) -> None:
        """Keep all kinds up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for informer in self._informers.values():
                self._start(informer)
            await asyncio.Event().wait()  # so that kinds can be added meanwhile

    async def wait_synced(self, seconds: float = 120.0) -> None:
        """Wait until it is known of every kind what exists, or of an optional one that it does not exist.

        Raises:
            NotSyncedError: It took too long; the message says which kinds are missing and why.
        """
        waiting = [asyncio.ensure_future(informer.wait_known()) for informer in self._informers.values()]
        if not waiting:
            return
        _, missing = await asyncio.wait(waiting, timeout=seconds)
        if missing:
            for task in missing:
                task.cancel()
            waiting_for = [informer for informer in self._informers.values() if not informer.synced]
            late = [informer for informer in waiting_for if not informer.absent] or waiting_for
            why = "; ".join(informer.problem or f"{informer.resource}: no answer yet" for informer in late)
            raise NotSyncedError(f"after {seconds:.0f} s not everything is listed: {why}")

    def _start(self, informer: Informer) -> None:
        if self._tasks is not None:
            self._tasks.create_task(Reflector(self._client, informer).run(), name=f"reflector {informer.resource}")

    def _watched(self, resource: Resource[T]) -> Informer:
        informer = self._informers.get(resource)
        if informer is None:
            raise NotWatchedError(f"{resource} are not watched")
        return informer

    def _ready(self, resource: Resource[T]) -> Informer:
        informer = self._watched(resource)
        if not informer.synced and not (informer.absent and informer.options.optional):
            raise NotSyncedError(informer.problem or f"{resource}: the first list is not complete")
        return informer

    def _note_write(self, resource: Resource[Any], raw: bytes) -> None:
        informer = self._informers.get(resource)
        if informer is not None and _read_kind(raw).kind == resource.kind:  # scale and others answer with other kinds
            informer.note_write(raw)

    def _note_delete(self, resource: Resource[Any], key: Key, uid: str) -> None:
        if (informer := self._informers.get(resource)) is not None:
            informer.note_delete(key, uid)
