"""Controllers as processes of their own, kept running as a Deployment keeps its pods, and killed."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.api import without_proxies

_LOOK_S = 0.2
_LEADS = b"Acquired the lease"
# Without the webhook nobody notes who has made a request, so that no rights can be asked for.
_SETTINGS = {"DGDR_WEBHOOK__ADDRESS": "", "DGDR_RIGHTS__MODE": "open"}


@dataclass(slots=True)
class Replica:
    """One process.

    Attributes:
        process: The process.
        log: What it prints.
        led_since: When it was first seen to lead, in seconds of the monotonic clock; None: it never has.
    """

    process: "subprocess.Popen[bytes]"
    log: Path
    led_since: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def look(self) -> None:
        """Find out whether it leads: one that loses the lease ends."""
        if self.led_since is None and _LEADS in self.log.read_bytes():
            self.led_since = time.monotonic()


@dataclass(slots=True)
class Replicas:
    """A number of controllers.

    Attributes:
        kubeconfig: Where they find the API server.
        folder: Where their logs are kept.
        count: How many run at a time.
        killed: How many leaders were killed.
        ended: Exit codes of those that have ended by themselves.
    """

    kubeconfig: Path
    folder: Path
    count: int = 2
    killed: int = 0
    ended: list[int] = field(default_factory=list)
    _running: list[Replica] = field(default_factory=list)
    _started: int = 0

    @property
    def leader(self) -> Replica | None:
        """The one that leads."""
        return next((replica for replica in self._running if replica.runs and replica.led_since is not None), None)

    @property
    def running(self) -> int:
        """How many run."""
        return sum(replica.runs for replica in self._running)

    def log(self) -> str:
        """Return what all of them have printed."""
        return "".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("controller-*.log")))

    async def tend(self) -> None:
        """Start who is missing, until cancelled."""
        while True:
            for replica in tuple(self._running):
                if not replica.runs:
                    self._running.remove(replica)
                    self.ended.append(replica.process.returncode)
                    continue
                replica.look()
            while len(self._running) < self.count:
                self._running.append(self._start())
            await asyncio.sleep(_LOOK_S)

    async def kill_leaders(self, after_s: float, most: int = sys.maxsize) -> None:
        """Kill leaders, the way a machine loses its power, when they have led for so many seconds; until cancelled."""
        while self.killed < most:
            await asyncio.sleep(_LOOK_S)
            leader = self.leader
            if leader and leader.led_since is not None and time.monotonic() - leader.led_since >= after_s:
                self._running.remove(leader)
                leader.process.kill()
                leader.process.wait()
                self.killed += 1

    def _start(self) -> Replica:
        self._started += 1
        log = self.folder / f"controller-{self._started:03}.log"
        options = ("--metrics-address=", "--health-address=", "--leader-election-namespace=default")
        command = (sys.executable, "-m", "dgdr_controller", "manager", f"--kubeconfig={self.kubeconfig}", *options)
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=without_proxies() | _SETTINGS, stdout=output, stderr=output)
        return Replica(process, log)

    def end(self) -> None:
        """End all of them."""
        for replica in self._running:
            replica.process.terminate()
        for replica in self._running:
            try:
                replica.process.wait(10)
            except subprocess.TimeoutExpired:
                replica.process.kill()
                replica.process.wait()


@contextlib.asynccontextmanager
async def replicated(kubeconfig: Path, folder: Path, count: int = 2) -> AsyncIterator[Replicas]:
    """Keep controllers running for a while."""
    replicas = Replicas(kubeconfig, folder, count)
    tending = asyncio.create_task(replicas.tend())
    try:
        yield replicas
        if tending.done():
            tending.result()
    finally:
        tending.cancel()
        await asyncio.gather(tending, return_exceptions=True)
        await asyncio.to_thread(replicas.end)
