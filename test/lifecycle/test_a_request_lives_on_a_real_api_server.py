import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dgdr_controller.profiling.protocol import RunState
from dgdr_controller.runtime import Config, Resource
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from test.lifecycle.conftest import (
    CONFIG_MAPS,
    GRAPH_CRD,
    GRAPHS,
    JOBS,
    REQUESTS,
    Killer,
    Stage,
    controlling,
    install,
    staged,
)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.alone("lifecycle"),
    # a controller that is killed inside this process leaves tasks behind, which is what is meant
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROLES: Resource[Any] = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", json.loads)
PODS: Resource[Any] = Resource("", "v1", "pods", "Pod", json.loads)
QUIET_S = 3.0


def lives(config: Config, plays: str, story: Callable[[Stage], Awaitable[None]], *, operates: bool = True) -> None:
    """Tell a story on a stage."""

    async def run() -> None:
        async with staged(config, plays, operates=operates) as stage:
            await story(stage)

    asyncio.run(run())


async def annotate(stage: Stage, **annotations: str) -> None:
    named = {f"dgdr.nvidia.com/{name}": value for name, value in annotations.items()}
    await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"annotations": named}})


def own(metadata: dict[str, Any]) -> list[str]:
    return [each["uid"] for each in metadata.get("ownerReferences", [])]


@pytest.mark.parametrize(("plays", "ends"), [("success", "Deployed"), ("refused", "Failed"), ("runs", "Profiling")])
def test_an_idle_controller_writes_nothing(dynamo: Config, plays: str, ends: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config) as killer:
            await stage.reaches(ends)
            before = await _settled(killer)
            # whatever makes it look again finds nothing to write
            await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"labels": {"looked": "at"}}})
            await asyncio.sleep(QUIET_S)
            assert killer.writes[before:] == []
            assert len([each for each in killer.writes if each.endswith("/status")]) <= 12
        async with controlling(stage.config) as killer:
            await asyncio.sleep(QUIET_S)
            assert killer.writes == []

    lives(dynamo, plays, story)


async def _settled(killer: Killer) -> int:
    """Wait until nothing has been written for a while; return how many writes there were."""
    async with asyncio.timeout(30):
        while True:
            before = len(killer.writes)
            await asyncio.sleep(QUIET_S)
            if len(killer.writes) == before:
                return before


