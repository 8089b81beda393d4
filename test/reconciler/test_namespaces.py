"""Requests of any namespace are worked on, whatever it is called."""

import asyncio

import pytest

from dgdr_controller.kinds import JOBS, REQUESTS
from dgdr_controller.runtime import Key
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from test.builders.request_controller import REQUEST, controlled


@pytest.mark.parametrize("namespace", ["team", "ephemeral", "team-ephemeral-7", "default"])
@virtual_time
async def test_request_is_worked_on(namespace: str) -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST | {"metadata": {"name": "qwen", "namespace": namespace}})
        await asyncio.sleep(5)
        assert server.object(REQUESTS, Key(namespace, "qwen"))["status"]["phase"] == "Profiling"
        assert server.object(JOBS, Key(namespace, "profile-qwen"))
