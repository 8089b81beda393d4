"""A trial that the API server does not accept costs itself alone: the others are made, and all are answered."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.names import LABEL_TRIAL
from dgdr_api.trials import TrialState, TrialStatus
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, REQUESTS
from dgdr_controller.profiling_job.builder import output_config_map
from dgdr_controller.profiling_job.output import read_trial_status
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.trials import with_trials
from dgdr_controller.runtime import Client, EventRecorder, Key, ObjectMeta
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault
from test.builders.observed_state import run_of
from test.builders.trials import candidate, measuring

QUOTA = {"kind": "Status", "reason": "Forbidden", "message": "exceeded quota: gpus", "code": 403}
INVALID = {"kind": "Status", "reason": "Invalid", "message": "spec.components: no such field", "code": 422}


async def carried_out(
    server: FakeApiServer, observed: ObservedState, refusal: dict[str, Any], times: int = 1
) -> dict[str, TrialStatus]:
    """Carry out what is decided where the first trial is refused; return what is answered."""
    for resource in (CONFIG_MAPS, GRAPHS):
        server.serve(resource)
    server.serve(REQUESTS, status=True)
    assert observed.output_map is not None
    server.put(CONFIG_MAPS, output_config_map(run_of(observed)) | {"data": dict(observed.output_map.data)})
    server.faults.append(
        Fault(
            lambda r: r.method == "POST" and r.path.endswith("graphdeployments"), refusal["code"], times, body=refusal
        )
    )
    stored = server.put(REQUESTS, {"metadata": {"name": "qwen", "namespace": "team"}, "spec": {"model": "m"}})
    meta = ObjectMeta(
        name="qwen", namespace="team", uid=observed.uid, resource_version=stored["metadata"]["resourceVersion"]
    )
    async with Client(server.config) as client:
        await act(client, EventRecorder(client, "test"), meta, observed, with_trials(observed, profiling(observed)))
    found = server.object(CONFIG_MAPS, Key("team", observed.output_map.metadata.name))
    return read_trial_status(CONFIG_MAPS.decode(json.dumps(found).encode())).trials


@pytest.mark.parametrize(("refusal", "state"), [(QUOTA, TrialState.WAITING), (INVALID, TrialState.FAILED)])
def test_refused_trial_hinders_no_other(refusal: dict[str, Any], state: TrialState) -> None:
    async def story() -> None:
        first, second = candidate(4), candidate(2)
        async with FakeApiServer() as server:
            answers = await carried_out(server, measuring(first, second), refusal)
            made = [graph["metadata"]["labels"][LABEL_TRIAL] for graph in server.objects(GRAPHS)]
        assert made == [second.id]
        assert answers[first.id].state is state
        assert refusal["message"] in answers[first.id].message
        assert answers[second.id].state is TrialState.STARTING

    asyncio.run(story())


def test_refused_trial_is_tried_again_where_that_may_pass() -> None:
    async def story() -> None:
        async with FakeApiServer() as server:
            observed = measuring(candidate(4))
            answers = await carried_out(server, observed, QUOTA)
        again = with_trials(replace(measuring(candidate(4), statuses=answers)), profiling(observed))
        assert [ensure.manifest["kind"] for ensure in again.ensure].count("DynamoGraphDeployment") == 1

    asyncio.run(story())


def test_refusals_of_one_pass_are_all_answered() -> None:
    async def story() -> None:
        first, second = candidate(4), candidate(2)
        async with FakeApiServer() as server:
            answers = await carried_out(server, measuring(first, second), INVALID, times=2)
        assert {answers[first.id].state, answers[second.id].state} == {TrialState.FAILED}

    asyncio.run(story())
