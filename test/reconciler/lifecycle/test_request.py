"""Each test is a story of one request, in a namespace of its own.

Most of a story is waiting. So those that are to be told are told several at a time, to one controller, as it would have
them; a test hears how its own ended.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.runtime import Client, Config, InvalidError, Key, Resource
from dgdr_controller.runtime.transport import Request
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from test.builders.lifecycle import (
    CONFIG_MAPS,
    GRAPH_CRD,
    GRAPHS,
    JOBS,
    REQUEST_CRD,
    REQUESTS,
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

CLAIMS: Resource[Any] = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", json.loads)
VOLUMES: Resource[Any] = Resource("", "v1", "persistentvolumes", "PersistentVolume", json.loads, namespaced=False)
SECRETS: Resource[Any] = Resource("", "v1", "secrets", "Secret", json.loads)
ACCOUNTS: Resource[Any] = Resource("", "v1", "serviceaccounts", "ServiceAccount", json.loads)
ROLES: Resource[Any] = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", json.loads)
BINDINGS: Resource[Any] = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", json.loads)
POLICIES: Resource[Any] = Resource(
    *("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    json.loads,
    namespaced=False,
)
POLICY_BINDINGS: Resource[Any] = Resource(
    *("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    json.loads,
    namespaced=False,
)
QUOTAS: Resource[Any] = Resource("", "v1", "resourcequotas", "ResourceQuota", json.loads)
PODS: Resource[Any] = Resource("", "v1", "pods", "Pod", json.loads)
QUIET_S = 3.0
NOTICED_S = 5.0
"""How soon people are told what is missing, and that it is there."""
AT_ONCE = 7
"""Stories that are told at a time: enough to fill each other's waits, and few enough for a busy machine."""


@dataclass(frozen=True)
class Story:
    """What happens to a request.

    Attributes:
        plays: What kubelet and profiler do.
        operates: Whether Dynamo's operator works.
        tell: Do and see it, while a controller runs.
        later: Do and see this in the end, while another controller runs; None: nothing.
    """

    plays: str
    operates: bool
    tell: Callable[[Stage], Awaitable[None]]
    later: Callable[[Stage], Awaitable[None]] | None = None


Endings = Mapping[str, BaseException | None]
STORIES: dict[str, Story] = {}
"""By the names of their tests."""


