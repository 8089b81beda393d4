import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dgdr_controller.runtime import Client, EventRecorder, Key, Reference
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.testing import FakeApiServer, Fault, virtual_time

ABOUT = Reference("example.com/v1", "Widget", Key("ns", "a"), "uid-a", "7")


@asynccontextmanager
async def recording(server: FakeApiServer) -> AsyncIterator[EventRecorder]:
    server.serve(EVENTS)
    client = Client(server.config)
    recorder = EventRecorder(client, "tester")
    task = asyncio.ensure_future(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await client.close()


def events(server: FakeApiServer) -> list[dict[str, Any]]:
    return server.objects(EVENTS)


@virtual_time
async def test_event_that_recurs_counts_up() -> None:
    async with FakeApiServer() as server, recording(server) as recorder:
        for _ in range(3):
            recorder.normal(ABOUT, "Made", "made it")
            await asyncio.sleep(60)
        (event,) = events(server)
        assert event["count"] == 3
        assert event["involvedObject"]["uid"] == "uid-a"
        assert (event["type"], event["reason"], event["message"]) == ("Normal", "Made", "made it")
        assert event["metadata"]["namespace"] == "ns"
        recorder.warning(ABOUT, "Broke", "x" * 2000)
        await recorder.drain(10)
        assert sorted(len(event["message"]) for event in events(server)) == [7, 1024]


@virtual_time
async def test_flood_becomes_few_writes() -> None:
    async with FakeApiServer() as server, recording(server) as recorder:
        for _ in range(10_000):
            recorder.normal(ABOUT, "Made", "made it")
        await recorder.drain(60)
        assert len(server.writes) <= 26
        other = Reference("example.com/v1", "Widget", Key("ns", "b"), "uid-b")
        recorder.normal(other, "Made", "made it")
        await recorder.drain(60)
        assert len(events(server)) == 2
        await asyncio.sleep(301)  # one more is allowed
        before = len(server.writes)
        for _ in range(5):
            recorder.normal(ABOUT, "Made", "made it")
        await recorder.drain(60)
        assert len(server.writes) == before + 1


@virtual_time
async def test_similar_events_are_merged() -> None:
    async with FakeApiServer() as server, recording(server) as recorder:
        for number in range(20):
            recorder.normal(ABOUT, "Made", f"made number {number}")
        await recorder.drain(60)
        merged = [event for event in events(server) if event["message"].startswith("(combined")]
        assert len(events(server)) == 11
        assert [event["count"] for event in merged] == [10]
        assert merged[0]["message"].endswith("made number 19")


@virtual_time
async def test_event_waits_for_the_server_but_not_for_permission(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeApiServer() as server, recording(server) as recorder:
        server.faults.append(Fault(lambda _: True, 503, times=3))
        recorder.normal(ABOUT, "Made", "made it")
        await recorder.drain(60)
        assert len(events(server)) == 1
        server.faults.append(Fault(lambda _: True, 403))
        recorder.normal(ABOUT, "Other", "made it")
        await recorder.drain(60)
        assert len(events(server)) == 1
        assert "refused" in caplog.text


@virtual_time
async def test_event_that_expired_is_written_anew() -> None:
    async with FakeApiServer() as server, recording(server) as recorder:
        recorder.normal(ABOUT, "Made", "made it")
        await recorder.drain(60)
        (event,) = events(server)
        server.remove(EVENTS, Key("ns", event["metadata"]["name"]))
        recorder.normal(ABOUT, "Made", "made it")
        await recorder.drain(60)
        assert [event["count"] for event in events(server)] == [2]
