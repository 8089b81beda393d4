"""One pod: its volumes, its init containers, its sidecars, its main containers, and its end."""

import asyncio
import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Client, EventRecorder, Key, Reference
from dgdr_controller.runtime.log import get_logger
from hack.cluster.layout import Layout
from hack.virtual_kubelet import programs, restarts
from hack.virtual_kubelet.addresses import HOST
from hack.virtual_kubelet.clock import timestamp
from hack.virtual_kubelet.container import ContainerRunner, Host
from hack.virtual_kubelet.kinds import PODS
from hack.virtual_kubelet.launch import Sandbox
from hack.virtual_kubelet.layout import NodeFolder
from hack.virtual_kubelet.restarts import is_sidecar
from hack.virtual_kubelet.states import Record, Waiting, recall
from hack.virtual_kubelet.status import Progress, exit_code, pod_status
from hack.virtual_kubelet.storage import Storage
from hack.virtual_kubelet.volumes import MountError

_MOUNT_RETRY_S = 5.0
_REFRESH_S = 60.0
_LEAST_GRACE_S = 2.0
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """What pods need of their node.

    Attributes:
        layout: The cluster's files.
        folder: The node's own.
        client: Asks the API server, as the node.
        recorder: Writes events.
        server: URL of the API server.
    """

    layout: Layout
    folder: NodeFolder
    client: Client
    recorder: EventRecorder
    server: str


