"""The HTTPS server that the API server asks: conversion, defaulting, validation."""

import logging
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from dgdr_controller.admission import conversion, review
from dgdr_controller.admission.defaulting import default
from dgdr_controller.admission.metrics import DENIALS, IN_FLIGHT, LATENCY, REQUESTS
from dgdr_controller.admission.review import Handler, UnreadableReviewError
from dgdr_controller.admission.validation import admit

CONVERT = "/convert"
DEFAULT = "/mutate-nvidia-com-v1beta1-dynamographdeploymentrequest"
VALIDATE = "/validate-nvidia-com-v1beta1-dynamographdeploymentrequest"
"""Paths are upstream's (dynamo-api-facts §6)."""

MAX_REVIEW = 7 * 2**20
"""Bytes of an AdmissionReview: two objects of the size that etcd takes, with room (controller-runtime's limit)."""
MAX_CONVERSION = 32 * 2**20
"""Bytes of a ConversionReview: a page of 500 requests with their results."""
_DRAIN_S = 5.0

Answer = Callable[[bytes], Awaitable[tuple[bytes, bool]]]
log = logging.getLogger(__name__)


class WebhookServer:
    """Answers the API server; a `runtime.Server`.

    Args:
        address: Where it listens, ``host:port`` or ``:port``.
        tls: With its certificate, when it starts.

    Attributes:
        port: The port that it listens on, once it does.
    """

    def __init__(self, address: str, tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; return when it does.

        Raises:
            OSError: The address is in use.
        """
        runner = web.AppRunner(application(), access_log=None, shutdown_timeout=_DRAIN_S)
        await runner.setup()
        host, _, port = self._address.rpartition(":")
        site = web.TCPSite(runner, host or None, int(port), ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner
        log.info("webhooks are served on %s", self._address)

    async def stop(self) -> None:
        """Answer what was asked, and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def check(self) -> str:
        """Say what is wrong, for a probe."""
        return "" if self._runner is not None else "webhooks are not served"


def application() -> web.Application:
    """Return the application behind the server, without its TLS."""
    app = web.Application(client_max_size=MAX_CONVERSION)
    app.add_routes(
        [
            web.post(CONVERT, _endpoint("convert", conversion.answer, MAX_CONVERSION)),
            web.post(DEFAULT, _endpoint("default", _reviewed(default), MAX_REVIEW)),
            web.post(VALIDATE, _endpoint("validate", _reviewed(admit), MAX_REVIEW)),
        ]
    )
    return app


def _reviewed(handler: Handler) -> Answer:
    async def answer(body: bytes) -> tuple[bytes, bool]:
        return review.answer(body, handler)

    return answer


def _endpoint(name: str, answer: Answer, most: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler of HTTP: 200 with an answer, or 400 and the reason; of every request the metrics."""

    async def handle(request: web.Request) -> web.Response:
        begun = time.perf_counter()
        with IN_FLIGHT.labels(name).track_inprogress():
            response = await _respond(name, request, answer, most)
        LATENCY.labels(name).observe(time.perf_counter() - begun)
        REQUESTS.labels(name, str(response.status)).inc()
        return response

    return handle


async def _respond(name: str, request: web.Request, answer: Answer, most: int) -> web.Response:
    if request.content_type != "application/json":
        return web.Response(status=400, text=f"expected application/json, got {request.content_type}\n")
    if (request.content_length or 0) > most:
        return _too_large(most)
    try:
        body = await request.read()
        if len(body) > most:
            return _too_large(most)
        answered, agreed = await answer(body)
    except UnreadableReviewError as error:
        return web.Response(status=400, text=f"{error}\n")
    except web.HTTPRequestEntityTooLarge:
        return _too_large(most)
    if not agreed:
        DENIALS.labels(name).inc()
    return web.Response(body=answered, content_type="application/json")


def _too_large(most: int) -> web.Response:
    return web.Response(status=413, text=f"a review may have {most} bytes\n")
