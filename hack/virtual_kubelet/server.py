"""The kubelet's server: logs of containers, for the API server alone."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Cache, Key
from hack.virtual_kubelet.addresses import HOST
from hack.virtual_kubelet.kinds import PODS
from hack.virtual_kubelet.layout import NodeFolder
from hack.virtual_kubelet.states import Record, Running, Waiting, recall
from hack.virtual_kubelet.tail import start_of_last_lines

API_SERVER = "kube-apiserver-kubelet-client"
"""Common name of the certificate that the API server shows to kubelets."""
_REST = "/{path:.*}"
_POLL_S = 0.1
_CHUNK = 64 * 1024


class LogServer:
    """Serves ``/containerLogs``; a server of the manager's.

    Args:
        certificates: Folder with the cluster's certificates.
        folder: The node's files.
        port: Where it listens, on 127.0.0.1.
        cache: Knows the node's pods.
        record: Returns what is known of a container that runs here.
    """

    def __init__(
        self,
        certificates: Path,
        folder: NodeFolder,
        port: int,
        cache: Cache,
        record: Callable[[Key, str], Record | None],
    ) -> None:
        self._certificates = certificates
        self._folder = folder
        self._port = port
        self._cache = cache
        self._record = record
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application(middlewares=[_for_the_api_server])
        app.add_routes(
            [web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs), web.route("*", _REST, _refuse)]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port, ssl_context=_tls(self._certificates)).start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner:
            await self._runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        key = Key(request.match_info["namespace"], request.match_info["pod"])
        name, query = request.match_info["container"], request.query
        pod = self._cache.get(PODS, key)
        record = self._find(key, pod, name)
        if pod is None or record is None:
            raise web.HTTPNotFound(text=f'container "{name}" in pod "{key.name}" is not found\n')
        attempt = record.restarts - (query.get("previous") == "true")
        file = self._folder.pod(pod).log(name, attempt)
        if not file.exists():
            raise web.HTTPBadRequest(text=_missing(key, name, record, previous=query.get("previous") == "true"))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        lines = int(query["tailLines"]) if "tailLines" in query else None
        limit = int(query["limitBytes"]) if "limitBytes" in query else None
        with file.open("rb") as log:
            log.seek(start_of_last_lines(log, lines))
            while True:
                over = query.get("follow") != "true" or not self._runs(key, name, attempt)  # before the last look
                limit = await _send(response, log.read, limit)
                if over or limit == 0:
                    return response
                await asyncio.sleep(_POLL_S)

    def _find(self, key: Key, pod: Manifest | None, name: str) -> Record | None:
        """Return what is known of a container: from its run, else from the pod's status."""
        found = self._record(key, name)
        if found or pod is None:
            return found
        status = pod["status"]
        for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
            if container["name"] == name:
                return recall(container, container, Waiting(""), "")
        return None

    def _runs(self, key: Key, name: str, attempt: int) -> bool:
        record = self._record(key, name)
        return record is not None and isinstance(record.state, Running) and record.restarts == attempt


async def _refuse(request: web.Request) -> web.StreamResponse:
    """Refuse what a kubelet serves besides logs."""
    what = request.path.strip("/").partition("/")[0]
    raise web.HTTPNotFound(text=f"a virtual node does not support {what}: its pods are processes of this machine\n")


def _missing(key: Key, name: str, record: Record, *, previous: bool) -> str:
    if previous:
        return f'previous terminated container "{name}" in pod "{key.name}" not found\n'
    why = record.state.reason if isinstance(record.state, Waiting) else "its log does not exist"
    return f'container "{name}" in pod "{key.name}" is waiting to start: {why}\n'


async def _send(response: web.StreamResponse, read: Callable[[int], bytes], limit: int | None) -> int | None:
    """Send what there is to read, at most so many bytes; return how many may still be sent."""
    while limit != 0 and (chunk := read(_CHUNK if limit is None else min(_CHUNK, limit))):
        await response.write(chunk)
        limit = None if limit is None else limit - len(chunk)
    return limit


@web.middleware
async def _for_the_api_server(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse everybody else, who has a certificate of the cluster too."""
    certificate = request.transport and request.transport.get_extra_info("peercert")
    names = {pair for part in (certificate or {}).get("subject", ()) for pair in part}
    if ("commonName", API_SERVER) not in names:
        raise web.HTTPForbidden(text="only the API server may ask\n")
    return await handler(request)


def _tls(certificates: Path) -> ssl.SSLContext:
    """Return how the server shows who it is, and demands a certificate of the cluster."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.crt"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(certificates / "kubelet-serving.crt", certificates / "kubelet-serving.key")
    return tls
