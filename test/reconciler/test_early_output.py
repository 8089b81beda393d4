"""An output that the profiler publishes early, or that the API server does not hand out at once."""

import asyncio
from typing import Any

from dgdr_controller.kinds import CONFIG_MAPS, JOBS, REQUESTS
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.runtime.testing import FakeApiServer, Fault, virtual_time
from test.builders.request_controller import JOB, MAP, QWEN, REQUEST, controlled, inputs_of, status
from test.builders.results import results_of


def publish(server: FakeApiServer) -> dict[str, Any]:
    """Publish results as the sidecar of the Job does; return what is in the ConfigMap then."""
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="2 candidates", exit_code=0)
    packed = pack(results_of().model_dump_json(exclude_none=True).encode())
    uid, inputs = server.object(JOBS, JOB)["metadata"]["uid"], inputs_of(server, CONFIG_MAPS, MAP)
    content = output.data(Output(uid, inputs, run, packed))
    server.put(CONFIG_MAPS, server.object(CONFIG_MAPS, MAP) | content)
    return content


@virtual_time
async def test_output_that_is_there_before_the_job_is_seen_is_kept() -> None:
    async with FakeApiServer() as server, controlled(server):
        with server.holding(JOBS):
            server.put(REQUESTS, REQUEST)
            await asyncio.sleep(5)
            content = publish(server)
            await asyncio.sleep(5)
        await asyncio.sleep(5)
        assert status(server)["phase"] == "Deploying"
        found = server.object(CONFIG_MAPS, MAP)
        assert found["binaryData"] == content["binaryData"]
        assert content["data"].items() <= found["data"].items()
        assert len(server.objects(JOBS)) == 1


@virtual_time
async def test_output_that_cannot_be_read_is_neither_ignored_nor_a_failure() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        path = CONFIG_MAPS.path("team", MAP.name)
        server.faults.append(Fault(lambda r: r.method == "GET" and r.path == path, status=500, times=10**6))
        publish(server)
        before = len(server.writes)
        await asyncio.sleep(20)
        assert status(server)["phase"] == "Profiling"
        assert server.writes[before:] == []  # it is not taken for an output that is gone
        tries = [request for request in server.requests if request[:2] == ("GET", path)]
        assert len(tries) > 1
        server.faults.clear()
        await asyncio.sleep(60)
        assert status(server)["phase"] == "Deploying"
        assert server.object(REQUESTS, QWEN)["metadata"]["annotations"]
