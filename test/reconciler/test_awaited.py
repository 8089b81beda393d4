"""What requests wait for comes: the whole controller hears of it within seconds, at a bounded cost."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_controller.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    GRAPHS,
    JOBS,
    NODES,
    PODS,
    REQUESTS,
    SECRETS,
)
from dgdr_controller.reconciler.awaited import UNKNOWN, Awaited
from dgdr_controller.reconciler.lookups import Lookups, NotKnownError
from dgdr_controller.reconciler.observed_state import ClusterState, ObjectName, Subject
from dgdr_controller.runtime import Client, Key, Resource, decode_dict
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.testing import FakeApiServer, Fault, virtual_time
from dgdr_controller.settings import RightsSettings, Settings
from test.builders.request_controller import KINDS, REQUEST, WITH_STATUS, running, serve

GROVE = Resource("grove.io", "v1alpha1", "podcliquesets", "PodCliqueSet", decode=decode_dict)
MODELS = ObjectName("PersistentVolumeClaim", "models")
CLAIM = {"metadata": {"name": "models", "namespace": "team"}, "spec": {"accessModes": ["ReadWriteMany"]}}
SECRET = {"metadata": {"name": "hf-token-secret", "namespace": "team"}, "data": {"HF_TOKEN": "aGZfc2VjcmV0"}}
LIMIT_S = 5.0


def node(name: str, gpus: int) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143771"}
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus)}, "conditions": ready},
    }


def using(gpus: int) -> dict[str, Any]:
    container = {"name": "a", "resources": {"requests": {"nvidia.com/gpu": str(gpus)}}}
    return {"metadata": {"name": "busy", "namespace": "other"}, "spec": {"nodeName": "n1", "containers": [container]}}


def request(name: str = "qwen", **spec: Any) -> dict[str, Any]:
    return REQUEST | {"metadata": {"name": name, "namespace": "team"}, "spec": REQUEST["spec"] | spec}


@contextlib.asynccontextmanager
async def controlled(*without: Resource[Any], gpus: int = 8, used: int = 0) -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        serve(server, *({*KINDS, *WITH_STATUS, CLAIMS, SECRETS} - set(without)))
        if gpus:
            server.put(NODES, node("n1", gpus))
        server.put(NODES, {"metadata": {"name": "n0"}})
        if used:
            server.put(PODS, using(used))
        async with running(server, Settings(rights=RightsSettings(mode="enforce"))):
            yield server


def conditions(server: FakeApiServer, name: str = "qwen") -> dict[str, tuple[str, str]]:
    """Return reason and message of each condition."""
    found = server.object(REQUESTS, Key("team", name)).get("status", {}).get("conditions", [])
    return {condition["type"]: (condition["reason"], condition["message"]) for condition in found}


def goes_on(server: FakeApiServer, name: str = "qwen") -> bool:
    """Say whether a request is profiled, without a warning; nobody makes the Job's pod here, which is said after a while."""
    reason, message = conditions(server, name)["Succeeded"]
    doing = "Profiling is in progress: Discovering GPU hardware and preparing profiling job"
    return (reason, message) == ("Profiling", doing) or (reason == "WaitingForPod" and "says why" in message)


def asked(server: FakeApiServer, since: int = 0) -> Counter[str]:
    return Counter(path for method, path, _ in server.requests[since:] if method == "GET")


CLAIMED: dict[str, Any] = {"modelCache": {"pvcName": "models"}}


@virtual_time
async def test_claim_that_comes_is_noticed() -> None:
    async with controlled() as server:
        server.put(REQUESTS, request(**CLAIMED))
        await asyncio.sleep(LIMIT_S)
        reason, message = conditions(server)["Succeeded"]
        assert reason == "WaitingForClaim"
        assert message.startswith("PersistentVolumeClaim models does not exist in this namespace")
        assert not server.objects(JOBS)
        server.put(CLAIMS, CLAIM)
        await asyncio.sleep(LIMIT_S)
        assert goes_on(server)
        assert server.objects(JOBS)


