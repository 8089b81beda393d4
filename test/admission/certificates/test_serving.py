"""A real TLS server on the loopback, certificates that live for seconds, clients that trust what was published."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509

from dgdr_controller.admission.certificates import Lifetimes, ServingCertificates
from dgdr_controller.admission.certificates.rotation import renewed
from dgdr_controller.runtime.testing import FakeApiServer, real_time, until

SECOND = timedelta(seconds=1)
LIFETIMES = Lifetimes(14 * SECOND, 14 * SECOND, SECOND, 2 * SECOND)
LATE_S = 0.7
"""How old what a client trusts may be: less than an overlap."""


@asynccontextmanager
async def listening(certificates: ServingCertificates) -> AsyncIterator[int]:
    """A server; its port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="admitted")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Client:
    """Trusts, for each connection, the bundle as it was published a while ago, as an API server may."""

    def __init__(self, it: Any, port: int, name: str) -> None:
        self.it, self.port, self.name = it, port, name
        self.published: list[tuple[float, bytes]] = [(0.0, it.bundles[-1])]
        self.shown: list[x509.Certificate] = []
        self.asks = True

    async def watch(self) -> None:
        while self.asks:
            if (bundle := self.it.bundles[-1]) != self.published[-1][1]:
                self.published.append((time.monotonic(), bundle))
            await asyncio.sleep(0.01)

    async def ask(self) -> None:
        while self.asks:  # and is not cancelled: a TLS handshake that is cut off leaves its socket to the collector
            trusted = [bundle for since, bundle in self.published if since < time.monotonic() - LATE_S][-1]
            async with self.connected(trusted) as (reader, writer):
                assert await asked(reader, writer)
                secured = writer.get_extra_info("ssl_object")
                self.shown.append(x509.load_der_x509_certificate(secured.getpeercert(binary_form=True)))
            await asyncio.sleep(0.01)

    async def hold_on(self) -> None:
        """Ask over one connection all the time."""
        async with self.connected(self.published[0][1]) as (reader, writer):
            while self.asks:
                assert await asked(reader, writer)
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def connected(self, trusted: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=trusted.decode())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=self.name)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(8) == b"admitted"


@real_time
async def test_server_refuses_no_request_while_certificates_rotate(installation: Any, name: str) -> None:
    names = [name, f"{name}.cluster.local"]
    grown_old = renewed(None, names, datetime.now(UTC) - 7 * SECOND, LIFETIMES)  # in a second or two all is due
    async with FakeApiServer() as server, asyncio.timeout(20):
        it = installation(server)
        parts = {"tls.crt": "certificate", "tls.key": "key", "ca.crt": "bundle", "ca.key": "authority_key"}
        it.hold(**{part: getattr(grown_old, field) for part, field in parts.items()})
        certificates = it.replica(datetime.now(UTC), LIFETIMES)
        await certificates.start()
        async with listening(certificates) as port, asyncio.TaskGroup() as group:
            client = Client(it, port, name)
            for call in (client.watch(), client.hold_on(), *(client.ask() for _ in range(3))):
                group.create_task(call)
            await until(lambda: grown_old.bundle not in it.bundles[-1], 15)  # only the new CA is left
            await asyncio.sleep(LATE_S)
            client.asks = False
        await certificates.stop()
    sizes = [bundle.count(b"BEGIN CERTIFICATE") for _, bundle in client.published]
    assert sizes == [1, 2, 1]
    assert len(client.shown) > 100
    assert len(dict.fromkeys(client.shown)) == 3  # as it was, once more by the old CA, and by the new one
    assert len({certificate.issuer for certificate in client.shown}) == 2
