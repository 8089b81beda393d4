"""A request's life on a real API server: what Kubernetes has no kubelet for, and Dynamo no operator, is played here."""

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from dgdr_api.names import LABEL_POD
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.reconciler.controller import add_controller
from dgdr_controller.runtime import (
    AlreadyExistsError,
    ApiError,
    Client,
    Config,
    Key,
    Manager,
    NotFoundError,
    RequestError,
    Resource,
    UnreachableError,
)
from dgdr_controller.runtime.transport import Request, Transport
from dgdr_controller.settings import RightsSettings, Settings
from hack.cluster.layout import CHECKOUT
from test.builders.results import results_of

REQUESTS: Resource[Any] = Resource(
    "nvidia.com", "v1beta1", "dynamographdeploymentrequests", "DynamoGraphDeploymentRequest", json.loads
)
GRAPHS: Resource[Any] = Resource("nvidia.com", "v1beta1", "dynamographdeployments", "DynamoGraphDeployment", json.loads)
JOBS: Resource[Any] = Resource("batch", "v1", "jobs", "Job", json.loads)
PODS: Resource[Any] = Resource("", "v1", "pods", "Pod", json.loads)
CONFIG_MAPS: Resource[Any] = Resource("", "v1", "configmaps", "ConfigMap", json.loads)
NAMESPACES: Resource[Any] = Resource("", "v1", "namespaces", "Namespace", json.loads, namespaced=False)
CRDS: Resource[Any] = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", json.loads, namespaced=False
)
REQUEST_CRD = CHECKOUT / "config/crd/bases/nvidia.com_dynamographdeploymentrequests.yaml"
GRAPH_CRD = CHECKOUT / "hack/dynamo/crd.yaml"
NODE = "nowhere"
"""A node without a machine, on which the scheduler puts nothing; pods that are bound to no such node are collected."""
LIMIT_S = 120.0
_POLL_S, _LONGEST_POLL_S = 0.05, 0.5
_TIMES = {"lastTransitionTime", "startTime", "completionTime"}


class KilledError(Exception):
    """This process has died, as far as anybody else can see."""


@dataclass
class Killer:
    """Lets a process die before or after its n-th write; events do not count: nothing depends on them.

    Attributes:
        at: Which write; 0: none.
        after: Whether the write is still carried out.
    """

    at: int = 0
    after: bool = False
    writes: list[str] = field(default_factory=list)
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self, transport: Transport) -> None:
        """Stand between a client and its server."""
        send = transport.send

        async def sending(request: Request) -> bytes:
            if request.writes and self.dead.is_set():
                raise KilledError
            if not request.writes or "/events" in request.path:
                return await send(request)
            self.writes.append(f"{request.method} {request.path}")
            if len(self.writes) != self.at:
                return await send(request)
            if self.after:
                await send(request)
            self.dead.set()
            raise KilledError

        vars(transport)["send"] = sending


@contextlib.asynccontextmanager
async def controlling(
    config: Config, killer: Killer | None = None, settings: Settings | None = None
) -> AsyncIterator[Killer]:
    """Run a controller of its own for a while."""
    killer = killer or Killer()
    manager = Manager(config, graceful_timeout=1.0)
    killer.watch(manager.client.transport)
    add_controller(manager, settings or Settings(rights=RightsSettings(mode="enforce")), workers=2)
    running = asyncio.create_task(manager.run())
    try:
        yield killer
    finally:
        killer.dead.set()
        manager.stop()
        await running