WARNINGS: dict[str, tuple[dict[str, Any], dict[str, Any], Callable[[FakeApiServer], object], str]] = {
    "token": (
        {"model": "meta-llama/Llama-3.1-8B-Instruct"},
        {},
        lambda server: server.put(SECRETS, SECRET),
        "is gated on HuggingFace",
    ),
    "dynamo": ({}, {"without": GRAPHS}, lambda server: server.serve(GRAPHS, status=True), "does not serve Dynamo"),
    "nodes": ({}, {"gpus": 0}, lambda server: server.put(NODES, node("n1", 8)), "has no h200_sxm GPUs"),
    "grove": (
        {"hardware": {"gpuSku": "h200_sxm", "totalGpus": 16, "numGpusPerNode": 8}},
        {"gpus": 16},
        lambda server: server.serve(GROVE),
        "neither Grove nor LeaderWorkerSet",
    ),
    "access mode": (
        CLAIMED,
        {"claim": CLAIM | {"spec": {"accessModes": ["ReadWriteOnce"]}}},
        lambda server: server.put(CLAIMS, CLAIM),
        "has access mode ReadWriteOnce",
    ),
}


@pytest.mark.parametrize("what", WARNINGS)
@virtual_time
async def test_warning_comes_and_goes_while_the_request_goes_on(what: str) -> None:
    spec, before, mend, words = WARNINGS[what]
    without = (before["without"],) if "without" in before else ()
    async with controlled(*without, gpus=before.get("gpus", 8)) as server:
        if found := before.get("claim"):
            server.put(CLAIMS, found)
        server.put(REQUESTS, request(**spec))
        await asyncio.sleep(LIMIT_S)
        assert words in conditions(server)["PrerequisiteWarning"][1]
        assert words in conditions(server)["Succeeded"][1]
        assert server.objects(JOBS)
        mend(server)
        await asyncio.sleep(LIMIT_S)
        assert "PrerequisiteWarning" not in conditions(server)
        assert goes_on(server)
        events = [event for event in server.objects(EVENTS) if event["reason"] == "PrerequisiteWarning"]
        assert [event["type"] for event in events] == ["Warning"]


@virtual_time
async def test_gpus_that_get_free_are_noticed() -> None:
    async with controlled(used=8) as server:
        server.put(REQUESTS, request(searchStrategy="thorough"))
        await asyncio.sleep(LIMIT_S)
        reason, message = conditions(server)["Succeeded"]
        assert (reason, message.partition(". ")[0]) == (
            "WaitingForGpus",
            "Cluster does not have enough GPUs for profiling: 1 h200_sxm GPU is needed, the cluster has 8 h200_sxm GPUs, 0 free",
        )  # fmt: skip
        server.remove(PODS, Key("other", "busy"))
        await asyncio.sleep(2 * LIMIT_S)
        assert goes_on(server)


@virtual_time
async def test_node_that_comes_ends_the_wait_for_hardware() -> None:
    async with controlled(gpus=0) as server:
        server.put(REQUESTS, request(hardware=None))
        await asyncio.sleep(LIMIT_S)
        assert conditions(server)["Succeeded"][0] == "WaitingForHardware"
        server.put(NODES, node("n1", 8))
        await asyncio.sleep(LIMIT_S)
        assert goes_on(server)


@virtual_time
async def test_content_of_secrets_is_never_asked_for() -> None:
    accepted: list[str] = []

    def noted(asked_for: web.Request) -> bool:
        if "/secrets/" in asked_for.path:
            accepted.append(asked_for.headers["Accept"])
        return False

    async with controlled() as server:
        server.faults.append(Fault(noted))
        server.put(REQUESTS, request(model="meta-llama/Llama-3.1-8B-Instruct"))
        await asyncio.sleep(LIMIT_S)
        assert accepted
        assert all("as=PartialObjectMetadata" in media_type for media_type in accepted)


@virtual_time
async def test_name_of_a_base_deployment_leads_nowhere_else() -> None:
    kept = {"profilingConfig": {"configMapRef": {"name": "../../kube-system/configmaps/theirs"}}}
    async with controlled() as server:
        manifest = request()
        manifest["metadata"]["annotations"] = {ANNOTATION_PRESERVED: json.dumps(kept)}
        server.put(CONFIG_MAPS, {"metadata": {"name": "theirs", "namespace": "kube-system"}})
        server.put(REQUESTS, manifest)
        await asyncio.sleep(LIMIT_S)
        reason, message = conditions(server)["Succeeded"]
        assert reason == "ValidationFailed"
        assert "spec.profilingConfig.configMapRef.name: Invalid value" in message
        assert not [path for path in asked(server) if "kube-system" in path]