def lives(
    plays: str = "",
    *,
    operates: bool = True,
    later: Callable[[Stage], Awaitable[None]] | None = None,
    cases: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make a test of a story; with cases one of each: by their ids, what the story is given, ``plays`` among it."""

    def register(tell: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        name = tell.__name__
        for case, given in (cases or {"": {}}).items():
            fields = dict(given)
            played = fields.pop("plays", plays)
            STORIES[f"{name}[{case}]" if case else name] = Story(played, operates, partial(tell, **fields), later)

        def test(endings: Endings) -> None:
            hear(endings, name)

        @pytest.mark.parametrize("case", cases or [])
        def tests(endings: Endings, case: str) -> None:
            hear(endings, f"{name}[{case}]")

        return tests if cases else test

    return register


def hear(endings: Endings, name: str) -> None:
    if (error := endings[name]) is not None:
        raise error


async def told(config: Config, names: list[str]) -> Endings:
    """Tell stories, some at a time; return what ended each of them."""
    endings: dict[str, BaseException | None] = dict.fromkeys(names)
    stages: dict[str, Stage] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def heard(name: str, telling: Awaitable[None]) -> None:
        try:
            await telling
        except Exception as error:  # noqa: BLE001 - its test raises it
            endings[name] = endings[name] or error

    async with AsyncExitStack() as theatre:

        async def tell(name: str) -> None:
            story = STORIES[name]
            async with turns:
                stage = await theatre.enter_async_context(staged(config, story.plays, operates=story.operates))
                stage.killer, stages[name] = killer, stage
                await story.tell(stage)

        async def tell_the_end(name: str) -> None:
            if (later := STORIES[name].later) and name in stages:
                stages[name].killer = another
                await later(stages[name])

        async with controlling(config) as killer:
            await asyncio.gather(*(heard(name, tell(name)) for name in names))
        async with controlling(config) as another:
            await asyncio.gather(*(heard(name, tell_the_end(name)) for name in names))
    return endings


@pytest.fixture(scope="module")
def known() -> dict[str, BaseException | None]:
    return {}


@pytest.fixture
def endings(dynamo: Config, known: dict[str, BaseException | None], request: pytest.FixtureRequest) -> Endings:
    """How the stories of this run have ended, which begin when the first of their tests does."""
    if not known:
        tests = {item.name for item in request.session.items if item.path == request.node.path}
        known.update(asyncio.run(told(dynamo, [name for name in STORIES if name in tests])))
    return known


async def annotate(stage: Stage, **annotations: str) -> None:
    named = {f"dgdr.nvidia.com/{name}": value for name, value in annotations.items()}
    await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"annotations": named}})


def own(metadata: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in metadata.get("ownerReferences", [])]


async def nothing_more_is_written(stage: Stage) -> None:
    await asyncio.sleep(QUIET_S)
    assert stage.writes == []


@lives(
    later=nothing_more_is_written,
    cases={
        f"{plays}-{ends}": {"plays": plays, "ends": ends}
        for plays, ends in (("success", "Deployed"), ("refused", "Failed"), ("runs", "Profiling"))
    },
)
async def test_idle_controller_writes_nothing(stage: Stage, ends: str) -> None:
    await stage.request()
    await stage.reaches(ends)
    await stage.until(lambda: _pod_was_played(stage))
    before = await _settled(stage)
    # whatever makes it look again finds nothing to write
    await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"labels": {"looked": "at"}}})
    await asyncio.sleep(QUIET_S)
    assert stage.writes[before:] == []
    assert 1 <= len([write for write in stage.writes if write.endswith("/status")]) <= 12


async def _pod_was_played(stage: Stage) -> bool:
    """Say whether the pod has been run: on a busy machine the Job is given it later than anything settles."""
    pods = await stage.client.list(PODS, stage.namespace)
    return bool(pods) and pods[0]["status"]["phase"] != "Pending"


async def _settled(stage: Stage) -> int:
    """Wait until nothing has been written for a while; return how many writes there were."""
    async with asyncio.timeout(30):
        while True:
            before = len(stage.writes)
            await asyncio.sleep(QUIET_S)
            if len(stage.writes) == before:
                return before


@lives("nothing")
async def test_request_that_cannot_be_read_is_answered_once(stage: Stage) -> None:
    await stage.request(features={"planner": "yes"})
    await stage.reaches("Failed")
    assert "spec.features.planner" in (await stage.condition("Validation"))["message"]
    await asyncio.sleep(QUIET_S)
    assert len(stage.writes) == 1


@lives("nothing")
async def test_trouble_of_the_pod_is_said_in_the_schedulers_words(stage: Stage) -> None:
    await stage.request()
    message = await stage.says("Profiling", "Unschedulable")
    assert "cannot be scheduled: 0/1 nodes are available: 1 node(s) were unschedulable" in message


@lives("runs")
async def test_progress_is_shown_while_it_runs(stage: Stage) -> None:
    await stage.request()
    await stage.reaches("Profiling")
    await stage.until(lambda: _any_pod(stage))
    (pod,) = await stage.client.list(PODS, stage.namespace)
    await stage.publish(pod, RunState.RUNNING, completed=1, total=2, phase="Doing 1 of 2")
    assert await stage.says("Profiling", "Doing1of2") == "vllm aggregated"
    status = await stage.status()
    assert status["profilingPhase"] == "Doing 1 of 2"
    assert status["profilingProgress"] == {"completed": 1, "total": 2, "message": "vllm aggregated"}


@lives("runs")
async def test_progress_is_written_every_two_seconds_at_most_and_the_last_of_it_always(stage: Stage) -> None:
    await stage.request()
    await stage.reaches("Profiling")
    await stage.until(lambda: _any_pod(stage))
    (pod,) = await stage.client.list(PODS, stage.namespace)
    await stage.publish(pod, RunState.RUNNING, message="search 0")
    await stage.says("Profiling", "SweepingDecode")
    before, begun = len(stage.writes), time.monotonic()
    for number in range(1, 31):
        await stage.publish(pod, RunState.RUNNING, message=f"search {number}")
        await asyncio.sleep(0.1)

    async def told() -> bool:
        return (await stage.condition("Profiling"))["message"] == "search 30"

    await stage.until(told)
    written = len(stage.writes) - before
    assert 2 <= written <= 1 + (time.monotonic() - begun) / 2


async def _any_pod(stage: Stage) -> bool:
    return bool(await stage.client.list(PODS, stage.namespace))


@lives("runs")
async def test_deleted_job_is_made_again_once(stage: Stage) -> None:
    await stage.request()
    for times in (1, 2):

        async def made(times: int = times) -> bool:
            found = await stage.found(CONFIG_MAPS, "dgdr-output-qwen")
            seen = (found or {"metadata": {}})["metadata"].get("annotations", {})
            uids = seen.get("dgdr.nvidia.com/job-uid", "")
            return bool(uids) and len(uids.split(",")) == times

        await stage.until(made)
        await stage.until(lambda: _there(stage, JOBS, "profile-qwen"))
        await stage.client.delete(JOBS, stage.key("profile-qwen"))
    status = await stage.reaches("Failed")
    assert "deleted 2 times" in json.dumps(status)
    assert len(stage.uids["Job"]) == 2


async def _gone(stage: Stage, resource: Resource[Any], name: str) -> bool:
    return await stage.found(resource, name) is None


async def _there(stage: Stage, resource: Resource[Any], name: str) -> bool:
    return await stage.found(resource, name) is not None


ANOTHERS: dict[str, tuple[Resource[Any], str, dict[str, Any]]] = {
    "output": (CONFIG_MAPS, "dgdr-output-qwen", {"data": {"mine": "yes"}}),
    "labelled output": (CONFIG_MAPS, "dgdr-output-qwen", {"data": {"mine": "yes"}, "labelled": True}),
    "role": (ROLES, "dgdr-output-qwen", {"rules": []}),
    "job": (
        JOBS,
        "profile-qwen",
        {
            "spec": {
                "suspend": True,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}},
            }
        },
    ),
}


@lives("success", cases={what: {"what": what} for what in ANOTHERS})
async def test_object_of_another_owner_is_left_alone_and_waited_for(stage: Stage, what: str) -> None:
    resource, name, content = ANOTHERS[what]
    fields = dict(content)
    labels = {"nvidia.com/managed-by": "dynamo-operator"} if fields.pop("labelled", False) else {}
    metadata = {"name": name, "namespace": stage.namespace, "labels": {"of": "another"} | labels}
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    before = await stage.client.create(resource, kind | {"metadata": metadata} | fields)
    await stage.request()
    assert name in await stage.says("Profiling", "NameConflict")
    after = await stage.client.get(resource, stage.key(name))
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["labels"] | {"of": "another"} | labels == after["metadata"]["labels"]
    assert own(after["metadata"]) == []
    assert after.get("data") == before.get("data")
    assert "dgdr.nvidia.com/uid" not in after["metadata"].get("annotations", {})
    await stage.client.delete(resource, stage.key(name))
    await stage.reaches("Deployed")


@lives("nothing")
async def test_output_that_becomes_anothers_during_the_run_is_waited_for(stage: Stage) -> None:
    await stage.request()
    name = "dgdr-output-qwen"

    async def noted() -> bool:
        found = await stage.found(CONFIG_MAPS, name)
        return "dgdr.nvidia.com/job-uid" in (found or {"metadata": {}})["metadata"].get("annotations", {})

    await stage.until(noted)
    anothers = {"metadata": {"ownerReferences": None, "labels": None, "annotations": None}}
    await stage.client.patch(CONFIG_MAPS, stage.key(name), anothers)
    assert name in await stage.says("Profiling", "NameConflict")
    await stage.client.delete(CONFIG_MAPS, stage.key(name))
    await stage.until(noted)
    assert len(stage.uids["Job"]) == 1


@lives("success", operates=False)
async def test_deployment_of_another_owner_is_never_touched(stage: Stage) -> None:
    metadata = {"name": "qwen-dgd", "namespace": stage.namespace}
    kind = {"apiVersion": GRAPHS.api_version, "kind": GRAPHS.kind}
    before = await stage.client.create(GRAPHS, kind | {"metadata": metadata, "spec": {"mine": True}})
    await stage.request()
    await stage.says("DeploymentReady", "NameConflict")
    await asyncio.sleep(1)
    after = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert (await stage.status())["phase"] == "Deploying"


def pod_with(**spec: Any) -> dict[str, Any]:
    return {"overrides": {"profilingJob": {"template": {"spec": spec}}}}


def volume(**source: Any) -> dict[str, Any]:
    return pod_with(volumes=[{"name": "extra"} | source])


def claim(mode: str) -> dict[str, Any]:
    return {"spec": {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}}


CACHED = {"modelCache": {"pvcName": "models"}}
MISSING: dict[str, tuple[str, dict[str, Any], Resource[Any], str, dict[str, Any]]] = {
    "model cache": ("WaitingForClaim", CACHED, CLAIMS, "models", claim("ReadWriteMany")),
    "volume": (
        *("WaitingForClaim", volume(persistentVolumeClaim={"claimName": "work"}), CLAIMS, "work"),
        claim("ReadWriteOnce"),
    ),
    "account": ("WaitingForServiceAccount", pod_with(serviceAccountName="robot"), ACCOUNTS, "robot", {}),
    "secret": ("WaitingForSecret", volume(secret={"secretName": "keys"}), SECRETS, "keys", {}),
    "config map": ("WaitingForConfigMap", volume(configMap={"name": "text"}), CONFIG_MAPS, "text", {}),
}


def volume_for(stage: Stage, name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": stage.namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {"namespace": stage.namespace, "name": name},
            "hostPath": {"path": "/nowhere"},
        },
    }


async def create(stage: Stage, resource: Resource[Any], name: str, content: dict[str, Any]) -> None:
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    await stage.client.create(resource, kind | {"metadata": {"name": name, "namespace": stage.namespace}} | content)


async def columns(stage: Stage) -> dict[str, Any]:
    """Return what ``kubectl get`` shows of the request."""
    path = REQUESTS.path(stage.namespace, "qwen")
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    shown = json.loads(await stage.client.transport.send(Request("GET", path, {}, accept=table)))
    (row,) = shown["rows"]
    return {column["name"]: cell for column, cell in zip(shown["columnDefinitions"], row["cells"], strict=True)}


@lives("success", cases={what: {"what": what} for what in MISSING})
async def test_what_the_job_does_not_start_without_is_waited_for(stage: Stage, what: str) -> None:
    reason, spec, resource, name, content = MISSING[what]
    await stage.request(**spec)
    await stage.says("Succeeded", reason, NOTICED_S)
    shown = await columns(stage)
    assert (shown["Phase"], shown["Reason"]) == ("Pending", reason)
    assert f"{resource.kind} {name} does not exist in this namespace; create it, or change spec." in shown["Message"]
    await create(stage, resource, name, content)

    async def mended() -> bool:
        return bool((await columns(stage))["Phase"] != "Pending")

    await stage.until(mended, NOTICED_S)
    assert len(stage.uids["Job"]) <= 1


@lives("runs")
async def test_warnings_come_and_go_while_the_job_runs(stage: Stage) -> None:
    await create(stage, CLAIMS, "models", claim("ReadWriteOncePod"))
    override = pod_with(imagePullSecrets=[{"name": "registry"}])
    await stage.request(**CACHED, **override)
    assert "ReadWriteOncePod" in await stage.says("Succeeded", "WaitingForClaim", NOTICED_S)
    await stage.client.delete(CLAIMS, stage.key("models"))
    await stage.until(lambda: _gone(stage, CLAIMS, "models"))
    await create(stage, CLAIMS, "models", claim("ReadWriteMany"))
    await stage.reaches("Profiling", limit_s=NOTICED_S)

    async def shown(*words: str) -> bool:
        message = (await columns(stage))["Message"]
        return all(word in message for word in words)

    unbound, unpulled = "PersistentVolumeClaim models has no volume yet", "Secret registry does not exist"
    await stage.until(lambda: shown("Profiling is in progress: ", unbound, unpulled), NOTICED_S)
    await create(stage, SECRETS, "registry", {})

    async def pulled() -> bool:
        return unpulled not in (await columns(stage))["Message"]

    await stage.until(pulled, NOTICED_S)
    assert unbound in (await columns(stage))["Message"]
    await stage.client.create(VOLUMES, volume_for(stage, "models"))

    async def bound() -> bool:
        found = await stage.client.get(CLAIMS, stage.key("models"))
        return bool(found["status"].get("phase") == "Bound")

    async def noticed() -> bool:
        return unbound not in (await columns(stage))["Message"]

    try:
        await stage.until(bound)  # Kubernetes looks for volumes every 15 s
        await stage.until(noticed, NOTICED_S)
    finally:
        await stage.client.delete(VOLUMES, Key("", stage.namespace))


@lives("runs")
async def test_token_for_a_gated_model_is_missed_until_it_is_there(stage: Stage) -> None:
    await stage.request(model="meta-llama/Llama-3.1-8B-Instruct")
    message = await stage.says("PrerequisiteWarning", "PrerequisiteWarning", NOTICED_S)
    assert "Secret hf-token-secret does not exist in this namespace" in message
    await create(stage, SECRETS, "hf-token-secret", {"stringData": {"HF_TOKEN": "hf_x"}})

    async def gone() -> bool:
        return "gated" not in (await stage.condition("PrerequisiteWarning")).get("message", "")

    await stage.until(gone, NOTICED_S)


@lives("nothing")
async def test_gpus_for_measuring_are_waited_for(stage: Stage) -> None:
    await stage.request(searchStrategy="thorough")
    message = await stage.says("Succeeded", "WaitingForGpus", NOTICED_S)
    assert message.startswith(
        "Cluster does not have enough GPUs for profiling: 8 h200_sxm GPUs are needed, the cluster has no h200_sxm GPUs"
    )
    await stage.client.patch(REQUESTS, stage.key(), {"spec": {"searchStrategy": "rapid"}})
    await stage.reaches("Profiling", limit_s=NOTICED_S)
    warning = (await stage.condition("PrerequisiteWarning"))["message"]
    assert warning.startswith("spec.hardware.totalGpus is 8, and the cluster has no h200_sxm GPUs that pods can get")


@lives("success")
async def test_deleted_request_takes_what_was_its_own_and_leaves_the_deployment(stage: Stage) -> None:
    await stage.request()
    await stage.reaches("Deployed")
    request = await stage.client.get(REQUESTS, stage.key())
    uid = request["metadata"]["uid"]
    assert "finalizers" not in request["metadata"]
    ours = [(JOBS, "profile-qwen"), (CONFIG_MAPS, "dgdr-output-qwen"), (ROLES, "dgdr-output-qwen")]
    (given,) = [
        config_map["metadata"]
        for config_map in await stage.client.list(CONFIG_MAPS, stage.namespace)
        if config_map["metadata"]["name"].startswith("dgdr-input-")
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


@lives("refused")
async def test_only_finalizers_of_others_than_dynamos_controller_keep_a_deleted_request(stage: Stage) -> None:
    async def finalizers() -> list[str]:
        metadata = (await stage.client.get(REQUESTS, stage.key()))["metadata"]
        return list(metadata.get("finalizers", []))

    await stage.request()
    await stage.reaches("Failed")
    both = ["nvidia.com/finalizer", "example.com/backup"]
    await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"finalizers": both}})
    await asyncio.sleep(1)
    assert await finalizers() == both  # Dynamo's controller would add it again, while it runs
    await stage.client.delete(REQUESTS, stage.key())

    async def released() -> bool:
        return await finalizers() == ["example.com/backup"]

    await stage.until(released)
    await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"finalizers": []}})
    assert not await _there(stage, REQUESTS, "qwen")


@lives("refused", cases={how: {"how": how} for how in ("spec", "annotation")})
async def test_failed_request_goes_on_when_the_user_changes_something(stage: Stage, how: str) -> None:
    await stage.request()
    await stage.reaches("Failed")
    stage.plays = "success"
    if how == "spec":
        await stage.client.patch(REQUESTS, stage.key(), {"spec": {"workload": {"isl": 2000}}})
    else:
        await annotate(stage, retry="1")
    status = await stage.reaches("Deployed")
    assert len(stage.uids["Job"]) == 2
    assert {c["type"]: c["status"] for c in status["conditions"]}["Profiling"] == "True"


@lives("refused")
async def test_retry_that_fails_again_is_one_retry(stage: Stage) -> None:
    await stage.request()
    await stage.reaches("Failed")
    await annotate(stage, retry="1")

    async def twice() -> bool:
        return len(stage.uids["Job"]) == 2 and (await stage.status())["phase"] == "Failed"

    await stage.until(twice)
    await asyncio.sleep(QUIET_S)
    assert len(stage.uids["Job"]) == 2


@lives("success")
async def test_ready_goes_on_with_the_candidate_that_is_asked_for(stage: Stage) -> None:
    await stage.request(autoApply=False)
    status = await stage.reaches("Ready")
    await annotate(stage, deploy="nobody")
    assert "nobody" in await stage.says("SpecGenerated", "CandidateNotOffered")
    await annotate(stage, deploy=status["profilingResults"]["pareto"][1]["id"])
    await stage.reaches("Deployed")
    graph: Any = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
    assert graph["spec"] == status["profilingResults"]["pareto"][1]["config"]["spec"]


@lives("success")
async def test_deployment_that_the_api_server_would_not_take_is_told_before_anybody_deploys_it(stage: Stage) -> None:
    override = {"metadata": {"labels": {"team": "no label!"}}}
    await stage.request(autoApply=False, overrides={"dgd": override})
    await stage.reaches("Failed")
    message = (await stage.condition("DeploymentReady"))["message"]
    assert "metadata.labels" in message
    assert not stage.uids["DynamoGraphDeployment"]


NO_BIG_JOBS = {
    "matchConstraints": {
        "resourceRules": [
            {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
        ]
    },
    "validations": [
        {"expression": "object.spec.backoffLimit < 9", "message": "spec.backoffLimit must be less than 9 here"}
    ],
}
UNMOUNTED = {"name": "profiler", "volumeMounts": [{"name": "nowhere", "mountPath": "/nowhere"}]}
REFUSED_JOBS: dict[str, tuple[dict[str, Any], str]] = {
    "invalid": (pod_with(containers=[UNMOUNTED]), 'volumeMounts[4].name: Not found: "nowhere"'),
    "policy": ({"overrides": {"profilingJob": {"backoffLimit": 9}}}, "spec.backoffLimit must be less than 9 here"),
}


@lives("success", cases={what: {"what": what} for what in REFUSED_JOBS})
async def test_job_that_the_api_server_would_not_take_leaves_nothing_behind(stage: Stage, what: str) -> None:
    spec, words = REFUSED_JOBS[what]
    async with forbidding(stage):
        await stage.request(**spec)
        await stage.reaches("Failed")
    condition = await stage.condition("Profiling")
    assert condition["reason"] == "JobCreationFailed"
    assert condition["message"].startswith("Job profile-qwen was refused: ")
    assert words in condition["message"]
    assert (await columns(stage))["Message"].endswith(condition["message"])
    assert not stage.uids["Job"]
    await nothing_is_left(stage)
    await stage.client.patch(REQUESTS, stage.key(), {"spec": {"overrides": None}})
    await stage.reaches("Deployed")


async def nothing_is_left(stage: Stage) -> None:
    for resource in (JOBS, CONFIG_MAPS, ACCOUNTS, ROLES, BINDINGS):
        names = {found["metadata"]["name"] for found in await stage.client.list(resource, stage.namespace)}
        assert names <= {"kube-root-ca.crt", "default"}


@lives("success")
async def test_job_that_a_quota_forbids_is_waited_for_and_leaves_nothing_behind(stage: Stage) -> None:
    await create(stage, QUOTAS, "jobs", {"spec": {"hard": {"count/jobs.batch": "0"}}})

    async def counted() -> bool:
        return bool((await stage.client.get(QUOTAS, stage.key("jobs"))).get("status", {}).get("hard"))

    await stage.until(counted)
    await stage.request()
    assert "exceeded quota: jobs" in await stage.says("Profiling", "WaitingForApi")
    await nothing_is_left(stage)
    await stage.client.delete(QUOTAS, stage.key("jobs"))
    await stage.reaches("Deployed")


@asynccontextmanager
async def forbidding(stage: Stage) -> AsyncIterator[None]:
    """Let a policy of the cluster refuse some Jobs of this namespace."""
    name = {"metadata": {"name": stage.namespace}}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}}}
    binding = {"policyName": stage.namespace, "validationActions": ["Deny"], "matchResources": here}
    await stage.client.create(POLICIES, name | {"spec": NO_BIG_JOBS})
    await stage.client.create(POLICY_BINDINGS, name | {"spec": binding})
    probe = {
        "metadata": {"name": "probe", "namespace": stage.namespace},
        "spec": {
            "backoffLimit": 9,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}},
        },
    }

    async def holds() -> bool:
        try:
            await stage.client.create(JOBS, probe, dry_run=True)
        except InvalidError:
            return True
        return False

    try:
        await stage.until(holds)  # policies take effect a moment after they are written
        yield
    finally:
        await stage.client.delete(POLICY_BINDINGS, Key("", stage.namespace))
        await stage.client.delete(POLICIES, Key("", stage.namespace))


@lives("success")
async def test_config_map_of_the_planner_outlives_the_request_and_goes_with_the_deployment(stage: Stage) -> None:
    await stage.request(features={"planner": True})
    await stage.reaches("Deployed")
    graph = await stage.client.get(GRAPHS, stage.key("qwen-dgd"))
    (planner,) = (component for component in graph["spec"]["components"] if component["name"] == "Planner")
    (volume,) = planner["podTemplate"]["spec"]["volumes"]
    name = volume["configMap"]["name"]

    async def moved() -> bool:
        return own((await stage.client.get(CONFIG_MAPS, stage.key(name)))["metadata"]) == [graph["metadata"]["uid"]]

    await stage.until(moved)
    await stage.client.delete(REQUESTS, stage.key())

    async def gone(what: str) -> bool:
        return await stage.found(CONFIG_MAPS, what) is None

    await stage.until(lambda: gone("dgdr-output-qwen"))
    assert await stage.found(CONFIG_MAPS, name) is not None
    await stage.client.delete(GRAPHS, stage.key("qwen-dgd"))
    await stage.until(lambda: gone(name))


@lives("success")
async def test_deployment_that_is_deleted_is_not_made_again(stage: Stage) -> None:
    await stage.request()
    await stage.reaches("Deployed")
    await stage.client.delete(GRAPHS, stage.key("qwen-dgd"))
    await stage.reaches("Failed")
    assert (await stage.condition("Succeeded"))["reason"] == "DeploymentDeleted"
    await asyncio.sleep(1)
    assert len(stage.uids["DynamoGraphDeployment"]) == 1


@pytest.mark.slow
def test_api_server_may_restart_in_every_phase_and_dynamo_may_come_late() -> None:
    cluster = Local(layout("test-restarts"))

    async def tell(config: Config) -> None:
        async with Client(config) as client:
            await install(client, REQUEST_CRD)
        async with staged(config, "nothing", operates=False) as stage, controlling(config):
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
            await stage.operate("successful")
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
        config = Config.from_kubeconfig(cluster.kubeconfig)
        asyncio.run(tell(config))


async def _restarted(cluster: Local) -> None:
    await asyncio.to_thread(cluster.restart, "kube-apiserver")
