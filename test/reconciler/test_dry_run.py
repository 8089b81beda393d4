import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.web import Request

from dgdr_api.conditions import DeploymentReady
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import (
    CONFIG_MAPS,
    GRAPHS,
    GRAPHS_V1ALPHA1,
    JOBS,
    REQUESTS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
from dgdr_controller.profiling_job.builder import output_config_map
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.decision import Decision, Ensure, WriteMode
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.served_version import VersionChangedError, follow_served_version
from dgdr_controller.runtime import (
    AlreadyExistsError,
    ApiError,
    Client,
    ConflictError,
    EventRecorder,
    Key,
    Manager,
    ObjectMeta,
    Resource,
)
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault
from test.builders.observed_state import in_phase, observed_of, published_of, run_of
from test.builders.results import results_of

REFUSAL = {"kind": "Status", "status": "Failure", "reason": "Invalid", "message": "no such field", "code": 422}


def decided(observed: ObservedState) -> tuple[ObservedState, Decision]:
    told = published_of(observed, results_of())
    observed = replace(observed, **told)
    return observed, generate(observed, told["output"])


async def acted(server: FakeApiServer, observed: ObservedState, decision: Decision) -> None:
    """Let the decision be carried out for a request that the server knows."""
    stored = server.put(REQUESTS, {"metadata": {"name": "qwen", "namespace": "team"}, "spec": {"model": "m"}})
    version = stored["metadata"]["resourceVersion"]
    meta = ObjectMeta(name="qwen", namespace="team", resource_version=version, uid=observed.uid)
    async with Client(server.config) as client:
        await act(client, EventRecorder(client, "test"), meta, observed, decision)


async def carried_out(server: FakeApiServer, observed: ObservedState, decision: Decision) -> str:
    """Let the decision be carried out; return the phase that was written."""
    server.serve(CONFIG_MAPS)
    server.serve(GRAPHS)
    server.serve(REQUESTS, status=True)
    output = server.put(CONFIG_MAPS, output_config_map(run_of(observed)))
    for wanted in decision.ensure:
        if wanted.manifest["kind"] == "ConfigMap":
            wanted.manifest["metadata"]["resourceVersion"] = output["metadata"]["resourceVersion"]
    await acted(server, observed, decision)
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


OF_A_RUN: tuple[Resource[Any], ...] = (CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, JOBS)
NO_VOLUME = 'Job.batch "profile-qwen" is invalid: spec.template.spec.containers[0].volumeMounts[4].name: Not found: "x"'
QUOTA = 'jobs.batch "profile-qwen" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'
NO_DRY_RUN = 'admission webhook "jobs.example.com" does not support dry run'


@contextlib.asynccontextmanager
async def before_a_run() -> AsyncIterator[tuple[FakeApiServer, Client, ObservedState]]:
    """Yield a server that has no object of the run yet, a client, and the request that is to get them."""
    observed = observed_of()
    async with FakeApiServer() as server, Client(server.config) as client:
        for resource in OF_A_RUN:
            server.serve(resource)
        yield server, client, in_phase(Phase.PENDING, observed, pending(observed))


@pytest.mark.parametrize(
    ("status", "reason", "message", "condition", "phase", "made"),
    [
        (422, "Invalid", NO_VOLUME, "JobCreationFailed", Phase.FAILED, 0),
        (400, "BadRequest", "denied by jobs.example.com", "JobCreationFailed", Phase.FAILED, 0),
        (400, "BadRequest", NO_DRY_RUN, "Initializing", Phase.PROFILING, 6),
        (403, "Forbidden", QUOTA, "WaitingForApi", Phase.PENDING, 0),
        (503, "ServiceUnavailable", "try later", "Initializing", Phase.PROFILING, 6),
    ],
)
def test_job_that_is_refused_leaves_nothing_behind(
    status: int, reason: str, message: str, condition: str, phase: Phase, made: int
) -> None:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}

    async def story() -> None:
        async with before_a_run() as (server, client, observed):
            server.serve(REQUESTS, status=True)
            metadata = {"name": "qwen", "namespace": "team"}
            stored = server.put(REQUESTS, {"metadata": metadata, "spec": {"model": "m"}})
            server.faults.append(Fault(lambda r: "dryRun" in r.query, status=status, times=99, body=body))
            version = stored["metadata"]["resourceVersion"]
            meta = ObjectMeta(name="qwen", namespace="team", resource_version=version, uid=observed.uid)
            try:
                await act(client, EventRecorder(client, "test"), meta, observed, pending(observed))
            except ApiError as error:
                assert (error.status, phase) == (403, Phase.PENDING)  # noqa: PT017 - of one row: it is tried again
            written = server.object(REQUESTS, Key("team", "qwen"))["status"]
            (profiling,) = (c for c in written["conditions"] if c["type"] == "Profiling")
            assert (written["phase"], profiling["reason"]) == (phase, condition)
            assert made or message in profiling["message"]
            assert sum(len(server.objects(resource)) for resource in OF_A_RUN) == made

    asyncio.run(story())