@virtual_time
async def test_what_may_not_be_read_keeps_nobody_waiting() -> None:
    async with controlled() as server:
        server.faults.append(
            Fault(lambda r: "/secrets/" in r.path or "/persistentv" in r.path, status=403, times=10**6)
        )
        server.put(REQUESTS, request(model="meta-llama/Llama-3.1-8B-Instruct"))
        server.put(REQUESTS, request("cached", **CLAIMED))
        await asyncio.sleep(LIMIT_S)
        for name in ("qwen", "cached"):
            assert goes_on(server, name)


@virtual_time
async def test_requests_that_wait_for_one_object_cost_one_question_a_round() -> None:
    async with controlled() as server:
        for number in range(50):
            server.put(REQUESTS, request(f"qwen-{number}", **CLAIMED))
        await asyncio.sleep(10)
        before, begun = asked(server), len(server.requests)
        await asyncio.sleep(10)
        path = CLAIMS.path("team", "models")
        assert 3 <= asked(server)[path] - before[path] <= 6
        assert set(asked(server, begun)) == {path}  # nothing else is asked for, and nothing written
        assert all(method == "GET" for method, _, _ in server.requests[begun:])
        server.put(CLAIMS, CLAIM)
        await asyncio.sleep(LIMIT_S)
        assert len(server.objects(JOBS)) == 50


@virtual_time
async def test_deleted_request_is_not_waited_for() -> None:
    async with controlled() as server:
        server.put(REQUESTS, request(**CLAIMED))
        await asyncio.sleep(LIMIT_S)
        server.remove(REQUESTS, Key("team", "qwen"))
        await asyncio.sleep(LIMIT_S)
        before = len(server.requests)
        await asyncio.sleep(60)
        assert CLAIMS.path("team", "models") not in asked(server, before)


@virtual_time
async def test_subject_that_nobody_can_tell_of_changes_nothing() -> None:
    answers: list[object] = [UNKNOWN, None, "there", UNKNOWN]

    async def look(_: str, subject: Subject) -> object:
        return answers.pop(0) if subject == MODELS and answers else UNKNOWN

    enqueued: list[Key] = []
    awaited = Awaited(look)
    awaited.update(Key("team", "qwen"), {MODELS: None, ClusterState.GPUS: ()})
    task = asyncio.create_task(awaited.run(enqueued.append))
    await asyncio.sleep(60)
    task.cancel()
    assert enqueued == [Key("team", "qwen")]


@virtual_time
async def test_many_objects_are_asked_for_at_a_bounded_rate() -> None:
    times: list[float] = []

    async def look(_: str, __: Subject) -> object:
        times.append(asyncio.get_running_loop().time())
        return None

    awaited = Awaited(look)
    for number in range(1000):
        awaited.update(Key("team", f"qwen-{number}"), {ObjectName("PersistentVolumeClaim", f"models-{number}"): None})
    task = asyncio.create_task(awaited.run(lambda _: None))
    await asyncio.sleep(60)
    task.cancel()
    assert 2000 < len(times) <= 60 * 50
    assert max(sum(at <= time < at + 1 for time in times) for at in range(60)) <= 51


@virtual_time
async def test_answers_are_used_again_for_some_seconds() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(CLAIMS)
        lookups = Lookups(client)
        assert await lookups.find("team", [MODELS, MODELS]) == {MODELS: None}
        server.put(CLAIMS, CLAIM)
        assert await lookups.find("team", [MODELS]) == {MODELS: None}
        await asyncio.sleep(LIMIT_S)
        (found,) = (await lookups.find("team", [MODELS])).values()
        assert found is not None
        assert len(server.requests) == 2
        server.faults.append(Fault(lambda _: True, status=500, times=10**6))
        await asyncio.sleep(LIMIT_S)
        assert (await lookups.find("team", [MODELS]))[MODELS] == found  # nobody says that it has changed
        with pytest.raises(NotKnownError):
            await lookups.ask("team", ObjectName("Secret", "others"))
