"""Requests to the API server in terms of objects."""

from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.decoding import Page, WatchEvent, read_event, read_page
from dgdr_controller.runtime.errors import NotFoundError, api_error
from dgdr_controller.runtime.resource import Key, Resource
from dgdr_controller.runtime.transport import JSON, Request, Transport

T = TypeVar("T")
Manifest = Mapping[str, object]
"""An object to write: JSON values, with ``metadata.name`` and, for namespaced kinds, ``metadata.namespace``."""
PAGE = 500
"""Objects for each request of a list."""
_IDLE_S = 150.0
"""A watch is silent for a minute at most: the API server sends a bookmark about that often."""
_METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""How the API server is asked for an object's metadata alone."""


class Propagation(StrEnum):
    """What becomes of the objects that a deleted object owns."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


class PatchType(StrEnum):
    """How a change is described."""

    MERGE = "application/merge-patch+json"
    """A part of the object; null removes a field."""
    JSON = "application/json-patch+json"
    """A list of operations."""
    APPLY = "application/apply-patch+yaml"


OnWrite = Callable[[Resource[Any], bytes], None]
OnDelete = Callable[[Resource[Any], Key, str], None]


class Client:
    """Reads and writes objects. Reads ask the API server; those of the cache cost nothing.

    All requests have a timeout. Reads, ``apply`` and whatever the server has certainly not carried out are repeated a
    few times, honouring ``Retry-After``.

    Args:
        config: Where to and who asks; or a transport, to share it or to choose timeouts.
        field_manager: Name under which the API server notes which fields are ours.

    Every method that talks to the server raises:
        ApiError: The server says no; see `errors` for the kinds.
        UnreachableError: No answer came.
        NotLeaderError: A write, and the lease is not ours.
    """

    def __init__(self, config: Config | Transport, *, field_manager: str = "dgdr-controller") -> None:
        self.transport = config if isinstance(config, Transport) else Transport(config)
        self.field_manager = field_manager
        self._on_write: list[OnWrite] = []
        self._on_delete: list[OnDelete] = []

    def observe(self, on_write: OnWrite, on_delete: OnDelete) -> None:
        """Have functions called after each write: with the object as it was stored; with key and uid of a deleted."""
        self._on_write.append(on_write)
        self._on_delete.append(on_delete)

    async def get(self, resource: Resource[T], key: Key, *, metadata_only: bool = False) -> T:
        """Return an object.

        Args:
            resource: The kind.
            key: Which.
            metadata_only: Whether the server leaves everything else out: what is not sent cannot leak.

        Raises:
            NotFoundError: There is none.
        """
        accept = _METADATA if metadata_only else JSON
        return resource.decode(await self.transport.send(Request("GET", quote(resource.path(*key)), {}, accept=accept)))

    async def list(
        self, resource: Resource[T], namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> tuple[T, ...]:
        """Return the objects of a namespace, or of all, fetched in pages."""
        found: list[T] = []
        token = ""
        while True:
            page = await self.page(
                resource, namespace, label_selector=label_selector, field_selector=field_selector, token=token
            )
            found.extend(resource.decode(bytes(raw)) for raw in page.items)
            token = page.token
            if not token:
                return tuple(found)

    async def page(
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        token: str = "",
        limit: int = PAGE,
    ) -> Page:
        """Return one page of a list, undecoded.

        Raises:
            ExpiredError: The token is too old: begin again.
        """
        params = _selectors(label_selector, field_selector) | {"limit": str(limit)}
        if token:
            params["continue"] = token
        return read_page(await self._send("GET", resource.path(namespace), params), resource)

    async def watch(
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        params: Mapping[str, str] | None = None,
        idle: float = _IDLE_S,
        length: float = 600.0,
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happens, undecoded, until the server ends the stream; `Cache` does what it takes to go on.

        Args:
            resource: The kind.
            namespace: Of which namespace; empty: of all.
            params: ``resourceVersion``, selectors, and so on.
            idle: Seconds of silence after which the connection counts as dead.
            length: Seconds that the server is asked to keep it.

        Raises:
            ExpiredError: The resourceVersion is too old: list again.
        """
        asked = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(max(1, int(length)))}
        lines = self.transport.stream(
            resource.path(namespace), asked | dict(params or {}), idle=idle, length=length + 30
        )
        async for line in lines:
            event = read_event(line)
            if event.type == "ERROR":
                raise api_error(0, bytes(event.object))
            yield event

    async def create(self, resource: Resource[T], manifest: Manifest, *, dry_run: bool = False) -> T:
        """Create an object; return it as stored.

        With ``metadata.generateName`` the server chooses a name.

        Raises:
            AlreadyExistsError: One of this name exists.
            InvalidError: The server refuses it; the causes name the fields.
        """
        params = {"fieldManager": self.field_manager} | ({"dryRun": "All"} if dry_run else {})
        path = resource.path(_key(resource, manifest).namespace)
        return self._written(resource, await self._send("POST", path, params, manifest), dry_run=dry_run)

    async def update(self, resource: Resource[T], manifest: Manifest, *, subresource: str = "") -> T:
        """Replace an object (or its status); ``metadata.resourceVersion`` says which state it replaces.

        Raises:
            ConflictError: It has changed meanwhile.
            NotFoundError: There is none.
        """
        path = resource.path(*_key(resource, manifest), subresource=subresource)
        params = {"fieldManager": self.field_manager}
        return self._written(resource, await self._send("PUT", path, params, manifest))

    async def patch(
        self,
        resource: Resource[T],
        key: Key,
        change: object,
        *,
        kind: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> T:
        """Change a part of an object.

        Args:
            resource: The kind.
            key: Which.
            change: A part of the object, with `PatchType.JSON` a list of operations. A ``metadata.resourceVersion``
                in it makes the server refuse if the object has changed since.
            kind: How the change is described.
            subresource: Such as ``status``.

        Raises:
            NotFoundError: There is none.
            ConflictError: The resourceVersion in the change is not the object's any more.
            InvalidError: The server refuses the outcome.
        """
        params = {"fieldManager": self.field_manager}
        path = resource.path(*key, subresource=subresource)
        return self._written(resource, await self._send("PATCH", path, params, change, content=kind))

    async def apply(
        self,
        resource: Resource[T],
        manifest: Manifest,
        *,
        field_manager: str = "",
        force: bool = True,
        subresource: str = "",
    ) -> T:
        """Make these fields be so, whether the object exists or not (server-side apply); return it as stored.

        Fields that an earlier apply of the same field manager set and that are absent now are removed. Applying the
        same again changes nothing, not even the resourceVersion. It never fails because of a missing object: with
        ``metadata.uid`` in the manifest it does so when the object is another one.

        Args:
            resource: The kind.
            manifest: The fields; ``apiVersion`` and ``kind`` are added.
            field_manager: Who wants them so; by default the client's.
            force: Take fields from other managers.
            subresource: Such as ``status``.

        Raises:
            ConflictError: Another manager owns a field, and ``force`` is not set.
            InvalidError: The server refuses the outcome.
        """
        body = {"apiVersion": resource.api_version, "kind": resource.kind} | dict(manifest)
        params = {"fieldManager": field_manager or self.field_manager, "force": "true" if force else "false"}
        path = resource.path(*_key(resource, manifest), subresource=subresource)
        return self._written(
            resource, await self._send("PATCH", path, params, body, content=PatchType.APPLY, idempotent=True)
        )

    async def patch_status(self, resource: Resource[T], key: Key, status: Manifest, *, resource_version: str) -> T:
        """Merge fields into the status of the object as it was at a resourceVersion; null removes a field.

        Raises:
            ConflictError: The object has changed since.
            NotFoundError: There is none.
        """
        change = {"metadata": {"resourceVersion": resource_version}, "status": status}
        return await self.patch(resource, key, change, subresource="status")

    async def replace_status(self, resource: Resource[T], key: Key, status: Manifest, *, resource_version: str) -> T:
        """Replace the whole status of the object as it was at a resourceVersion; what is not named is gone.

        Raises:
            ConflictError: The object has changed since.
            NotFoundError: There is none.
        """
        change = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self.patch(resource, key, change, kind=PatchType.JSON, subresource="status")

    async def delete(
        self,
        resource: Resource[T],
        key: Key,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> None:
        """Delete an object; one with finalizers is marked, and goes when they are gone.

        Args:
            resource: The kind.
            key: Which.
            uid: Delete this very object, not another one that got its name since.
            resource_version: Delete it only in this state.
            propagation: What becomes of the objects that it owns.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is another one, or in another state.
        """
        conditions = {name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        answer = await self._send(
            "DELETE", resource.path(*key), {}, body | ({"preconditions": conditions} if conditions else {})
        )
        gone = _deleted_uid(answer)
        if gone is None:  # the object itself: it waits for its finalizers
            self._written(resource, answer)
        else:
            for callback in self._on_delete:
                callback(resource, key, gone)

    async def get_raw(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """Return what the server answers at a path: logs of a pod, ``/version``, discovery."""
        return await self._send("GET", path, params)

    async def serves(self, resource: Resource[Any]) -> bool:
        """Say whether the server knows a kind, in this very version."""
        try:
            known = msgspec.json.decode(await self.get_raw(resource.path().rpartition("/")[0]), type=_Known)
        except NotFoundError:
            return False
        return any(listed.name == resource.plural for listed in known.resources)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    def _written(self, resource: Resource[T], raw: bytes, *, dry_run: bool = False) -> T:
        for callback in () if dry_run else self._on_write:
            callback(resource, raw)
        return resource.decode(raw)

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: object = None,
        *,
        content: str = JSON,
        idempotent: bool = False,
    ) -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        return await self.transport.send(Request(method, quote(path), params or {}, data, content, idempotent))


class _Known(msgspec.Struct):
    """What discovery tells of a group and version."""

    class Entry(msgspec.Struct):
        """One kind."""

        name: str

    resources: list[Entry] = []


class _Deleted(msgspec.Struct):
    class Details(msgspec.Struct):
        """About what."""

        uid: str = ""

    kind: str = ""
    details: Details | None = None


def _deleted_uid(answer: bytes) -> str | None:
    """Return the uid of an object that is gone; None when the answer is the object itself, which is not yet."""
    found = msgspec.json.decode(answer, type=_Deleted)
    return None if found.kind != "Status" else (found.details.uid if found.details else "")


def _key(resource: Resource[T], manifest: Manifest) -> Key:
    """Return what a manifest is named.

    Raises:
        ValueError: It has no name, or a namespaced one no namespace.
    """
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        raise TypeError(f"a manifest of {resource} without metadata")
    namespace = metadata.get("namespace", "")
    if resource.namespaced and not namespace:
        raise ValueError(f"{resource} {metadata.get('name')}: which namespace?")
    return Key(namespace, metadata.get("name", ""))


def _selectors(labels: str, fields: str) -> dict[str, str]:
    pairs = (("labelSelector", labels), ("fieldSelector", fields))
    return {name: value for name, value in pairs if value}
