"""DCGM exporters that answer, do not, or answer nonsense, each a server on an address of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from dgdr_controller.hardware import exporters
from dgdr_controller.hardware.dcgm import Measured
from dgdr_controller.hardware.exporters import Exporter, ask, find
from dgdr_controller.hardware.inventory import Inventory
from dgdr_controller.hardware.metrics import LAST_UPDATE, SCRAPE_FAILURES
from dgdr_controller.kinds import PODS
from dgdr_controller.runtime import Client
from dgdr_controller.runtime.testing import FakeApiServer, real_time, until, virtual_time
from test.builders.expositions import GB200, H100

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def text(content: str, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=content, status=status)

    return answer


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError("unreachable")


async def elsewhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/other")


@asynccontextmanager
async def serving(**answers: Answer) -> AsyncIterator[list[Exporter]]:
    runners, found = [], []
    for node, answer in answers.items():
        app = web.Application()
        app.router.add_get("/metrics", answer)
        app.router.add_get("/other", text(H100))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        found.append(Exporter(f"gpu-operator/dcgm-{node}", node, f"http://127.0.0.1:{port}/metrics"))
    try:
        yield found
    finally:
        for runner in runners:
            await runner.cleanup()


@real_time
async def test_exporters_are_asked_at_once_and_each_failure_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "_TIMEOUT_S", 0.5)
    answers = {
        "good": text(H100), "broken": text("down", 503), "odd": text("<html>"), "silent": never, "large": text("x" * 2**23),
        "moved": elsewhere,
    }  # fmt: skip
    async with serving(**answers) as found:
        gone = Exporter("gpu-operator/dcgm-gone", "gone", "http://127.0.0.1:1/metrics")
        began = time.monotonic()
        asked = dict(await ask([*found, gone]))
        took = time.monotonic() - began
    assert asked["good"] == Measured("NVIDIA H100 80GB HBM3", 81_559, "nvlink", is_partitioned=False)
    assert asked["broken"] == "gpu-operator/dcgm-broken answers with status 503"
    assert asked["moved"] == "gpu-operator/dcgm-moved answers with status 302"
    assert asked["odd"] == "gpu-operator/dcgm-odd: its metrics name no GPU"
    assert asked["silent"] == "gpu-operator/dcgm-silent does not answer within 0.5 s"
    assert asked["large"] == "gpu-operator/dcgm-large answers with more than 4194304 bytes"
    assert str(asked["gone"]).startswith("gpu-operator/dcgm-gone cannot be reached: ")
    assert took < 8, "they are asked at once"


@real_time
async def test_sixty_silent_exporters_take_no_longer_than_all_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "_TOTAL_S", 1.0)
    async with serving(silent=never) as (one,):
        many = [Exporter(f"n/dcgm-{number:02}", f"node-{number:02}", one.url) for number in range(60)]
        began = time.monotonic()
        asked = await ask(many)
        assert time.monotonic() - began < 8
    assert set(asked.values()) == {f"n/dcgm-{number:02}: no answer within 1 s" for number in range(60)}


@real_time
async def test_second_exporter_of_a_node_counts_where_the_first_is_silent() -> None:
    async with serving(first=text("", 500), second=text(GB200)) as (first, second):
        both = [Exporter(first.name, "node", first.url), Exporter(second.name, "node", second.url)]
        assert isinstance((await ask(both))["node"], Measured)
        assert isinstance((await ask(reversed(both)))["node"], Measured)
    assert await ask([]) == {}


def pod(
    name: str, labels: dict[str, str], *, phase: str = "Running", ip: str = "10.0.0.7", **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "gpu-operator", "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]} | spec,
        "status": {"phase": phase, "podIP": ip},
    }


def requesting(name: str, gpus: str, node: str = "n1", phase: str = "Running") -> dict[str, Any]:
    container = {"name": "c", "resources": {"requests": {"nvidia.com/gpu": gpus, "cpu": "1"}}}
    return pod(name, {}, phase=phase, nodeName=node, containers=[container])


NVIDIA = {"app": "nvidia-dcgm-exporter"}
CHART = {"app.kubernetes.io/name": "dcgm-exporter"}
PORTS = [{"name": "c", "ports": [{"name": "http", "containerPort": 80}, {"name": "metrics", "containerPort": 9401}]}]


@virtual_time
async def test_exporters_are_found_where_they_run() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(PODS)
        for manifest in (
            pod("a", NVIDIA), pod("b", CHART, ip="fd00::7", containers=PORTS), pod("c", NVIDIA | CHART, phase="Pending"),
            pod("d", NVIDIA, ip=""),
        ):  # fmt: skip
            server.put(PODS, manifest)
        assert await find(client) == [
            Exporter("gpu-operator/a", "n1", "http://10.0.0.7:9400/metrics"),
            Exporter("gpu-operator/b", "n1", "http://[fd00::7]:9401/metrics"),
        ]


@virtual_time
async def test_inventory_looks_again_when_somebody_asks_and_a_minute_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, looks = [0.0], []

    async def looked(_: object) -> dict[str, str]:
        looks.append(now[0])
        return {"n1": "gpu-operator/a does not answer within 3 s"}

    monkeypatch.setattr(exporters, "ask", looked)
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(PODS)
        for manifest in (
            requesting("a", "4"),
            requesting("b", "2"),
            requesting("c", "1", node=""),
            requesting("d", "x"),
        ):
            server.put(PODS, manifest)
        failures = SCRAPE_FAILURES._value.get()
        inventory = Inventory(client, lambda: now[0])
        assert inventory.snapshot() is None
        task = asyncio.create_task(inventory.run())
        await until(lambda: inventory.snapshot() is not None)
        found = inventory.snapshot()
        assert found is not None
        assert (found.measured, found.used) == ({"n1": "gpu-operator/a does not answer within 3 s"}, {"n1": 6})
        now[0] = 59.0
        inventory.snapshot()
        now[0] = 61.0
        inventory.snapshot()
        await until(lambda: len(looks) == 2)
        assert looks == [0.0, 61.0]
        assert SCRAPE_FAILURES._value.get() == failures + 2
        assert LAST_UPDATE._value.get() > 0
        task.cancel()


@virtual_time
async def test_inventory_that_cannot_look_keeps_no_request_waiting() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        inventory = Inventory(client)
        task = asyncio.create_task(inventory.run())
        await until(lambda: inventory.snapshot() is not None)
        found = inventory.snapshot()
        assert found is not None
        assert (found.measured, found.used) == ({}, None)
        task.cancel()


@pytest.mark.parametrize(("took", "again"), [(0.0, 5.0), (1.0, 20.0), (2.0, 40.0)])
@virtual_time
async def test_used_gpus_are_counted_again_the_sooner_the_faster_that_is(
    took: float, again: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [0.0], []

    async def looked(_: object) -> dict[str, str]:
        asked.append(now[0])
        return {}

    async def counted(_: object) -> dict[str, int]:
        now[0] += took
        return {"n1": int(now[0])}

    monkeypatch.setattr(exporters, "ask", looked)
    monkeypatch.setattr(Inventory, "_used", counted)
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(PODS)
        inventory = Inventory(client, lambda: now[0])
        task = asyncio.create_task(inventory.run())
        await until(lambda: inventory.snapshot() is not None)
        first = inventory.snapshot()
        now[0] += again - 0.1
        inventory.snapshot()
        await asyncio.sleep(1)
        assert inventory.snapshot() is first
        now[0] += 0.1
        inventory.snapshot()
        await until(lambda: inventory.snapshot() is not first)
        assert asked == [0.0]  # exporters are not asked again before a minute has passed
        task.cancel()
