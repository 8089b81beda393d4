"""A scripted API server.

`FakeApiServer` keeps objects as the real one does in all that a controller relies on: one counter of
resourceVersions, watches with a window, bookmarks and WatchList, pages, optimistic locks, generations, status
subresource, finalizers, preconditions. It does not validate, default or convert, and its server-side apply merges
without owners of fields.
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.resource import Key, Resource
from dgdr_controller.runtime.testing.patches import merged, operate
from dgdr_controller.runtime.testing.refusal import Refusal
from dgdr_controller.runtime.testing.storage import Body, Kind, Storage, bookmark, event, existing, later


@dataclass
class Fault:
    """What goes wrong with the next requests that match.

    Attributes:
        matches: Which requests.
        status: HTTP status of the answer; 0: as usual.
        times: For how many requests.
        headers: Of the answer.
        hang: Seconds before anything is answered.
        cut: Close the connection without an answer; ``late``: after having carried the request out.
        late: Whether the request is carried out before.
        body: Of the answer; empty: a Status.
    """

    matches: Callable[[web.Request], bool]
    status: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    cut: bool = False
    late: bool = False
    body: Body = field(default_factory=dict)


class FakeApiServer:
    """An API server in this event loop.

    Args:
        window: Events of a kind that a watch can go back.
        watch_list: Whether it can stream lists.

    Attributes:
        requests: Method, path and query of all requests so far.
        faults: What goes wrong.
        writes: Method, path and body of all writes that were carried out.
    """

    def __init__(self, *, window: int = 1000, watch_list: bool = True) -> None:
        self.watch_list = watch_list
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.writes: list[tuple[str, str, Body]] = []
        self.faults: list[Fault] = []
        self.config = Config("")
        self._storage = Storage(window)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.config = Config(f"http://127.0.0.1:{self._runner.addresses[0][1]}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop_watches()
        if self._runner:
            await self._runner.cleanup()

    # What tests do

    def serve(self, resource: Resource[Any], *, status: bool = False) -> None:
        """Know a kind, from now on."""
        self._storage.serve(resource, status=status)

    def unserve(self, resource: Resource[Any]) -> None:
        """Know a kind no more: its CustomResourceDefinition was deleted."""
        kind = self._storage.kinds.pop((resource.group, resource.plural))
        for queue in kind.watchers:
            queue.put_nowait(None)

    def put(self, resource: Resource[Any], manifest: Body) -> Body:
        """Create or replace an object as somebody else would."""
        kind = self._storage.kind(resource)
        metadata = manifest["metadata"]
        key = Key(metadata.get("namespace", ""), metadata["name"])
        return self._storage.store(kind, key, manifest, kind.objects.get(key))

    def remove(self, resource: Resource[Any], key: Key) -> None:
        """Delete an object as somebody else would."""
        self._storage.drop(self._storage.kind(resource), key)

    def object(self, resource: Resource[Any], key: Key) -> Body:
        """Return an object."""
        return copy.deepcopy(self._storage.kind(resource).objects[key])

    def objects(self, resource: Resource[Any]) -> list[Body]:
        """Return all objects of a kind."""
        return copy.deepcopy(list(self._storage.kind(resource).objects.values()))

    def forget_history(self) -> None:
        """Compact: watches cannot begin before now."""
        self._storage.forget_history()

    def drop_watches(self) -> None:
        """End all watches in good order."""
        for kind in self._storage.kinds.values():
            for queue in kind.watchers:
                queue.put_nowait(None)

    def send_line(self, resource: Resource[Any], line: bytes) -> None:
        """Send bytes to all who watch a kind."""
        for queue in self._storage.kind(resource).watchers:
            queue.put_nowait(line)

    @contextmanager
    def holding(self, resource: Resource[Any]) -> Iterator[list[bytes]]:
        """Let watches lag: what happens meanwhile is sent at the end."""
        kind = self._storage.kind(resource)
        kind.held = []
        try:
            yield kind.held
        finally:
            lines, kind.held = kind.held, None
            for line in lines:
                self.send_line(resource, line)

    def deafen(self, resource: Resource[Any]) -> None:
        """Let open watches stay open and never tell anything again, as when a network drops packets."""
        self._storage.kind(resource).watchers.clear()

    def bookmark(self) -> None:
        """Send a bookmark to everybody."""
        for kind in self._storage.kinds.values():
            for queue in kind.watchers:
                queue.put_nowait(bookmark(kind, self._storage.version))

    def turn_back(self, version: int) -> None:
        """Be restored from a backup without any object: versions count on from an earlier one."""
        self._storage.restore(version)

    # What it answers

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        fault = next((fault for fault in self.faults if fault.times > 0 and fault.matches(request)), None)
        if fault is not None:
            fault.times -= 1
            await asyncio.sleep(fault.hang)
            if fault.late:
                await self._answer(request)
            if fault.cut and request.transport:
                request.transport.close()
            if fault.status:
                body = fault.body or Refusal(fault.status, "Injected", "as the test wants it").body
                return web.json_response(body, status=fault.status, headers=fault.headers)
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if (discovered := self._discovery(request.path)) is not None:
            return web.json_response(discovered)
        try:
            kind, namespace, name, subresource = self._find(request.path)
            if request.method != "GET":
                body = json.loads(await request.read() or b"{}")
                answer = self._write(request, kind, Key(namespace, name), subresource, body)
                self.writes.append((request.method, request.path, body))
                return web.json_response(answer, status=201 if request.method == "POST" else 200)
            if name:
                found = existing(kind, Key(namespace, name))
                if "as=PartialObjectMetadata" in request.headers["Accept"]:
                    metadata = {"metadata": found["metadata"]}
                    found = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata"} | metadata
                return web.json_response(found)
            if request.query.get("watch") == "true":
                return await self._watch(request, kind, namespace)
            return self._list(request, kind, namespace)
        except Refusal as error:
            return web.json_response(error.body, status=error.status)

    def _discovery(self, path: str) -> Body | None:
        """Return what is told of groups, or of the kinds of one version; None: the path asks for something else."""
        if path == "/apis":
            groups = sorted({group for group, _ in self._storage.kinds if group})
            return {"kind": "APIGroupList", "groups": [{"name": group} for group in groups]}
        resources = [kind.resource for kind in self._storage.kinds.values()]
        known = [{"name": resource.plural} for resource in resources if resource.path().rpartition("/")[0] == path]
        return {"kind": "APIResourceList", "resources": known} if known else None

    def _find(self, path: str) -> tuple[Kind, str, str, str]:
        parts = path.strip("/").split("/")
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        if not rest:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:  # noqa: PLR2004 - namespaces/NAME/PLURAL
            namespace, rest = rest[1], rest[2:]
        kind = self._storage.kinds.get((group, rest[0]))
        if kind is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        padded = [*rest[1:], "", ""]
        return kind, namespace, padded[0], padded[1]

    def _write(self, request: web.Request, kind: Kind, key: Key, subresource: str, body: Any) -> Body:
        match request.method:
            case "POST":
                return self._storage.create(kind, key.namespace, body, keep="dryRun" not in request.query)
            case "PUT":
                return self._storage.change(kind, key, subresource, body)
            case "DELETE":
                return self._storage.delete(kind, key, body)
        content = request.content_type
        if content.startswith("application/apply") and key not in kind.objects:
            return self._storage.create(kind, key.namespace, body)
        changed = copy.deepcopy(existing(kind, key))
        if content.startswith("application/json-patch"):
            operate(changed, body)
        else:
            changed = merged(changed, body)
        return self._storage.change(kind, key, subresource, changed)

    def _list(self, request: web.Request, kind: Kind, namespace: str) -> web.Response:
        """Answer with a page; metadata comes after the items, as the real server has it for custom resources."""
        keys = [key for key in sorted(kind.objects) if namespace in ("", key.namespace)]
        begin, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "0")) or len(keys)
        items = [kind.objects[key] for key in keys[begin : begin + limit]]
        more = begin + limit < len(keys)
        metadata = {"resourceVersion": str(self._storage.version)} | ({"continue": str(begin + limit)} if more else {})
        return web.json_response({"kind": "List", "items": items, "metadata": metadata})

    async def _watch(self, request: web.Request, kind: Kind, namespace: str) -> web.StreamResponse:
        initial = request.query.get("sendInitialEvents") == "true"
        if initial and not self.watch_list:
            raise Refusal(422, "Invalid", "sendInitialEvents is forbidden for watch unless WatchList is enabled")
        since = int(request.query.get("resourceVersion") or "0")
        if since > self._storage.version:
            causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
            raise Refusal(504, "Timeout", "Too large resource version", {"causes": causes})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if not initial and since < kind.forgotten:
            await response.write(event("ERROR", Refusal(410, "Expired", "too old resource version").body))
            return response
        async with self._subscribed(kind, namespace) as queue:
            for line in self._storage.initial(kind, namespace) if initial else later(kind, namespace, since):
                queue.put_nowait(line)
            while (line_or_end := await queue.get()) is not None:
                await response.write(line_or_end)
        return response

    @asynccontextmanager
    async def _subscribed(self, kind: Kind, namespace: str) -> AsyncIterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        kind.watchers[queue] = namespace
        try:
            yield queue
        finally:
            kind.watchers.pop(queue, None)
