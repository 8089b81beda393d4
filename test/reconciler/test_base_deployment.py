"""The user's own deployment that the plan is put into: what a profiling run comes to depends on it."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import CONFIG_MAPS, JOBS, REQUESTS
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.phases import pending, profiling
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from dgdr_controller.settings import RightsSettings, Settings
from test.builders.observed_state import job_of, map_of, observed_of, run_of
from test.builders.request_controller import JOB, KINDS, MAP, REQUEST, WITH_STATUS, inputs_of, running, serve, status

PRESERVED = {"profilingConfig": {"configMapRef": {"name": "mine", "key": "dgd.yaml"}}}
WITH_BASE: dict[str, Any] = REQUEST | {
    "metadata": REQUEST["metadata"] | {"annotations": {ANNOTATION_PRESERVED: json.dumps(PRESERVED)}}
}


def put(server: FakeApiServer, label: str) -> None:
    worker = {"containers": [{"name": "main", "image": "r.io/own:1.6.1"}]}
    base = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "mine", "labels": {"label": label}},
        "spec": {
            "components": [
                {"name": "Frontend", "type": "frontend"},
                {"name": "engine", "type": "worker", "podTemplate": {"spec": worker}},
            ]
        },
    }
    server.put(CONFIG_MAPS, {"metadata": {"name": "mine", "namespace": "team"}, "data": {"dgd.yaml": json.dumps(base)}})


def test_inputs_are_others_with_another_base() -> None:
    runs = [run_of(observed_of(base=base)) for base in (None, "a: 1", "a: 2")]
    assert len({run.inputs for run in runs}) == len({run.input_name for run in runs}) == 3
    assert run_of(observed_of()).inputs == runs[0].inputs


def test_base_is_read_where_a_run_is_made_or_compared(profiling_state: ObservedState) -> None:
    following = replace(profiling_state, job=job_of(profiling_state), output_map=map_of(profiling_state, seen="job-1"))
    assert Need.COMPOSITION in pending.needs(following)
    assert Need.COMPOSITION not in profiling.needs(following)
    assert Need.COMPOSITION in profiling.needs(replace(following, generation=following.generation + 1))
    assert Need.COMPOSITION in profiling.needs(replace(following, job=None))


@virtual_time
async def test_job_that_is_made_again_is_for_the_base_of_then() -> None:
    async with FakeApiServer() as server:
        serve(server, *KINDS, *WITH_STATUS)
        async with running(server, Settings(rights=RightsSettings(mode="enforce"))):
            put(server, "a")
            server.put(REQUESTS, WITH_BASE)
            await asyncio.sleep(5)
            before = inputs_of(server, JOBS, JOB)
            put(server, "b")
            await asyncio.sleep(60)
            assert inputs_of(server, JOBS, JOB) == before  # the one that runs is finished
            server.remove(JOBS, JOB)
            await asyncio.sleep(60)
            assert status(server)["phase"] == Phase.PROFILING
            assert inputs_of(server, JOBS, JOB) == inputs_of(server, CONFIG_MAPS, MAP) != before