def test_run_is_not_made_without_an_object_that_was_in_the_way_and_went_while_it_was_looked_at() -> None:
    body = {"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "message": "it exists", "code": 409}

    async def story() -> None:
        async with before_a_run() as (server, client, observed):

            def makes_the_output(request: Request) -> bool:
                maps = request.method == "POST" and request.path.endswith("/configmaps")
                return maps and len(server.objects(CONFIG_MAPS)) == 1  # after the input

            server.faults.append(Fault(makes_the_output, status=409, body=body))
            meta = ObjectMeta(name="qwen", namespace="team", resource_version="1", uid=observed.uid)
            with pytest.raises(AlreadyExistsError):
                await act(client, EventRecorder(client, "test"), meta, observed, pending(observed))
            assert server.objects(JOBS) == []

    asyncio.run(story())


def written(observed: ObservedState, mode: WriteMode, **metadata: Any) -> Decision:
    """Return a decision to write a deployment in a way, as it was at the first version."""
    named = {
        "name": "qwen-dgd",
        "namespace": "team",
        "resourceVersion": "1",
        "labels": {},
        "annotations": {},
    } | metadata
    kind = {"apiVersion": GRAPHS.api_version, "kind": GRAPHS.kind}
    ensured = Ensure(kind | {"metadata": named, "spec": {"new": True}}, mode, condition=DeploymentReady)
    return Decision(observed.status.model_copy(update={"dgd_name": "qwen-dgd"}), ensure=[ensured])


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.OWN])
def test_object_is_changed_as_it_was_seen(profiling_state: ObservedState, mode: WriteMode) -> None:
    async def story() -> None:
        async with FakeApiServer() as server:
            server.serve(GRAPHS)
            server.serve(REQUESTS, status=True)
            owner = [{"uid": "u", "kind": "K", "name": "n", "apiVersion": "v1"}]
            before = {"metadata": {"name": "qwen-dgd", "namespace": "team"}, "spec": {"old": True}}
            version = server.put(GRAPHS, before)["metadata"]["resourceVersion"]
            stale = written(profiling_state, mode, resourceVersion="999", ownerReferences=owner)
            with pytest.raises(ConflictError):
                await acted(server, profiling_state, stale)
            assert server.object(GRAPHS, Key("team", "qwen-dgd"))["spec"] == {"old": True}
            decision = written(profiling_state, mode, resourceVersion=version, ownerReferences=owner)
            await acted(server, profiling_state, decision)
            found = server.object(GRAPHS, Key("team", "qwen-dgd"))
            replaces = mode is WriteMode.REPLACE
            assert found["spec"] == ({"new": True} if replaces else {"old": True})
            assert found["metadata"].get("ownerReferences") == (None if replaces else owner)

    asyncio.run(story())


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.OWN])
def test_object_that_is_gone_is_no_error(profiling_state: ObservedState, mode: WriteMode) -> None:
    async def story() -> None:
        async with FakeApiServer() as server:
            server.serve(GRAPHS)
            server.serve(REQUESTS, status=True)
            await acted(server, profiling_state, written(profiling_state, mode, ownerReferences=[]))
            assert server.objects(GRAPHS) == []

    asyncio.run(story())


def test_deployment_that_cannot_be_changed_in_place_is_told(profiling_state: ObservedState) -> None:
    async def story() -> None:
        async with FakeApiServer() as server:
            server.serve(GRAPHS)
            server.faults.append(
                Fault(lambda r: r.method == "PATCH" and "graphdeployments" in r.path, status=422, times=9, body=REFUSAL)
            )
            await carried_out(server, profiling_state, written(profiling_state, WriteMode.REPLACE))
            status = server.object(REQUESTS, Key("team", "qwen"))["status"]
            (told,) = (c for c in status["conditions"] if c["type"] == "DeploymentReady")
            assert told["reason"] == "ReplaceRefused"
            assert "cannot be changed in place (no such field); delete it" in told["message"]

    asyncio.run(story())