class PodRunner:
    """Runs one pod.

    Args:
        pod: The pod.
        address: Its address.
        node: Its node.
        changed: Is called when its status has changed.
    """

    def __init__(self, pod: Manifest, address: str, node: Node, changed: Callable[[], None]) -> None:
        self.address = address
        self._pod = with_address(pod, address)
        self._node = node
        self._changed = changed
        self._storage = Storage(node.client, node.folder)
        self._places: Mapping[str, str] = {}
        self._stopping = asyncio.Event()
        self._kill_at = math.inf
        self._progress = {"mounted": False, "initialized": False, "ended": False}
        self._failure: tuple[str, str] | tuple[()] = ()
        self._active: list[ContainerRunner] = []
        self._runners = {container["name"]: self._runner(container) for container in _containers(pod)}
        self._task: asyncio.Task[None] | None = None

    @property
    def uid(self) -> str:
        """Which pod it is."""
        return str(self._pod["metadata"]["uid"])

    @property
    def ended(self) -> bool:
        """Whether no container runs, and none will be started."""
        return self._progress["ended"]

    def record(self, container: str) -> Record | None:
        """Return what is known of a container; None if there is none of this name."""
        runner = self._runners.get(container)
        return runner.record if runner else None

    def status(self) -> Manifest:
        """Return the fields of the status that are the kubelet's."""
        inits = self._pod["spec"].get("initContainers", [])
        return pod_status(
            self._pod,
            [self._runners[container["name"]].record for container in inits],
            [self._runners[container["name"]].record for container in self._pod["spec"]["containers"]],
            frozenset(container["name"] for container in inits if is_sidecar(container)),
            Progress(**self._progress, failure=self._failure),
            timestamp(),
        )

    def update(self, pod: Manifest) -> None:
        """Take note of the pod as it is now."""
        self._pod = with_address(pod, self.address)

    def start(self) -> None:
        """Begin to run it."""
        self._task = asyncio.create_task(self._run(), name=f"pod {self.uid}")

    def stop(self, grace: float) -> None:
        """Stop it within these seconds, or sooner if it was told so before."""
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        if not self._stopping.is_set():
            self._stopping.set()
            for name, runner in self._runners.items():
                if runner.record.container_id and exit_code(runner.record) is None:
                    self._event("Killing", f"Stopping container {name}")
        for runner in self._active:
            runner.stop(self._grace())

    async def abort(self) -> None:
        """Kill all of it at once: the kubelet ends."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        deadline = self._set_deadline()
        try:
            if await self._mount():
                async with asyncio.TaskGroup() as tasks:
                    refreshing = tasks.create_task(self._keep_volumes())
                    await self._run_containers(tasks)
                    refreshing.cancel()
        except Exception:  # whatever it is, it costs this pod only
            log.exception(
                "Cannot run a pod", pod=f"{self._pod['metadata']['namespace']}/{self._pod['metadata']['name']}"
            )
        finally:
            if deadline:
                deadline.cancel()
            self._reach("ended")

    async def _run_containers(self, tasks: asyncio.TaskGroup) -> None:
        """Run init containers, main containers and sidecars; return when all have ended."""
        mains = [self._runners[container["name"]] for container in self._pod["spec"]["containers"]]
        sidecars: list[tuple[ContainerRunner, asyncio.Task[None]]] = []
        if all(self._is_over(runner.record) for runner in mains):  # before this kubelet started
            self._reach("initialized")
        elif await self._initialize(tasks, sidecars):
            self._reach("initialized")
            self._active = mains
            await asyncio.gather(*(tasks.create_task(runner.run()) for runner in mains))
        for runner, running in reversed(sidecars):
            self._active = [runner]
            runner.stop(max(_LEAST_GRACE_S, self._grace()))
            await running

    async def _initialize(
        self, tasks: asyncio.TaskGroup, sidecars: list[tuple[ContainerRunner, asyncio.Task[None]]]
    ) -> bool:
        """Run init containers in order, and start sidecars; say whether main containers are to be started."""
        for container in self._pod["spec"].get("initContainers", []):
            runner = self._runners[container["name"]]
            if self._stopping.is_set():
                return False
            if is_sidecar(container):
                sidecars.append((runner, tasks.create_task(runner.run())))
                await self._first(runner.started)
                continue
            self._active = [runner]
            await runner.run()
            if not runner.record.has_succeeded:
                return False
        self._active = []
        return not self._stopping.is_set()

    async def _first(self, event: asyncio.Event) -> None:
        """Wait for an event, but not longer than until the pod is stopped."""
        waiting = [asyncio.create_task(awaited.wait()) for awaited in (event, self._stopping)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _mount(self) -> bool:
        """Provide the volumes; try until they are there or the pod is stopped."""
        while not self._stopping.is_set():
            try:
                self._places = await self._storage.provide(self._pod)
            except MountError as error:
                self._warn("FailedMount", f"MountVolume.SetUp failed: {error}")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _MOUNT_RETRY_S)
            else:
                self._reach("mounted")
                return True
        return False

    async def _keep_volumes(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            await self._refresh()

    async def _refresh(self) -> None:
        """Bring volumes up to date; what cannot be read now stays as it was."""
        try:
            self._places = await self._storage.provide(self._pod)
        except MountError as error:
            log.warning("Cannot update volumes; they stay as they are", pod=self._pod["metadata"]["name"], error=error)

    def _set_deadline(self) -> asyncio.TimerHandle | None:
        """Let the pod be stopped when its ``activeDeadlineSeconds`` are over."""
        limit = self._pod["spec"].get("activeDeadlineSeconds")
        if limit is None:
            return None
        begun = self._pod["status"].get("startTime") or timestamp()
        left = limit - (time.time() - datetime.fromisoformat(begun).timestamp())
        return asyncio.get_running_loop().call_later(max(0.0, left), self._expire)

    def _expire(self) -> None:
        self._failure = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        self.stop(self._pod["spec"]["terminationGracePeriodSeconds"])

    def _reach(self, step: str) -> None:
        self._progress[step] = True
        self._changed()

    def _grace(self) -> float:
        """Return the seconds that containers have to end."""
        if self._kill_at == math.inf:
            return float(self._pod["spec"]["terminationGracePeriodSeconds"])
        return max(0.0, self._kill_at - time.monotonic())

    def _is_over(self, record: Record) -> bool:
        code = exit_code(record)
        return code is not None and not restarts.is_restarted(self._pod["spec"]["restartPolicy"], code)

    def _runner(self, container: Manifest) -> ContainerRunner:
        inits = self._pod["spec"].get("initContainers", [])
        status = self._pod["status"]
        known = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        found = next(
            (container_status for container_status in known if container_status["name"] == container["name"]), None
        )
        waiting = Waiting("PodInitializing" if inits else "ContainerCreating")
        policy = restarts.policy_of(self._pod, container, init=container in inits)
        return ContainerRunner(container, recall(container, found, waiting, timestamp()), policy, self._host())

    def _host(self) -> Host:
        return Host(
            layout=self._node.layout,
            server=self._node.server,
            sandbox=self._sandbox,
            refresh=self._refresh,
            programs=lambda: programs.read(self._node.layout.root),
            changed=self._changed,
            normal=self._event,
            warning=self._warn,
        )

    def _sandbox(self) -> Sandbox:
        folder, mark = self._node.folder.pod(self._pod), str(self._node.layout.root)
        return Sandbox(self._pod, folder, self._places, self._storage.sources, mark)

    def _event(self, reason: str, message: str) -> None:
        self._node.recorder.normal(reference(self._pod), reason, message)

    def _warn(self, reason: str, message: str) -> None:
        self._node.recorder.warning(reference(self._pod), reason, message)


def reference(pod: Manifest) -> Reference:
    """Return what an event about a pod refers to."""
    metadata = pod["metadata"]
    return Reference(PODS.api_version, PODS.kind, Key(metadata["namespace"], metadata["name"]), metadata["uid"])


def with_address(pod: Manifest, address: str) -> Manifest:
    """Return a pod whose status says where it is."""
    placed = copy.copy(pod)
    placed["status"] = pod.get("status", {}) | {"podIP": address, "hostIP": HOST}
    return placed


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
