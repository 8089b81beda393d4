"""A reverse proxy between a controller and the real API server, which makes requests and watches go wrong."""

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from dgdr_controller.runtime import Config
from test.builders.chaos.relay import relay
from test.builders.chaos.request_faults import Call, RequestFault, RequestFaults
from test.builders.chaos.stream_faults import History, StreamFaults, StreamPlan

_REASONS = {
    RequestFault.TOO_MANY: "TooManyRequests",
    RequestFault.FAILED: "InternalError",
    RequestFault.UNAVAILABLE: "ServiceUnavailable",
    RequestFault.TIMED_OUT: "Timeout",
}
_CARRIED_OUT = (RequestFault.RESET, RequestFault.SILENT)
_HOP_BY_HOP = frozenset(("connection", "host", "content-length", "transfer-encoding", "keep-alive", "content-encoding"))
_ERROR = 400
_BUFFER = 2**20

After = Callable[[Call, int], Awaitable[bool]]
"""Called with a write and the status of its answer before the answer is passed on; says whether it is lost."""


class Proxy:
    """Answers on a port of the loopback network. All in one event loop.

    Args:
        config: The API server behind it, and as whom it is asked.
        requests: Which requests go wrong; None: none.
        streams: How watches go wrong; None: not at all.
        seed: For the watches; other seeds choose other lines.
        hold_s: Seconds until a connection is closed on which no answer comes; longer than a client's own time-out to
            have that one tested.
        after: Called after each write.
        namespaces: Watches tell of these alone, so that controllers can work beside each other; None: of all.

    Attributes:
        counts: How often each fault happened, and ``requests``: how many came, ``faulted``: how many went wrong.
        writes: How many writes were passed on to the API server, by what.
    """

    def __init__(  # noqa: PLR0913 - each is named at every call
        self,
        config: Config,
        *,
        requests: RequestFaults | None = None,
        streams: StreamFaults | None = None,
        seed: int = 0,
        hold_s: float = 40.0,
        after: After | None = None,
        namespaces: Container[str] | None = None,
    ) -> None:
        self._upstream, self._requests, self._streams = config, requests, streams
        self._seed, self._hold_s, self._after = seed, hold_s, after
        self._namespaces = namespaces
        self._history = History()
        self.counts = self._history.counts
        self.writes: Counter[Call] = Counter()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def config(self) -> Config:
        """The API server, as who uses the proxy sees it."""
        assert self._runner, "the proxy has not started"
        return Config(f"http://127.0.0.1:{self._runner.addresses[0][1]}")

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads to the proxy."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.config.server}}],
            "users": [{"name": "nobody", "user": {}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._upstream.tls or False, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), read_bufsize=_BUFFER
        )
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(request.method, request.path, dry_run="dryRun" in request.query)
        if request.query.get("watch") == "true":
            return await self._follow(request)
        self.counts["requests"] += 1
        fault = self._requests.next(call) if self._requests else None
        if fault is not None:
            self.counts["faulted"] += 1
            self.counts[fault.value] += 1
            return await self._spoil(request, call, fault)
        return await self._pass_on(request, call)

    async def _spoil(self, request: web.BaseRequest, call: Call, fault: RequestFault) -> web.StreamResponse:
        if reason := _REASONS.get(fault):
            return _refusal(int(fault.value), reason)
        if fault is RequestFault.CONFLICT:
            await self._touch(call)
            return await self._pass_on(request, call)
        if fault in _CARRIED_OUT:
            await self._pass_on(request, call)
        if fault is not RequestFault.RESET:
            await asyncio.sleep(self._hold_s)
        return _reset(request)

    async def _touch(self, call: Call) -> None:
        """Change the object whose status is about to be written, as somebody else would."""
        change = {"metadata": {"annotations": {"example.com/touched": str(self.counts[RequestFault.CONFLICT.value])}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        url = URL(self._upstream.server + call.path.removesuffix("/status"), encoded=True)
        async with self._open().patch(url, data=json.dumps(change), headers=headers) as answer:
            await answer.read()

    async def _pass_on(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        body = await request.content.read()
        if call.writes:
            self.writes[call] += 1
        try:
            async with self._open().request(
                request.method, self._url(request), data=body or None, headers=_passed_on(request.headers)
            ) as answer:
                content, status, headers = await answer.read(), answer.status, _passed_on(answer.headers)
        except aiohttp.ClientError:
            self.counts["upstream lost"] += 1
            return _reset(request)
        if self._after and call.writes and await self._after(call, status):
            return _reset(request)
        return web.Response(status=status, body=content, headers=headers)

    async def _follow(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            async with self._open().get(self._url(request), headers=_passed_on(request.headers)) as answer:
                if answer.status >= _ERROR:
                    return web.Response(
                        status=answer.status, body=await answer.read(), headers=_passed_on(answer.headers)
                    )
                await response.prepare(request)
                await self._relay(answer.content, response, request)
        except ConnectionResetError:  # the controller has gone
            return response
        except aiohttp.ClientError:
            self.counts["upstream lost"] += 1
            return _reset(request)
        return response

    async def _relay(
        self, content: aiohttp.StreamReader, response: web.StreamResponse, request: web.BaseRequest
    ) -> None:
        """Pass lines on until either side ends, or a fault ends the stream."""
        if self._streams is None and self._namespaces is None:
            async for chunk in content.iter_any():
                await response.write(chunk)
            return
        lists = request.query.get("sendInitialEvents") == "true"
        plan = StreamPlan(
            self._streams or StreamFaults(),
            self._seed,
            request.path,
            self._history,
            lists=lists,
            namespaces=self._namespaces,
        )
        await relay(content, response.write, plan)

    def _url(self, request: web.BaseRequest) -> URL:
        return URL(self._upstream.server + request.raw_path, encoded=True)

    def _open(self) -> aiohttp.ClientSession:
        assert self._session, "the proxy has not started"
        return self._session


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _refusal(status: int, reason: str) -> web.Response:
    """Return an answer of an API server that does not want or cannot."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status}
    body |= {"reason": reason, "message": f"chaos: {reason}"}
    headers = {"Retry-After": "1"} if status == int(RequestFault.TOO_MANY.value) else {}
    return web.json_response(body, status=status, headers=headers)


def _reset(request: web.BaseRequest) -> web.Response:
    """Reset the connection; the answer that is returned reaches nobody."""
    if (transport := request.transport) is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)
