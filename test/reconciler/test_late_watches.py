"""The whole controller against a scripted API server whose watches lag, or that refuses."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dgdr_controller.kinds import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    REQUESTS,
)
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.profiling_job.publisher import publish
from dgdr_controller.profiling_job.source import Source
from dgdr_controller.runtime import Client, ForbiddenError, Key, Resource
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.testing import FakeApiServer, Fault, virtual_time
from dgdr_controller.runtime.transport import Request
from test.builders.request_controller import JOB, MAP, QWEN, REQUEST, controlled, inputs_of, status
from test.builders.results import results_of


def reason(server: FakeApiServer, kind: str = "Profiling") -> str:
    return str(next((c["reason"] for c in status(server).get("conditions", []) if c["type"] == kind), ""))


def writes(server: FakeApiServer, since: int) -> Counter[str]:
    return Counter(
        path.rsplit("/", 1)[-1]
        for method, path, _ in server.requests[since:]
        if method != "GET" and not path.endswith("/events")
    )


def makes_job(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/jobs") and "dryRun" not in request.params


def events(server: FakeApiServer) -> Counter[str]:
    return Counter(event["reason"] for event in server.objects(EVENTS))


@pytest.mark.parametrize("late", [CONFIG_MAPS, JOBS, REQUESTS, PODS], ids=str)
@virtual_time
async def test_watch_that_lags_behind_costs_no_requests(late: Resource[Any]) -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(0.001)
        with server.holding(late):
            await asyncio.sleep(30)
            during = writes(server, 0)
        await asyncio.sleep(5)
        assert status(server)["phase"] == "Profiling"
        assert sum(during.values()) < 30, during
        assert events(server)["ProfilingJobCreated"] <= 1
        posted = [query for method, path, query in server.requests if method == "POST" and path.endswith("/jobs")]
        assert ["dryRun" in query for query in posted] == [True, False]


@virtual_time
async def test_job_that_is_made_while_its_spec_changes_is_made_anew() -> None:
    async with FakeApiServer() as server, controlled(server) as manager:
        send, changed = manager.client.transport.send, asyncio.Event()

        async def sending(request: Request) -> bytes:
            answer = await send(request)
            if makes_job(request) and not changed.is_set():
                changed.set()
                request_now = server.object(REQUESTS, QWEN)
                request_now["spec"]["model"] = "Qwen/Qwen3-8B"
                server.put(REQUESTS, request_now)
            return answer

        vars(manager.client.transport)["send"] = sending
        with server.holding(JOBS):
            server.put(REQUESTS, REQUEST)
            await asyncio.sleep(0.3)
        await asyncio.sleep(30)
        assert inputs_of(server, JOBS, JOB) == inputs_of(server, CONFIG_MAPS, MAP)
        assert status(server)["observedGeneration"] == 2
        assert status(server)["phase"] == "Profiling"


@virtual_time
async def test_job_of_an_older_spec_that_is_not_seen_yet_is_not_taken_for_this_ones() -> None:
    async with FakeApiServer() as server, controlled(server) as manager:
        send, made = manager.client.transport.send, asyncio.Event()

        async def sending(request: Request) -> bytes:
            if makes_job(request) and not made.is_set():
                made.set()
                old = json.loads(request.body or b"")
                old["metadata"]["annotations"]["dgdr.nvidia.com/inputs"] = "of an older spec"
                server.put(JOBS, old)
            return await send(request)

        vars(manager.client.transport)["send"] = sending
        with server.holding(JOBS):
            server.put(REQUESTS, REQUEST)
            await asyncio.sleep(3)
            assert reason(server) == "WaitingForCleanup"
        await asyncio.sleep(20)
        assert inputs_of(server, JOBS, JOB) == inputs_of(server, CONFIG_MAPS, MAP)
        assert status(server)["phase"] == "Profiling"


@pytest.mark.parametrize("what", ["configmaps", "serviceaccounts", "roles", "rolebindings", "jobs"])
@virtual_time
async def test_write_that_is_refused_for_now_is_said(what: str) -> None:
    async with FakeApiServer() as server, controlled(server):
        body = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "exceeded quota", "code": 403}
        fault = Fault(
            lambda r: (r.method in ("POST", "PATCH") and r.path.endswith(f"/{what}")) or (f"/{what}/" in r.path and r.method == "PATCH"),
            status=403, times=10**6, body=body,
        )  # fmt: skip
        server.faults.append(fault)
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        assert reason(server) == "WaitingForApi"
        assert reason(server, "Succeeded") == "WaitingForApi"  # what kubectl get shows
        assert "exceeded quota" in status(server)["conditions"][-2]["message"]
        server.faults.clear()
        await asyncio.sleep(120)
        assert status(server)["phase"] == "Profiling"


@virtual_time
async def test_job_that_is_being_deleted_is_ours_still_and_nothing_is_written_meanwhile() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        job = server.object(JOBS, JOB)
        job["metadata"]["finalizers"] = ["foregroundDeletion"]
        server.put(JOBS, job)
        client = Client(server.config)
        await client.delete(JOBS, JOB)
        await client.close()
        await asyncio.sleep(5)
        assert reason(server) == "WaitingForCleanup"
        before = len(server.requests)
        await asyncio.sleep(60)
        assert not writes(server, before)


@virtual_time
async def test_job_that_is_deleted_is_made_again_and_told_of_once() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        server.remove(JOBS, JOB)
        await asyncio.sleep(0.001)
        with server.holding(JOBS):
            await asyncio.sleep(10)
        await asyncio.sleep(10)
        assert events(server)["RetryingJob"] == 1
        assert [e["count"] for e in server.objects(EVENTS) if e["reason"] == "RetryingJob"] == [1]


def publish_result(server: FakeApiServer, **changes: Any) -> None:
    job, found = server.object(JOBS, JOB), server.object(CONFIG_MAPS, MAP)
    inputs = found["metadata"]["annotations"]["dgdr.nvidia.com/inputs"]
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="2 candidates", exit_code=0)
    packed = pack(results_of().model_dump_json(exclude_none=True).encode())
    content = output.data(Output(job["metadata"]["uid"], inputs, run, packed))
    found["metadata"] |= changes
    server.put(CONFIG_MAPS, found | content)


def end_job(server: FakeApiServer, kind: str) -> None:
    told = {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "too many"}
    server.put(JOBS, server.object(JOBS, JOB) | {"status": {"conditions": [told]}})


@virtual_time
async def test_result_that_is_told_of_after_the_jobs_failure_counts() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        with server.holding(CONFIG_MAPS):
            publish_result(server)
            end_job(server, "Failed")
            await asyncio.sleep(5)
            assert status(server)["phase"] == "Deploying"


@virtual_time
async def test_result_in_a_config_map_of_somebody_else_does_not_count() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        owner = {"apiVersion": "v1", "kind": "Secret", "name": "x", "uid": "another", "controller": True}
        publish_result(server, ownerReferences=[owner])
        await asyncio.sleep(5)
        assert status(server)["phase"] == "Profiling"


@virtual_time
async def test_publisher_whose_request_is_gone_ends_soon(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.serve(CONFIG_MAPS)
        server.put(CONFIG_MAPS, {"metadata": {"name": "dgdr-output-x", "namespace": "n"}})
        (tmp_path / "profiler_status.yaml").write_text("{status: running, phase: a, message: b}")
        client, stop = Client(server.config), asyncio.Event()
        task = asyncio.create_task(publish(client, Key("n", "dgdr-output-x"), Source(tmp_path, "j", "i"), stop))
        await asyncio.sleep(2)
        server.remove(CONFIG_MAPS, Key("n", "dgdr-output-x"))
        server.faults.append(Fault(lambda _: True, status=403, times=10**6))
        (tmp_path / "profiler_status.yaml").write_text("{status: failed, phase: a, message: c, error: c, exitCode: 75}")
        stop.set()
        with pytest.raises(ForbiddenError):
            await asyncio.wait_for(task, 30)
        await client.close()


@virtual_time
async def test_publisher_that_never_saw_its_config_map_ends_when_told_to(tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.serve(CONFIG_MAPS)
        client, stop = Client(server.config), asyncio.Event()
        task = asyncio.create_task(publish(client, Key("n", "dgdr-output-x"), Source(tmp_path, "j", "i"), stop))
        await asyncio.sleep(2)
        stop.set()
        await asyncio.wait_for(task, 30)
        await client.close()