def test_a_request_that_cannot_be_read_is_answered_once(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request(features={"planner": "yes"})
        async with controlling(stage.config) as killer:
            await stage.reaches("Failed")
            assert "spec.features.planner" in (await stage.condition("Validation"))["message"]
            await asyncio.sleep(QUIET_S)
            assert len(killer.writes) == 1

    lives(dynamo, "nothing", story)


def test_trouble_of_the_pod_is_said_in_the_schedulers_words(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            assert "cannot be scheduled: no nodes available" in await stage.says("Profiling", "Unschedulable")

    lives(dynamo, "nothing", story)


def test_progress_is_shown_while_it_runs(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            await stage.reaches("Profiling")
            await stage.until(lambda: _any_pod(stage))
            (pod,) = await stage.client.list(PODS, stage.namespace)
            await stage.publish(pod, RunState.RUNNING, completed=1, total=2, phase="Doing 1 of 2")
            assert await stage.says("Profiling", "Doing1of2") == "vllm aggregated"
            status = await stage.status()
            assert status["profilingPhase"] == "Doing 1 of 2"
            assert status["profilingProgress"] == {"completed": 1, "total": 2, "message": "vllm aggregated"}

    lives(dynamo, "runs", story)


def test_progress_is_written_every_two_seconds_at_most_and_the_last_of_it_always(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config) as killer:
            await stage.reaches("Profiling")
            await stage.until(lambda: _any_pod(stage))
            (pod,) = await stage.client.list(PODS, stage.namespace)
            await stage.publish(pod, RunState.RUNNING, message="search 0")
            await stage.says("Profiling", "SweepingDecode")
            before, begun = len(killer.writes), time.monotonic()
            for number in range(1, 31):
                await stage.publish(pod, RunState.RUNNING, message=f"search {number}")
                await asyncio.sleep(0.2)

            async def told() -> bool:
                return (await stage.condition("Profiling"))["message"] == "search 30"

            await stage.until(told)
            written = len(killer.writes) - before
            assert 2 <= written <= 1 + (time.monotonic() - begun) / 2

    lives(dynamo, "runs", story)


async def _any_pod(stage: Stage) -> bool:
    return bool(await stage.client.list(PODS, stage.namespace))


def test_a_deleted_job_is_made_again_once(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            for times in (1, 2):

                async def made(times: int = times) -> bool:
                    found = await stage.found(CONFIG_MAPS, "dgdr-output-qwen")
                    seen = (found or {"metadata": {}})["metadata"].get("annotations", {})
                    return len(seen.get("dgdr.nvidia.com/job-uid", "").split(",")) == times and bool(seen)

                await stage.until(made)
                await stage.until(lambda: _there(stage, JOBS, "profile-qwen"))
                await stage.client.delete(JOBS, stage.key("profile-qwen"))
            status = await stage.reaches("Failed")
            assert "deleted 2 times" in json.dumps(status)
        assert len(stage.uids["Job"]) == 2

    lives(dynamo, "runs", story)


async def _there(stage: Stage, resource: Resource[Any], name: str) -> bool:
    return await stage.found(resource, name) is not None


@pytest.mark.parametrize(
    ("resource", "name", "content"),
    [
        (CONFIG_MAPS, "dgdr-output-qwen", {"data": {"mine": "yes"}}),
        (CONFIG_MAPS, "dgdr-output-qwen", {"data": {"mine": "yes"}, "labelled": True}),
        (ROLES, "dgdr-output-qwen", {"rules": []}),
        (
            JOBS,
            "profile-qwen",
            {
                "spec": {
                    "suspend": True,
                    "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}},
                }
            },
        ),
    ],
    ids=["output", "labelled output", "role", "job"],
)
def test_what_is_anothers_is_left_alone_and_waited_for(
    dynamo: Config, resource: Resource[Any], name: str, content: dict[str, Any]
) -> None:
    async def story(stage: Stage) -> None:
        fields = dict(content)
        labels = {"nvidia.com/managed-by": "dynamo-operator"} if fields.pop("labelled", False) else {}
        metadata = {"name": name, "namespace": stage.namespace, "labels": {"of": "another"} | labels}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        before = await stage.client.create(resource, kind | {"metadata": metadata} | fields)
        await stage.request()
        async with controlling(stage.config):
            assert name in await stage.says("Profiling", "NameConflict")
            after = await stage.client.get(resource, stage.key(name))
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert after["metadata"]["labels"] | {"of": "another"} | labels == after["metadata"]["labels"]
            assert own(after["metadata"]) == []
            assert after.get("data") == before.get("data")
            assert "dgdr.nvidia.com/uid" not in after["metadata"].get("annotations", {})
            await stage.client.delete(resource, stage.key(name))
            await stage.reaches("Deployed")

    lives(dynamo, "success", story)


def test_anothers_deployment_is_never_touched(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        metadata = {"name": "qwen-dgd", "namespace": stage.namespace}
        kind = {"apiVersion": GRAPHS.api_version, "kind": GRAPHS.kind}
        before = await stage.client.create(GRAPHS, kind | {"metadata": metadata, "spec": {"mine": True}})
        await stage.request()
        async with controlling(stage.config):
            await stage.says("DeploymentReady", "NameConflict")
            await asyncio.sleep(1)
            after = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
            assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
            assert (await stage.status())["phase"] == "Deploying"

    lives(dynamo, "success", story, operates=False)


def test_a_deleted_request_takes_what_was_its_own_and_leaves_the_deployment(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            await stage.reaches("Deployed")
            request = await stage.client.get(REQUESTS, stage.key())
            uid = request["metadata"]["uid"]
            assert "finalizers" not in request["metadata"]
            ours = [(JOBS, "profile-qwen"), (CONFIG_MAPS, "dgdr-output-qwen"), (ROLES, "dgdr-output-qwen")]
            (given,) = [
                each["metadata"]
                for each in await stage.client.list(CONFIG_MAPS, stage.namespace)
                if each["metadata"]["name"].startswith("dgdr-input-")
            ]
            ours.append((CONFIG_MAPS, given["name"]))
            for resource, name in ours:
                metadata = (await stage.client.get(resource, stage.key(name)))["metadata"]
                assert own(metadata) == [uid]
                assert "blockOwnerDeletion" not in metadata["ownerReferences"][0]
            graph = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
            assert own(graph["metadata"]) == []
            await stage.client.delete(REQUESTS, stage.key())
            for resource, name in ours:

                async def gone(resource: Resource[Any] = resource, name: str = name) -> bool:
                    return not await _there(stage, resource, name)

                await stage.until(gone)
            await asyncio.sleep(1)
            assert await _there(stage, GRAPHS, "qwen-dgd")

    lives(dynamo, "success", story)


@pytest.mark.parametrize("how", ["spec", "annotation"])
def test_a_failed_request_goes_on_when_the_user_changes_something(dynamo: Config, how: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            await stage.reaches("Failed")
            stage.plays = "success"
            if how == "spec":
                await stage.client.patch(REQUESTS, stage.key(), {"spec": {"model": "Qwen/Qwen3-8B"}})
            else:
                await annotate(stage, retry="1")
            status = await stage.reaches("Deployed")
            assert len(stage.uids["Job"]) == 2
            assert {c["type"]: c["status"] for c in status["conditions"]}["Profiling"] == "True"

    lives(dynamo, "refused", story)


def test_a_retry_that_fails_again_is_one_retry(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            await stage.reaches("Failed")
            await annotate(stage, retry="1")

            async def twice() -> bool:
                return len(stage.uids["Job"]) == 2 and (await stage.status())["phase"] == "Failed"

            await stage.until(twice)
            await asyncio.sleep(QUIET_S)
        assert len(stage.uids["Job"]) == 2

    lives(dynamo, "refused", story)


def test_ready_goes_on_with_the_candidate_that_is_asked_for(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request(autoApply=False)
        async with controlling(stage.config):
            status = await stage.reaches("Ready")
            await annotate(stage, deploy="nobody")
            assert "nobody" in await stage.says("SpecGenerated", "CandidateNotOffered")
            await annotate(stage, deploy=status["profilingResults"]["pareto"][1]["id"])
            await stage.reaches("Deployed")
            graph: Any = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
            assert graph["spec"] == status["profilingResults"]["pareto"][1]["config"]["spec"]

    lives(dynamo, "success", story)


def test_what_the_api_server_would_not_take_is_told_before_anybody_deploys_it(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        override = {"metadata": {"labels": {"team": "no label!"}}}
        await stage.request(autoApply=False, overrides={"dgd": override})
        async with controlling(stage.config):
            await stage.reaches("Failed")
            message = (await stage.condition("DeploymentReady"))["message"]
            assert "metadata.labels" in message
        assert not stage.uids["DynamoGraphDeployment"]

    lives(dynamo, "success", story)


def test_what_the_planner_mounts_outlives_the_request_and_goes_with_the_deployment(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request(features={"planner": True})
        async with controlling(stage.config):
            await stage.reaches("Deployed")
            graph = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
            (planner,) = (each for each in graph["spec"]["components"] if each["name"] == "Planner")
            (volume,) = planner["podTemplate"]["spec"]["volumes"]
            name = volume["configMap"]["name"]

            async def moved() -> bool:
                return own((await stage.client.get(CONFIG_MAPS, stage.key(name)))["metadata"]) == [
                    graph["metadata"]["uid"]
                ]

            await stage.until(moved)
        await stage.client.delete(REQUESTS, stage.key())

        async def gone(what: str) -> bool:
            return await stage.found(CONFIG_MAPS, what) is None

        await stage.until(lambda: gone("dgdr-output-qwen"))
        assert await stage.found(CONFIG_MAPS, name) is not None
        await stage.client.delete(GRAPHS, stage.key("qwen-dgd"))
        await stage.until(lambda: gone(name))

    lives(dynamo, "success", story)


def test_a_deployment_that_is_deleted_is_not_made_again(dynamo: Config) -> None:
    async def story(stage: Stage) -> None:
        await stage.request()
        async with controlling(stage.config):
            await stage.reaches("Deployed")
            await stage.client.delete(GRAPHS, stage.key("qwen-dgd"))
            await stage.reaches("Failed")
            assert (await stage.condition("Succeeded"))["reason"] == "DeploymentDeleted"
            await asyncio.sleep(1)
            assert len(stage.uids["DynamoGraphDeployment"]) == 1

    lives(dynamo, "success", story)


@pytest.mark.slow
def test_the_api_server_may_restart_in_every_phase_and_dynamo_may_come_late() -> None:
    cluster = Local(layout("test-restarts"))

    async def story(stage: Stage) -> None:
        async with controlling(stage.config):
            await stage.request()
            await stage.reaches("Profiling")
            await _restarted(cluster)
            await stage.says("Profiling", "Unschedulable", 90)
            (pod,) = await stage.client.list(PODS, stage.namespace)
            await stage.publish(pod, RunState.SUCCESS, exit_code=0)
            await stage.says("DeploymentReady", "WaitingForDynamo", 90)
            await _restarted(cluster)
            await install(stage.client, GRAPH_CRD)
            await stage.until(lambda: _there(stage, GRAPHS, "qwen-dgd"), 120)
            await _restarted(cluster)
            stage.operates = True
            await stage.reaches("Deployed", limit_s=120)
            await _restarted(cluster)
            await asyncio.sleep(5)
            assert (await stage.status())["phase"] == "Deployed"
            await stage.operate("failed")
            await stage.reaches("Deploying", limit_s=90)
            await stage.client.delete(JOBS, stage.key("profile-qwen"))
            await stage.operate("successful")
            await stage.reaches("Deployed", limit_s=90)
        assert {kind: len(uids) for kind, uids in stage.uids.items()} == {"Job": 1, "DynamoGraphDeployment": 1}

    with brought_up(cluster, Level.CONTROL_PLANE):
        lives(Config.from_kubeconfig(cluster.kubeconfig), "nothing", story, operates=False)


async def _restarted(cluster: Local) -> None:
    await asyncio.to_thread(cluster.restart, "kube-apiserver")
