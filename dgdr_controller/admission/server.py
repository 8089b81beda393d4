"""The HTTPS server that the API server asks: conversion, defaulting, validation."""

import asyncio
import functools
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from dgdr_api.text import printable
from dgdr_controller.admission import conversion, review
from dgdr_controller.admission.defaulting import default
from dgdr_controller.admission.envelope import UnreadableReviewError
from dgdr_controller.admission.metrics import DENIALS, IN_FLIGHT, LATENCY, REQUESTS
from dgdr_controller.admission.validation import admit
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.settings import HardwareSettings

CONVERT = "/convert"
DEFAULT = "/mutate-nvidia-com-v1beta1-dynamographdeploymentrequest"
VALIDATE = "/validate-nvidia-com-v1beta1-dynamographdeploymentrequest"
"""Paths are those of Dynamo's operator."""

MAX_REVIEW = 7 * 2**20
"""Bytes of an AdmissionReview: two objects of the size that etcd takes, with room (controller-runtime's limit)."""
MAX_CONVERSION = 32 * 2**20
"""Bytes of a ConversionReview: a page of 500 requests with their results."""
LARGE = 64 * 2**10
"""Bytes of a review that takes so long that it is answered in a thread: the loop renews the leader's lease, too."""
_DRAIN_S = 5.0

Answer = Callable[[bytes], tuple[bytes, bool]]
log = get_logger(__name__)


class WebhookServer:
    """Answers the API server; a `runtime.Server`.

    Args:
        address: Where it listens, ``host:port`` or ``:port``.
        tls: With its certificate, when it starts.
        hardware: Whether GPUs are looked for where a request does not describe them.

    Attributes:
        port: The port that it listens on, once it does.
    """

    def __init__(self, address: str, tls: ssl.SSLContext, hardware: HardwareSettings) -> None:
        self._address = address
        self._hardware = hardware
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; return when it does.

        Raises:
            OSError: The address is in use.
        """
        runner = web.AppRunner(application(self._hardware), access_log=None, shutdown_timeout=_DRAIN_S)
        await runner.setup()
        host, _, port = self._address.rpartition(":")
        site = web.TCPSite(runner, host or None, int(port), ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner
        log.info("Serving webhooks", address=self._address)

    async def stop(self) -> None:
        """Answer what was asked, and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def check(self) -> str:
        """Say what is wrong, for a probe."""
        return "" if self._runner is not None else "webhooks are not served"


def application(hardware: HardwareSettings) -> web.Application:
    """Return the application behind the server, without its TLS."""
    app = web.Application(client_max_size=MAX_CONVERSION)
    validate = functools.partial(admit, hardware=hardware)
    turn = asyncio.Semaphore()  # one for all: each large review slows the loop down
    app.add_routes(
        [
            web.post(path, _endpoint(_Webhook(name, answer, most, turn)))
            for path, name, answer, most in (
                (CONVERT, "convert", conversion.answer, MAX_CONVERSION),
                (DEFAULT, "default", functools.partial(review.answer, handler=default), MAX_REVIEW),
                (VALIDATE, "validate", functools.partial(review.answer, handler=validate), MAX_REVIEW),
            )
        ]
    )
    return app


@dataclass(frozen=True, slots=True)
class _Webhook:
    """What is behind one path.

    Attributes:
        name: Its name in metrics.
        function: From the body of a review to that of the answer, and whether it is none of denial or failure.
        most: Bytes that a review may have.
        turn: Who has it answers a large review.
    """

    name: str
    function: Answer
    most: int
    turn: asyncio.Semaphore

    async def answer(self, body: bytes) -> tuple[bytes, bool]:
        """Answer a review, a large one in a thread."""
        if len(body) <= LARGE:
            return self.function(body)
        async with self.turn:
            return await asyncio.to_thread(self.function, body)


def _endpoint(webhook: _Webhook) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler of HTTP: 200 with an answer, or 400 and the reason; of every request the metrics."""
    DENIALS.labels(webhook.name)  # begins at zero: Prometheus sees no increase where a series begins

    async def handle(request: web.Request) -> web.Response:
        begun = time.perf_counter()
        with IN_FLIGHT.labels(webhook.name).track_inprogress():
            response = await _respond(webhook, request)
        LATENCY.labels(webhook.name).observe(time.perf_counter() - begun)
        REQUESTS.labels(webhook.name, str(response.status)).inc()
        return response

    return handle


async def _respond(webhook: _Webhook, request: web.Request) -> web.Response:
    try:
        answered, agreed = await webhook.answer(await _body(request, webhook.most))
    except web.HTTPRequestEntityTooLarge:
        return web.Response(status=413, text=f"a review may have {webhook.most} bytes\n")
    except UnreadableReviewError as error:
        return _unreadable(str(error))
    except Exception as error:
        log.exception("Cannot answer a review", webhook=webhook.name)
        return _unreadable(f"internal error of dgdr-controller: {type(error).__name__}")
    if not agreed:
        DENIALS.labels(webhook.name).inc()
    return web.Response(body=answered, content_type="application/json")


async def _body(request: web.Request, most: int) -> bytes:
    if request.content_type != "application/json":
        raise UnreadableReviewError(f"expected application/json, got {request.content_type}")
    announced = request.content_length or 0
    if announced > most:
        raise web.HTTPRequestEntityTooLarge(most, announced)
    try:
        body = await request.read()
    except (web.RequestPayloadError, OSError) as error:  # it is not encoded as it says, or its sender is gone
        raise UnreadableReviewError(f"the body cannot be read: {error}") from None
    if len(body) > most:
        raise web.HTTPRequestEntityTooLarge(most, len(body))
    return body


def _unreadable(reason: str) -> web.Response:
    return web.Response(status=400, text=f"{printable(reason)}\n")
