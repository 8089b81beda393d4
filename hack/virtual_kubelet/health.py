"""What the probes of a running container come to: started, ready, to be restarted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.handlers import Target
from hack.virtual_kubelet.probes import Prober


@dataclass(frozen=True, slots=True)
class Health:
    """Watches over one run of a container.

    Attributes:
        container: The container's spec.
        target: Whom the probes ask.
        started: Is called once it has started.
        ready: Is called with whether it can be given requests.
        unhealthy: Is called with the name of the probe after which it is to be restarted.
        warn: Is told of each failure of a probe.
    """

    container: Manifest
    target: Target
    started: Callable[[], None]
    ready: Callable[[bool], None]
    unhealthy: Callable[[str], None]
    warn: Callable[[str], None]

    async def run(self) -> None:
        """Probe until cancelled, or until there is nothing to probe."""
        if startup := self._prober("startup"):
            await self._await_startup(startup)
        self.started()
        readiness, liveness = self._prober("readiness"), self._prober("liveness")
        if readiness is None:
            self.ready(True)  # noqa: FBT003 - as probes call it
        async with asyncio.TaskGroup() as tasks:
            if readiness:
                tasks.create_task(readiness.run(self.ready))
            if liveness:
                tasks.create_task(liveness.run(lambda alive: None if alive else self.unhealthy("liveness")))

    async def _await_startup(self, prober: Prober) -> None:
        """Return once the startup probe has succeeded."""
        succeeded = asyncio.Event()
        probing = asyncio.create_task(prober.run(lambda alive: succeeded.set() if alive else self.unhealthy("startup")))
        try:
            await succeeded.wait()
        finally:
            probing.cancel()

    def _prober(self, kind: str) -> Prober | None:
        probe = self.container.get(f"{kind}Probe")
        return Prober(kind.capitalize(), probe, self.target, self.warn) if probe else None
