import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dgdr_controller.runtime import (
    Client,
    ConflictError,
    Key,
    RequestError,
    Resource,
    TooManyRequestsError,
    UnreachableError,
    decode_dict,
)
from dgdr_controller.runtime.errors import ExpiredError, ServerError
from dgdr_controller.runtime.testing import FakeApiServer, real_time
from dgdr_controller.runtime.transport import Transport
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.request_faults import Call, RequestFault, RequestFaults
from test.builders.chaos.stream_faults import StreamFaults

PARTS: Resource[dict[str, Any]] = Resource("example.com", "v1", "parts", "Part", decode=decode_dict)
KEY = Key("ns", "a")
PART = {"metadata": {"name": "a", "namespace": "ns"}}


@asynccontextmanager
async def behind(
    fault: RequestFault | None = None, streams: StreamFaults | None = None
) -> AsyncIterator[tuple[FakeApiServer, Client, Proxy]]:
    """An API server and a client with a proxy between them that spoils everything in one way."""
    requests = RequestFaults(1, 1.0, {fault: 1}) if fault else None
    async with FakeApiServer() as server, Proxy(server.config, requests=requests, streams=streams, hold_s=0.2) as proxy:
        server.serve(PARTS, status=True)
        async with Client(Transport(proxy.config, attempts=1)) as client:
            yield server, client, proxy


def stored(server: FakeApiServer) -> bool:
    return any(method == "POST" for method, *_ in server.writes)


@pytest.mark.parametrize(
    ("fault", "error", "carried_out"),
    [
        (RequestFault.TOO_MANY, TooManyRequestsError, False),
        (RequestFault.FAILED, ServerError, False),
        (RequestFault.HELD, UnreachableError, False),
        (RequestFault.RESET, UnreachableError, True),
        (RequestFault.SILENT, UnreachableError, True),
    ],
)
def test_fault_looks_like_the_real_one(
    fault: RequestFault,
    error: type[RequestError],
    carried_out: bool,  # noqa: FBT001
) -> None:
    @real_time
    async def run() -> None:
        async with behind(fault) as (server, client, proxy):
            with pytest.raises(error) as caught:
                await client.create(PARTS, PART)
            assert caught.value.retry_after == (1.0 if fault is RequestFault.TOO_MANY else None)
            assert stored(server) is carried_out
            assert proxy.counts[fault.value] == proxy.counts["faulted"] == 1

    run()


@real_time
async def test_conflict_is_a_real_one() -> None:
    async with behind(RequestFault.CONFLICT) as (server, client, _):
        made = await client.create(PARTS, PART)
        with pytest.raises(ConflictError):
            await client.replace_status(PARTS, KEY, {"a": 1}, resource_version=made["metadata"]["resourceVersion"])
        assert server.object(PARTS, KEY)["metadata"]["annotations"] == {"example.com/touched": "1"}


@real_time
async def test_without_faults_requests_and_watches_pass_through() -> None:
    async with behind() as (_, client, proxy):
        made = await client.create(PARTS, PART)
        assert (await client.get(PARTS, KEY)) == made
        version = made["metadata"]["resourceVersion"]
        watch = client.watch(PARTS, params={"resourceVersion": version})
        first = asyncio.ensure_future(anext(watch))
        await client.patch(PARTS, KEY, {"data": {"x": "ö?&"}})
        assert decode_dict(bytes((await first).object))["data"] == {"x": "ö?&"}
        assert proxy.writes == {
            Call("POST", "/apis/example.com/v1/namespaces/ns/parts"): 1,
            Call("PATCH", "/apis/example.com/v1/namespaces/ns/parts/a"): 1,
        }


@real_time
async def test_lost_event_is_followed_by_the_end_of_the_watch() -> None:
    async with behind(streams=StreamFaults(losses=1.0, expires_s=0.3)) as (_, client, proxy):
        version = (await client.create(PARTS, PART))["metadata"]["resourceVersion"]
        await client.patch(PARTS, KEY, {"data": {"x": "1"}})
        with pytest.raises(ExpiredError):
            await anext(client.watch(PARTS, params={"resourceVersion": version}))
        assert (proxy.counts["lost"], proxy.counts["expired"]) == (1, 1)


@real_time
async def test_answer_that_the_test_wants_lost_is_lost() -> None:
    async def after(call: Call, status: int) -> bool:
        return call.method == "POST" and status == 201

    async with FakeApiServer() as server, Proxy(server.config, after=after) as proxy:
        server.serve(PARTS, status=True)
        async with Client(Transport(proxy.config, attempts=1)) as client:
            with pytest.raises(UnreachableError):
                await client.create(PARTS, PART)
            assert stored(server)
