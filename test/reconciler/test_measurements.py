"""ConfigMap dgdr-measurements: from the namespace of a request into the input of its Job, and what a change comes to."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from dgdr_api.measurements import Measurements
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import CONFIG_MAPS, JOBS, REQUESTS
from dgdr_controller.profiling_job.protocol import JobInput
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.phases import pending, profiling
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from test.builders.measurements import config_map, measurement, measurements
from test.builders.observed_state import job_of, map_of, observed_of, published_of, run_of
from test.builders.request_controller import JOB, MAP, QWEN, REQUEST, controlled, inputs_of, status
from test.builders.results import results_of


def put(server: FakeApiServer, *ttfts: float, namespace: str = "team", **more: str) -> None:
    """Put a ConfigMap with measurements of so many times the estimated TTFT."""
    manifest = config_map(*(measurement(ttft, sha256=f"{n}" * 64) for n, ttft in enumerate(ttfts)), **more)
    manifest["metadata"]["namespace"] = namespace
    server.put(CONFIG_MAPS, manifest)


def worked_from(server: FakeApiServer) -> JobInput:
    """Return what the Job that is there works from."""
    volumes = server.object(JOBS, JOB)["spec"]["template"]["spec"]["volumes"]
    (name,) = (volume["configMap"]["name"] for volume in volumes if volume["name"] == "input")
    (found,) = (one for one in server.objects(CONFIG_MAPS) if one["metadata"]["name"] == name)
    return JobInput.model_validate_json(found["data"]["input.json"], by_alias=True, by_name=False)


def ttfts(found: Measurements | None) -> list[float]:
    return sorted(entry.measured.ttft for entry in found.entries.values()) if found else []


def reads(server: FakeApiServer) -> int:
    return sum(method == "GET" and path.endswith("/dgdr-measurements") for method, path, _ in server.requests)


@virtual_time
async def test_measurements_of_the_namespace_reach_the_job() -> None:
    async with FakeApiServer() as server, controlled(server):
        put(server, 1.2, **{"bad.json": "{}"})
        put(server, 9.0, namespace="other")
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        found = worked_from(server).measurements
        assert found is not None
        assert found.source == "ConfigMap dgdr-measurements"
        assert ttfts(found) == [120.0]
        assert found.unread == ("bad.json: model: Field required",)


@virtual_time
async def test_without_measurements_the_job_works_from_none() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        assert worked_from(server).measurements is None
        assert "measurements" not in json.dumps(server.objects(CONFIG_MAPS))


@virtual_time
async def test_measurements_are_read_to_make_a_job_and_not_while_it_runs() -> None:
    async with FakeApiServer() as server, controlled(server):
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        before = reads(server)
        await asyncio.sleep(600)
        assert reads(server) == before <= 5


@virtual_time
async def test_job_that_runs_is_finished_whatever_changes_meanwhile() -> None:
    async with FakeApiServer() as server, controlled(server):
        put(server, 1.2)
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        uid = server.object(JOBS, JOB)["metadata"]["uid"]
        put(server, 1.2, 1.5)
        await asyncio.sleep(60)
        assert server.object(JOBS, JOB)["metadata"]["uid"] == uid
        assert status(server)["phase"] == Phase.PROFILING


@virtual_time
async def test_switching_auto_apply_does_not_profile_anew_where_there_are_measurements() -> None:
    async with FakeApiServer() as server, controlled(server):
        put(server, 1.2)
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        uid = server.object(JOBS, JOB)["metadata"]["uid"]
        request = server.object(REQUESTS, QWEN)
        request["spec"]["autoApply"] = False
        server.put(REQUESTS, request)
        await asyncio.sleep(30)
        assert status(server)["observedGeneration"] == 2
        assert server.object(JOBS, JOB)["metadata"]["uid"] == uid


@virtual_time
async def test_job_that_is_made_again_works_from_the_measurements_of_then() -> None:
    async with FakeApiServer() as server, controlled(server):
        put(server, 1.2)
        server.put(REQUESTS, REQUEST)
        await asyncio.sleep(5)
        before = inputs_of(server, JOBS, JOB)
        put(server, 1.2, 1.5)
        server.remove(JOBS, JOB)
        await asyncio.sleep(60)
        assert status(server)["phase"] == Phase.PROFILING
        assert inputs_of(server, JOBS, JOB) == inputs_of(server, CONFIG_MAPS, MAP) != before
        assert ttfts(worked_from(server).measurements) == [120.0, 150.0]


def test_inputs_are_others_with_other_measurements() -> None:
    found = (None, measurements(measurement(1.2)), measurements(measurement(1.3)), measurements(unread=("a: b",)))
    runs = [run_of(observed_of(measurements=read)) for read in found]
    assert len({run.inputs for run in runs}) == len({run.input_name for run in runs}) == len(found)
    assert run_of(observed_of()).inputs == runs[0].inputs


def needed(observed: ObservedState) -> bool:
    return Need.MEASUREMENTS in profiling.needs(observed)


def test_measurements_are_needed_where_a_run_is_made_or_compared(profiling_state: ObservedState) -> None:
    assert Need.MEASUREMENTS in pending.needs(profiling_state)
    assert needed(profiling_state)
    following = replace(profiling_state, job=job_of(profiling_state), output_map=map_of(profiling_state, seen="job-1"))
    assert not needed(following)
    assert needed(replace(following, generation=following.generation + 1))
    assert needed(replace(following, output_map=None))
    published: dict[str, Any] = published_of(following, results_of())
    assert not needed(replace(following, **published))
    assert needed(replace(following, job=None, **published))
