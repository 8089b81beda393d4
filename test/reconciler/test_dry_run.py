import asyncio
from dataclasses import replace

import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, GRAPHS_V1ALPHA1, REQUESTS
from dgdr_controller.profiling_job.builder import output_config_map
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.served_version import VersionChangedError, follow_served_version
from dgdr_controller.runtime import Client, EventRecorder, Key, Manager, ObjectMeta
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault
from test.builders.observed_state import published_of, run_of
from test.builders.results import results_of

REFUSAL = {"kind": "Status", "status": "Failure", "reason": "Invalid", "message": "no such field", "code": 422}


def decided(observed: ObservedState) -> tuple[ObservedState, Decision]:
    told = published_of(observed, results_of())
    observed = replace(observed, **told)
    return observed, generate(observed, told["output"])


async def carried_out(server: FakeApiServer, observed: ObservedState, decision: Decision) -> str:
    """Let the decision be carried out; return the phase that was written."""
    server.serve(CONFIG_MAPS)
    server.serve(GRAPHS)
    server.serve(REQUESTS, status=True)
    output = server.put(CONFIG_MAPS, output_config_map(run_of(observed)))
    for wanted in decision.ensure:
        if wanted.manifest["kind"] == "ConfigMap":
            wanted.manifest["metadata"]["resourceVersion"] = output["metadata"]["resourceVersion"]
    metadata = {"name": "qwen", "namespace": "team"}
    stored = server.put(REQUESTS, {"metadata": metadata, "spec": {"model": "m"}})
    async with Client(server.config) as client:
        recorder = EventRecorder(client, "test")
        meta = ObjectMeta(
            name="qwen", namespace="team", resource_version=stored["metadata"]["resourceVersion"], uid=observed.uid
        )
        await act(client, recorder, meta, observed, decision)
    written: str = server.object(REQUESTS, Key("team", "qwen"))["status"]["phase"]
    return written


def test_deployment_that_would_be_refused_fails_without_being_made(profiling_state: ObservedState) -> None:
    async def story() -> None:
        observed, decision = decided(profiling_state)
        async with FakeApiServer() as server:
            server.faults.append(Fault(lambda r: "dryRun" in r.query, status=422, times=9, body=REFUSAL))
            assert await carried_out(server, observed, decision) == Phase.FAILED
            assert server.objects(GRAPHS) == []

    asyncio.run(story())


@pytest.mark.parametrize("status", [0, 403, 500, 503])
def test_missing_answer_is_no_refusal_and_nothing_is_made(profiling_state: ObservedState, status: int) -> None:
    async def story() -> None:
        observed, decision = decided(profiling_state)
        async with FakeApiServer() as server:
            if status:
                server.faults.append(Fault(lambda r: "dryRun" in r.query, status=status, times=99))
            assert await carried_out(server, observed, decision) == Phase.DEPLOYING
            assert server.objects(GRAPHS) == []

    asyncio.run(story())


def test_dry_run_needs_dynamo(profiling_state: ObservedState) -> None:
    _, decision = decided(replace(profiling_state, graphs_known=False))
    assert [wanted.manifest["kind"] for wanted in decision.ensure] == ["ConfigMap"]


def test_version_of_dynamo_that_changes_needs_another_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgdr_controller.reconciler.served_version._LOOK_AGAIN_S", 0.01)

    async def story() -> None:
        async with FakeApiServer() as server:
            it = Manager(server.config)
            it.cache.watch(GRAPHS, optional=True)
            following = asyncio.create_task(follow_served_version(it, GRAPHS))
            await asyncio.sleep(0.1)
            assert not following.done()
            server.serve(GRAPHS_V1ALPHA1)
            with pytest.raises(VersionChangedError, match=r"serves nvidia\.com/v1alpha1"):
                await asyncio.wait_for(following, 5)
            await it.client.close()

    asyncio.run(story())
