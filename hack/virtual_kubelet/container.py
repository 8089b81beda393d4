"""One container: started, probed, restarted, stopped."""

import asyncio
import contextlib
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dgdr_controller.manifest import Manifest
from hack.cluster.layout import Layout
from hack.virtual_kubelet import kubeconfig
from hack.virtual_kubelet.clock import timestamp
from hack.virtual_kubelet.handlers import Target, failure
from hack.virtual_kubelet.health import Health
from hack.virtual_kubelet.launch import ConfigurationError, ImageError, Launch, Sandbox, launch, program_of
from hack.virtual_kubelet.process import Process
from hack.virtual_kubelet.programs import Program
from hack.virtual_kubelet.restarts import NEVER, BackOff, is_restarted
from hack.virtual_kubelet.states import Record, Running, State, Terminated, Waiting
from hack.virtual_kubelet.termination import message

_RETRY_S = 5.0
_CANNOT_START = 128


@dataclass(frozen=True, slots=True)
class Host:
    """What a container needs of its pod and node.

    Attributes:
        layout: The cluster's files.
        server: URL of the API server.
        sandbox: Returns what the pod's containers share, as it is now.
        refresh: Reads again what the pod refers to.
        programs: Returns the programs by image.
        changed: Is called when the container's record has changed.
        normal: Records an event: reason and message.
        warning: The same, for what is wrong.
    """

    layout: Layout
    server: str
    sandbox: Callable[[], Sandbox]
    refresh: Callable[[], Awaitable[None]]
    programs: Callable[[], Mapping[str, Program]]
    changed: Callable[[], None]
    normal: Callable[[str, str], None]
    warning: Callable[[str, str], None]


