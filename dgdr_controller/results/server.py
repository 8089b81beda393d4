"""The results page of one request, served live on the loopback: who may forward a port to its pod reaches it."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from dgdr_api.names import ANNOTATION_DEPLOY, output_name
from dgdr_controller.kinds import CONFIG_MAPS, REQUESTS, ConfigMap, Graph
from dgdr_controller.profiling_job import output
from dgdr_controller.results.assets import PAGE, STATIC, read
from dgdr_controller.results.content import content
from dgdr_controller.results.requests_allowed import refusal
from dgdr_controller.results.snapshot import snapshot
from dgdr_controller.runtime import Cache, Client, ConflictError, Key, Resource, Result
from dgdr_controller.runtime.errors import ApiError, NotFoundError, RequestError
from dgdr_controller.settings import Settings

HEALTH = "/healthz"
_HOST = "127.0.0.1"
_ALIVE_S = 15.0
"""Seconds after which a silent stream says that it is alive: what forwards ports ends idle connections."""
_MOST_BYTES = 4096
_LOADED_BEFORE = '<script src="page.js" defer></script>'
_LIVE = '<script src="live/live.js" defer></script>'
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_NO_RESULTS = "There are no results yet"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ResultsPage:
    """Serves one request's page; a controller that calls `reconcile` tells it of every change.

    Args:
        cache: Has the request, its output and its deployment.
        client: Writes the annotation.
        key: The request.
        deployment: Its deployment.
        graphs: DynamoGraphDeployments in the version that the cluster serves.
        settings: What deployments are rendered with.
    """

    def __init__(
        self, cache: Cache, client: Client, key: Key, deployment: Key, graphs: Resource[Graph], settings: Settings
    ) -> None:
        self._cache, self._client, self._key, self._graphs = cache, client, key, graphs
        self._deployment = deployment
        self._settings, self._token = settings, secrets.token_urlsafe()
        self._changed, self._changes = asyncio.Condition(), 0
        self._content: tuple[str, str] = ("", "")

    async def reconcile(self, _: Key) -> Result:
        """Tell every open page that something has changed."""
        async with self._changed:
            self._changes += 1
            self._changed.notify_all()
        return Result.done()

    async def serve(self, port: int) -> None:
        """Serve until cancelled."""
        application = web.Application(middlewares=[self._guarded], client_max_size=_MOST_BYTES)
        application.add_routes(
            [
                web.get("/", self._page),
                web.get(HEALTH, self._health),
                web.get("/content", self._results),
                web.get("/events", self._events),
                web.post("/deploy", self._deploy),
                web.get("/{name:[a-z0-9.]+|live/[a-z]+\\.js|vendor/[a-z0-9.]+}", self._asset),
            ]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = None if request.method == "GET" else self._token
        if request.path != HEALTH and (reason := refusal(request.headers, token)):
            return _message(HTTPStatus.FORBIDDEN, reason)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _message(HTTPStatus(error.status), error.reason)

    async def _page(self, _: web.Request) -> web.Response:
        page = read(PAGE).replace(_LOADED_BEFORE, f"{_LIVE}\n{_LOADED_BEFORE}")
        head = f'<meta charset="utf-8">\n<meta name="dgdr-token" content="{self._token}">'
        title = f"<title>{self._key.name}</title>"
        page = page.replace('<meta charset="utf-8">', head).replace("<title></title>", title)
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = STATIC / name
        if path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound(reason="There is no such file")
        return web.Response(text=read(name), content_type=_TYPES[path.suffix], headers=_HEADERS)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _results(self, _: web.Request) -> web.Response:
        published = self._published()
        found = output.read(published) if published else None
        if published is None or found is None or not found.has_results or found.is_deployment:
            return _message(HTTPStatus.NOT_FOUND, _NO_RESULTS)
        version = published.metadata.resource_version or ""
        if self._content[0] != version:
            uid = next((owner.uid for owner in published.metadata.owner_references if owner.controller), None)
            try:
                text = await asyncio.to_thread(lambda: content(found.results(), self._settings, uid=uid))
            except ValueError as error:
                return _message(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}; use the page of the controller's version")
            self._content = version, text
        return web.Response(text=self._content[1], content_type="application/json", headers=_HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send the state, and send it again whenever it changes."""
        stream = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        sent = ""
        while True:
            seen = self._changes
            now = json.dumps(self._snapshot())
            await stream.write(f"data: {now}\n\n".encode() if now != sent else b": alive\n\n")
            sent = now
            async with self._changed:
                try:
                    await asyncio.wait_for(self._changed.wait_for(partial(self._is_newer, seen)), _ALIVE_S)
                except TimeoutError:
                    continue

    def _is_newer(self, seen: int) -> bool:
        return self._changes != seen

    async def _deploy(self, request: web.Request) -> web.Response:
        """Ask the controller to deploy a candidate of the request as the page has seen it."""
        try:
            asked = json.loads(await request.read())
            candidate, version = str(asked["candidate"]), str(asked["resourceVersion"])
        except (ValueError, KeyError, TypeError):
            return _message(HTTPStatus.BAD_REQUEST, "Expected a candidate and a resourceVersion")
        change = {"metadata": {"annotations": {ANNOTATION_DEPLOY: candidate}, "resourceVersion": version}}
        try:
            await self._client.patch(REQUESTS, self._key, change)
        except ConflictError:
            return _message(HTTPStatus.CONFLICT, "The request has changed; reload the page and try again")
        except NotFoundError:
            return _message(HTTPStatus.GONE, "The request was deleted")
        except ApiError as error:
            return _message(HTTPStatus.UNPROCESSABLE_ENTITY, f"The API server refuses it: {error.message}")
        except RequestError as error:
            return _message(HTTPStatus.BAD_GATEWAY, f"The API server does not answer: {error}")
        return _message(HTTPStatus.OK, f"Deploying {candidate}")

    def _published(self) -> ConfigMap | None:
        return self._cache.get(CONFIG_MAPS, Key(self._key.namespace, output_name(self._key.name)))

    def _snapshot(self) -> dict[str, Any]:
        try:
            request = self._cache.get(REQUESTS, self._key)
        except ValidationError:
            unreadable = "The request cannot be read: it is of another version than this page"
            return snapshot(None, None, None) | {"phase": "Unknown", "message": unreadable}
        return snapshot(request, self._published(), self._cache.get(self._graphs, self._deployment))


def _message(status: HTTPStatus, text: str) -> web.Response:
    return web.json_response({"message": text}, status=status, headers=_HEADERS)
