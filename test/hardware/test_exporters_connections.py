"""Connections to DCGM exporters: none is left open, however an exporter answers."""

import asyncio

import pytest
from aiohttp import web

from dgdr_controller.hardware.exporters import Exporter, ask
from dgdr_controller.runtime.testing import real_time, until
from test.builders.expositions import H100

ANSWERS = {
    "metrics": (200, H100),
    "HTTP error": (404, "no such page"),
    "no exposition": (200, "<html>login</html>"),
    "metrics of no GPU": (200, 'process_cpu_seconds_total{pod="a"} 1\n'),
}


@pytest.mark.parametrize("answer", ANSWERS)
@real_time
async def test_connection_is_closed_after_the_answer(answer: str) -> None:
    status, text = ANSWERS[answer]
    transports: list[asyncio.Transport] = []

    async def metrics(request: web.Request) -> web.Response:
        assert request.transport is not None
        transports.append(request.transport)
        return web.Response(text=text, status=status)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
        found = await ask([Exporter("gpu-operator/dcgm", "node", url)])
        assert isinstance(found["node"], str) is (answer != "metrics")
        (transport,) = transports
        await until(transport.is_closing)
    finally:
        await runner.cleanup()
