"""Everybody but the controller, for many requests in one namespace."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dgdr_api.names import LABEL_POD, dgd_name, job_name, output_name
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.runtime import AlreadyExistsError, Client, Config, Key, NotFoundError, RequestError
from dgdr_controller.runtime.transport import Request
from test.builders.chaos.background import background
from test.builders.lifecycle import CONFIG_MAPS, GRAPHS, NAMESPACES, PLAYS, PODS, REQUESTS, Stage
from test.builders.results import results_of

_PAUSE_S = 0.05
_AT_ONCE = 8
_TRIES = 300
_TRY_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Life:
    """What is to become of a request.

    Attributes:
        plays: What kubelet and profiler do with a pod of its Job: a name of `PLAYS`.
        ends: The phase that it ends in.
        spec: Fields of its spec besides those that all have.
    """

    plays: str
    ends: str
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deploys(self) -> bool:
        """Whether it ends with a deployment."""
        return self.ends == "Deployed"


LIVES: Mapping[str, Life] = {
    "deployed": Life("success", "Deployed"),
    "ready": Life("success", "Ready", {"autoApply": False}),
    "refused": Life("refused", "Failed"),
    "crashed": Life("crashed", "Failed"),
}
_KINDS = tuple(LIVES)


@dataclass
class Cast(Stage):
    """Plays kubelet, profiler and Dynamo's operator for all requests of a namespace.

    Attributes:
        lives: By name of a request, what is to become of it.
    """

    lives: dict[str, Life] = field(default_factory=dict)

    def add(self, count: int) -> list[str]:
        """Have so many more requests, of every kind of life; return their names."""
        first = len(self.lives)
        names = [f"r{number}" for number in range(first, first + count)]
        self.lives |= {name: LIVES[_KINDS[number % len(_KINDS)]] for number, name in enumerate(names, first)}
        return names

    @property
    def ends(self) -> dict[str, str]:
        """The phase that each request ends in."""
        return {name: life.ends for name, life in self.lives.items()}

    @property
    def jobs(self) -> list[str]:
        """Names of the Jobs that there are to be."""
        return [job_name(name) for name in self.lives]

    @property
    def graphs(self) -> list[str]:
        """Names of the deployments that there are to be."""
        return [dgd_name(name) for name, life in self.lives.items() if life.deploys]

    async def create(self, names: list[str]) -> None:
        """Create requests, some at a time."""
        turns = asyncio.Semaphore(_AT_ONCE)
        shared = {"model": "Qwen/Qwen3-32B", "backend": "vllm", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}}

        async def one(name: str) -> None:
            manifest = self.manifest(**shared | dict(self.lives[name].spec))
            async with turns:
                await self._created(manifest | {"metadata": manifest["metadata"] | {"name": name}})

        await asyncio.gather(*map(one, names))

    async def _created(self, manifest: dict[str, Any]) -> None:
        """Create a request, as often as it takes: the API server may be away."""
        for _ in range(_TRIES):
            try:
                await self.client.create(REQUESTS, manifest)
            except AlreadyExistsError:
                return
            except RequestError:
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    async def kubelet(self) -> None:
        """Run pods, each of them once, several at a time."""
        played: set[str] = set()
        turns = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                with contextlib.suppress(RequestError):
                    async for event in self.client.watch(PODS, self.namespace, params={"labelSelector": LABEL_POD}):
                        pod = json.loads(bytes(event.object))
                        if event.type == "ADDED" and pod["metadata"]["name"] not in played:
                            played.add(pod["metadata"]["name"])
                            tasks.create_task(self._play(pod, turns))
                await asyncio.sleep(_PAUSE_S)

    async def _play(self, pod: dict[str, Any], turns: asyncio.Semaphore) -> None:
        """Play a pod to its end, as often as it takes where the API server is away."""
        play = PLAYS[self.lives[pod["metadata"]["labels"][LABEL_POD]].plays]
        for _ in range(_TRIES):
            try:
                async with turns:
                    await play(self, pod)
            except NotFoundError:
                return
            except RequestError:
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    async def operator(self) -> None:
        """Be Dynamo's operator: every deployment is successful."""
        while True:
            with contextlib.suppress(RequestError):
                async for event in self.client.watch(GRAPHS, self.namespace):
                    graph = json.loads(bytes(event.object))
                    generation = graph["metadata"].get("generation")  # bookmarks have none
                    if event.type != "DELETED" and graph.get("status", {}).get("observedGeneration") != generation:
                        state = {"state": "successful", "observedGeneration": generation}
                        key = self.key(graph["metadata"]["name"])
                        await self.client.patch(GRAPHS, key, {"status": state}, subresource="status")
            await asyncio.sleep(_PAUSE_S)

    async def publish(self, pod: dict[str, Any], status: RunState, **run: Any) -> None:
        """Write what the pod's publisher would."""
        name = pod["metadata"]["labels"][LABEL_POD]
        env = {variable["name"]: variable.get("value") for variable in pod["spec"]["initContainers"][0]["env"]}
        packed = _packed() if status is RunState.SUCCESS else None
        fields: dict[str, Any] = {"phase": "SweepingDecode", "message": "vllm aggregated"} | run
        job = pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
        content = output.data(Output(job, str(env["DGDR_INPUTS"]), RunStatus(status=status, **fields), packed))
        metadata = {"name": output_name(name), "namespace": self.namespace}
        await self.client.apply(CONFIG_MAPS, {"metadata": metadata} | content, field_manager="dgdr-publisher")


def _packed() -> str:
    return pack(results_of().model_dump_json(exclude_none=True).encode())


@contextlib.asynccontextmanager
async def cast_in(config: Config, namespace: str) -> AsyncIterator[Cast]:
    """Play everybody but the controller in a new namespace, which is deleted at the end."""
    async with Client(config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": namespace}})
        cast = Cast(config, client, namespace)
        try:
            async with background(cast.kubelet(), cast.operator()):
                yield cast
        finally:
            await client.transport.send(_delete_all(namespace))
            with contextlib.suppress(RequestError):
                await client.delete(NAMESPACES, Key("", namespace))


def _delete_all(namespace: str) -> Request:
    """Return the request that deletes all requests of a namespace."""
    return Request("DELETE", REQUESTS.path(namespace), {})