@dataclass
class Stage:
    """A namespace with one request in it.

    Attributes:
        client: The administrator's.
        namespace: Its name.
        plays: What kubelet and profiler do with a pod of the Job: a name of `PLAYS`.
        killer: Knows what the controller has written.
        uids: UIDs that Jobs and deployments have had, as an independent watcher saw them.
    """

    config: Config
    client: Client
    namespace: str
    plays: str = "success"
    operates: bool = True
    killer: Killer = field(default_factory=Killer)
    uids: dict[str, set[str]] = field(default_factory=lambda: {"Job": set(), "DynamoGraphDeployment": set()})
    phases: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        """What the controller has written here."""
        return [write for write in self.killer.writes if f"/namespaces/{self.namespace}/" in write]

    def key(self, name: str = "qwen") -> Key:
        return Key(self.namespace, name)

    async def request(self, **spec: Any) -> None:
        """Create the request."""
        fields = {"model": "Qwen/Qwen3-32B", "backend": "vllm", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}}
        await self.client.create(REQUESTS, self.manifest(**fields | spec))

    def manifest(self, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": REQUESTS.api_version,
            "kind": REQUESTS.kind,
            "metadata": {"name": "qwen", "namespace": self.namespace},
            "spec": spec,
        }

    async def found(self, resource: Resource[Any], name: str) -> Any:
        try:
            return await self.client.get(resource, self.key(name))
        except NotFoundError:
            return None

    async def status(self) -> dict[str, Any]:
        return dict((await self.client.get(REQUESTS, self.key())).get("status") or {})

    async def condition(self, type_: str) -> dict[str, str]:
        found = [c for c in (await self.status()).get("conditions", []) if c["type"] == type_]
        return found[0] if found else {}

    async def until(self, holds: Callable[[], Awaitable[bool]], limit_s: float = LIMIT_S) -> None:
        """Wait until something holds."""
        pause = _POLL_S
        try:
            async with asyncio.timeout(limit_s):
                while not await self._answered(holds):
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.2, _LONGEST_POLL_S)
        except TimeoutError:
            raise AssertionError(f"it does not come to hold: {await self._objects()}") from None

    async def _objects(self) -> str:
        """Return what there is, in a few lines."""
        job, output = await self.found(JOBS, "profile-qwen"), await self.found(CONFIG_MAPS, "dgdr-output-qwen")
        metadata = {name: manifest and manifest["metadata"] for name, manifest in (("job", job), ("output", output))}
        return f"status {json.dumps(await self.status())[:3000]}\nmetadata {json.dumps(metadata)[:3000]}"

    @staticmethod
    async def _answered(holds: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await holds()
        except RequestError:
            return False

    async def reaches(self, *phases: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """Wait for one of these phases; return the status."""

        async def there() -> bool:
            return (await self.status()).get("phase") in phases

        await self.until(there, limit_s)
        return await self.status()

    async def says(self, type_: str, reason: str, limit_s: float = LIMIT_S) -> str:
        """Wait for a condition's reason; return its message."""

        async def there() -> bool:
            return (await self.condition(type_)).get("reason") == reason

        await self.until(there, limit_s)
        return (await self.condition(type_))["message"]

    async def timeless(self) -> str:
        """Return the final status without what differs between two runs: times, UIDs, the ends of pods' names."""
        request: Any = await self.client.get(REQUESTS, self.key())
        status = request["status"]
        status["conditions"] = sorted(status["conditions"], key=lambda condition: str(condition["type"]))
        text = json.dumps(_without(status, _TIMES), sort_keys=True, indent=1)
        made = status.get("deploymentInfo", {}).get("uid", "")
        for name, value in (("UID", request["metadata"]["uid"]), ("NAMESPACE", self.namespace), ("DGD", made or "DGD")):
            text = text.replace(value, name)
        text = re.sub(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC", "since TIME UTC", text)
        return re.sub(r"pod profile-qwen-\w{5}", "pod profile-qwen-xxxxx", text)

    # The others

    async def watch(self, resource: Resource[Any]) -> None:
        """Note down every UID that an object of a kind has ever had here."""
        while True:
            with contextlib.suppress(RequestError):
                async for event in self.client.watch(resource, self.namespace):
                    if event.type != "BOOKMARK":
                        self.uids[resource.kind].add(json.loads(bytes(event.object))["metadata"]["uid"])
            await asyncio.sleep(_POLL_S)

    async def kubelet(self) -> None:
        """Run pods, in a manner of speaking: write down what their containers would do."""
        played: set[str] = set()
        while True:
            with contextlib.suppress(RequestError):
                async for event in self.client.watch(PODS, self.namespace, params={"labelSelector": LABEL_POD}):
                    pod = json.loads(bytes(event.object))
                    if event.type == "ADDED" and pod["metadata"]["name"] not in played:
                        await PLAYS[self.plays](self, pod)
                        played.add(pod["metadata"]["name"])
            await asyncio.sleep(_POLL_S)

    async def operator(self) -> None:
        """Be Dynamo's operator: every deployment is successful."""
        while self.operates:
            with contextlib.suppress(RequestError):
                async for event in self.client.watch(GRAPHS, self.namespace):
                    graph = json.loads(bytes(event.object))
                    generation = graph["metadata"].get("generation")  # bookmarks have none
                    if event.type != "DELETED" and graph.get("status", {}).get("observedGeneration") != generation:
                        await self.operate("successful", generation)
            await asyncio.sleep(_POLL_S)

    async def operate(self, state: str, generation: int = 1) -> None:
        told = {"status": {"state": state, "observedGeneration": generation}}
        await self.client.patch(GRAPHS, self.key("qwen-dgd"), told, subresource="status")

    async def publish(self, pod: dict[str, Any], status: RunState, **run: Any) -> None:
        """Write what the pod's publisher would."""
        env = {variable["name"]: variable.get("value") for variable in pod["spec"]["initContainers"][0]["env"]}
        job = pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
        results = results_of() if status is RunState.SUCCESS else None
        packed = pack(results.model_dump_json(exclude_none=True).encode()) if results else None
        fields: dict[str, Any] = {"phase": "SweepingDecode", "message": "vllm aggregated"} | run
        content = output.data(Output(job, str(env["DGDR_INPUTS"]), RunStatus(status=status, **fields), packed))
        metadata = {"name": "dgdr-output-qwen", "namespace": self.namespace}
        await self.client.apply(CONFIG_MAPS, {"metadata": metadata} | content, field_manager="dgdr-publisher")

    async def pod_is(self, pod: dict[str, Any], phase: str, **state: Any) -> None:
        """Write a pod's status."""
        container = {"name": "profiler", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        told = {"status": {"phase": phase, "containerStatuses": [container]}}
        await self.client.patch(PODS, self.key(pod["metadata"]["name"]), told, subresource="status")


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(content, names) for name, content in value.items() if name not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


async def _success(stage: Stage, pod: dict[str, Any]) -> None:
    await stage.pod_is(pod, "Running", running={})
    await stage.publish(pod, RunState.RUNNING, completed=1, total=2)
    await stage.publish(pod, RunState.SUCCESS, exit_code=0, phase="Done", message="2 candidates")
    await stage.pod_is(pod, "Succeeded", terminated={"exitCode": 0, "reason": "Completed"})


async def _refused(stage: Stage, pod: dict[str, Any]) -> None:
    await stage.publish(pod, RunState.RUNNING)
    await stage.publish(pod, RunState.FAILED, exit_code=65, error="unknown model")
    await stage.pod_is(pod, "Failed", terminated={"exitCode": 65, "reason": "Error", "message": "Error: unknown model"})


async def _crashed(stage: Stage, pod: dict[str, Any]) -> None:
    await stage.pod_is(pod, "Failed", terminated={"exitCode": 126, "reason": "Error", "message": "no such program"})


async def _runs(stage: Stage, pod: dict[str, Any]) -> None:
    """Bind it to a node, else the scheduler goes on complaining; when it has done so, else its complaint comes later."""
    name, namespace = pod["metadata"]["name"], stage.namespace

    async def complained() -> bool:
        status = (await stage.client.get(PODS, stage.key(name)))["status"]
        return any(condition["type"] == "PodScheduled" for condition in status.get("conditions", []))

    await stage.until(complained)
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    path = PODS.path(namespace, name, "binding")
    await stage.client.transport.send(Request("POST", path, {}, json.dumps(body).encode()))
    await stage.pod_is(pod, "Running", running={})


async def _nothing(stage: Stage, pod: dict[str, Any]) -> None:
    """Leave the pod as it is: the scheduler finds no node for it."""


PLAYS: dict[str, Callable[[Stage, dict[str, Any]], Awaitable[None]]] = {
    "success": _success,
    "refused": _refused,
    "crashed": _crashed,
    "runs": _runs,
    "nothing": _nothing,
}


async def install(client: Client, *files: Any) -> None:
    """Install CRDs and wait until they are served."""
    for file in files:
        manifest = yaml.safe_load(file.read_text())
        with contextlib.suppress(AlreadyExistsError):
            await client.create(CRDS, manifest)
        names, version = manifest["spec"]["names"], manifest["spec"]["versions"][0]["name"]
        resource: Resource[Any] = Resource(
            manifest["spec"]["group"], version, names["plural"], names["kind"], json.loads
        )
        async with asyncio.timeout(30):
            while True:
                try:
                    await client.list(resource)
                except ApiError:
                    await asyncio.sleep(_POLL_S)
                else:
                    break


async def _made(client: Client, namespace: str) -> None:
    """Make a namespace; on a busy machine the first connection is refused its time now and then."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                await client.create(NAMESPACES, {"metadata": {"name": namespace}})
            except AlreadyExistsError:
                return
            except UnreachableError:
                await asyncio.sleep(_POLL_S)
            else:
                return


@contextlib.asynccontextmanager
async def staged(config: Config, plays: str = "success", *, operates: bool = True) -> AsyncIterator[Stage]:
    """Play everybody but the controller in a new namespace."""
    client = Client(config)
    namespace = f"test-{uuid.uuid4().hex[:12]}"
    await _made(client, namespace)
    stage = Stage(config, client, namespace, plays, operates)
    others = (stage.watch(JOBS), stage.watch(GRAPHS), stage.kubelet(), stage.operator())
    tasks = [asyncio.create_task(other) for other in others]
    try:
        yield stage
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RequestError):
            await client.delete(REQUESTS, stage.key())
        with contextlib.suppress(RequestError):
            await client.delete(NAMESPACES, Key("", namespace))
        await client.close()