class ContainerRunner:
    """Runs one container.

    Args:
        container: Its spec.
        record: What is known of it; kept up to date.
        policy: Its restart policy.
        host: Its pod and node.
    """

    def __init__(self, container: Manifest, record: Record, policy: str, host: Host) -> None:
        self.record = record
        self.started = asyncio.Event()
        """Set once it has started for the first time."""
        self._container = container
        self._policy = policy
        self._host = host
        self._back_off = BackOff()
        self._ran_s = 0.0
        self._stopping = asyncio.Event()
        self._kill_at = math.inf
        self._process: Process | None = None
        self._target: Target | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self._container["name"])

    async def run(self) -> None:
        """Run it until it is not to be started again, or has been stopped."""
        try:
            while not self._stopping.is_set() and await self._may_start():
                found = await self._launch()
                if found:
                    await self._run_once(found)
        finally:
            if self._process:
                self._process.kill()

    async def _may_start(self) -> bool:
        """Wait until it is time to start it; return False where its policy lets it stay ended."""
        state = self.record.state
        if not isinstance(state, Terminated):
            return True
        if not is_restarted(self._policy, state.exit_code):
            return False
        await self._wait_for_restart(state)
        return True

    def stop(self, grace: float) -> None:
        """Stop it within these seconds, or sooner if it was told so before; ``run`` returns when it has ended."""
        self._stopping.set()
        self._end(grace)

    def _end(self, grace: float) -> None:
        """Let the present run end within these seconds."""
        self._kill_at = min(self._kill_at, asyncio.get_running_loop().time() + grace)
        if self._process and self._target and self._ending is None:
            self._ending = asyncio.create_task(self._terminate(self._process, self._target))

    async def _terminate(self, process: Process, target: Target) -> None:
        """Call the preStop hook, ask the process to end, kill it when the time is over."""
        clock = asyncio.get_running_loop().time
        hook = self._container.get("lifecycle", {}).get("preStop")
        if hook:
            await failure(hook, target, max(0.0, self._kill_at - clock()))
        process.terminate()
        while not await process.ends_within(min(0.2, max(0.0, self._kill_at - clock()))):
            if clock() >= self._kill_at:
                process.kill()
                return

    async def _launch(self) -> Launch | None:
        """Return how it is started; None: it is to be stopped before it could be."""
        image = self._container["image"]
        while not self._stopping.is_set():
            try:
                sandbox = self._host.sandbox()
                program = program_of(image, self._host.programs())
                return self._prepare(launch(self._container, program, sandbox), sandbox)
            except ImageError as error:
                never = self._container.get("imagePullPolicy") == NEVER
                self._host.warning("Failed", str(error))
                self._set(Waiting("ErrImageNeverPull" if never else "ImagePullBackOff", str(error)))
            except (ConfigurationError, OSError) as error:
                self._host.warning("Failed", f"Error: {error}")
                self._set(Waiting("CreateContainerConfigError", str(error)))
            await self._pause(_RETRY_S)
            await self._host.refresh()
        return None

    def _prepare(self, found: Launch, sandbox: Sandbox) -> Launch:
        """Make the files that a run needs."""
        sandbox.folder.tmp(self.name).mkdir(parents=True, exist_ok=True)
        sandbox.folder.termination_message(self.name).unlink(missing_ok=True)
        if path := found.environment.get("KUBECONFIG"):
            kubeconfig.write(path, sandbox, self._container, self._host.server)
        return found

    async def _run_once(self, found: Launch) -> None:
        record, sandbox = self.record, self._host.sandbox()
        if record.last or isinstance(record.state, Terminated):
            record.restarts += 1
        record.container_id = f"process://{uuid.uuid4().hex}"
        output = sandbox.folder.log(self.name, record.restarts)
        began = timestamp()
        clock = asyncio.get_running_loop().time
        try:
            self._process = await Process.start(found, output, self._host.layout)
        except OSError as error:
            self._host.warning("Failed", f"Error: {error}")
            self._set(Terminated(_CANNOT_START, "StartError", str(error), began, timestamp(), record.container_id))
            return
        started = clock()
        self._target = Target(self._container, sandbox.address, found)
        self._host.normal("Started", f"Started container {self.name}")
        self._set(Running(began))
        if self._stopping.is_set():
            self._end(0.0)
        probing = asyncio.create_task(self._health(self._target).run())
        code = await self._process.wait()
        probing.cancel()
        await self._clean_up()
        termination = message(self._container, sandbox.folder, output, code)
        reason = "Error" if code else "Completed"
        self._ran_s = clock() - started
        self._set(Terminated(code, reason, termination, began, timestamp(), record.container_id))

    async def _clean_up(self) -> None:
        """Forget the run that has ended."""
        if self._ending:
            self._ending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ending
        self._process = self._target = self._ending = None
        if not self._stopping.is_set():
            self._kill_at = math.inf

    def _health(self, target: Target) -> Health:
        return Health(
            self._container,
            target,
            started=self._on_started,
            ready=self._on_ready,
            unhealthy=self._on_unhealthy,
            warn=lambda text: self._host.warning("Unhealthy", text),
        )

    def _on_started(self) -> None:
        self.record.started = True
        self.started.set()
        self._host.changed()

    def _on_ready(self, ready: bool) -> None:  # noqa: FBT001 - as probes call it
        if self.record.ready != ready:
            self.record.ready = ready
            self._host.changed()

    def _on_unhealthy(self, probe: str) -> None:
        if self._ending is None:
            self._host.normal("Killing", f"Container {self.name} failed {probe} probe, will be restarted")
            settings, pod = self._container[f"{probe}Probe"], self._host.sandbox().pod
            self._end(settings.get("terminationGracePeriodSeconds", pod["spec"]["terminationGracePeriodSeconds"]))

    async def _wait_for_restart(self, ended: Terminated) -> None:
        delay = self._back_off.after(self._ran_s)
        if delay:
            metadata = self._host.sandbox().pod["metadata"]
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            self._host.warning("BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")
            why = f"back-off {delay:g}s restarting failed container={self.name} pod={pod}"
            self._set(Waiting("CrashLoopBackOff", why))
        self.record.last = ended
        await self._pause(delay)
        await self._host.refresh()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until it is stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _set(self, state: State) -> None:
        record = self.record
        if isinstance(record.state, Terminated):
            record.last = record.state
        record.state = state
        if not isinstance(state, Running):
            record.started = record.ready = False
        self._host.changed()
