"""Starts and stops everything in the right order."""

import asyncio
import contextlib
import contextvars
import dataclasses
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from dgdr_controller.runtime import metrics
from dgdr_controller.runtime.cache import Cache
from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.control_thread import ControlThread
from dgdr_controller.runtime.errors import NotLeaderError
from dgdr_controller.runtime.events import EventRecorder
from dgdr_controller.runtime.health import Check, HealthServer
from dgdr_controller.runtime.leader_election import LeaderElection
from dgdr_controller.runtime.leadership import LeaderFence
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.metrics_auth import MetricsAuthorizer
from dgdr_controller.runtime.runnables import Group, RunFunction, Runnable, cancel
from dgdr_controller.runtime.transport import Transport


class Server(Protocol):
    """Answers requests that the API server sends while it lists: conversion, admission."""

    async def start(self) -> None:
        """Listen; return when it does."""

    async def stop(self) -> None:
        """Listen no more."""


log = get_logger(__name__)
_BEAT_S = 1.0
_READY_LAG_S, _HEALTHY_LAG_S = 10.0, 60.0
_EVENTS_S = 2.0


class Manager:
    """Owns what controllers share, and runs them.

    Started in this order: HTTP, servers, caches (until all is listed), runnables, and once this process leads the
    controllers and the other leader-only runnables. Stopped in the opposite order; the lease is released last. What is
    added to a manager that runs starts as soon as the others of its kind have.

    Args:
        config: Where the API server is.
        leader_election: How one of several processes is chosen to write; None: this one writes.
        metrics_address: Where ``/metrics`` is served, ``host:port`` or ``:port``; empty: nowhere.
        metrics_secure: Whether they are served by TLS and only to whom the API server lets read them.
        health_address: Where ``/healthz``, ``/readyz`` and ``/syncz`` are served; may be the same.
        graceful_timeout: Seconds that reconciles have to end when the manager stops; less than the pod has.
        sync_timeout: Seconds until everything that is watched must be listed.
        registry: Metrics to serve.

    Attributes:
        config: Where the API server is.
        client: For reconcilers; refuses writes while this process does not lead.
        cache: What is watched.
    """

    def __init__(  # noqa: PLR0913 - each is named at every call
        self,
        config: Config,
        *,
        leader_election: LeaderElection | None = None,
        metrics_address: str = "",
        metrics_secure: bool = False,
        health_address: str = "",
        graceful_timeout: float = 25.0,
        sync_timeout: float = 120.0,
        registry: CollectorRegistry = metrics.registry,
    ) -> None:
        self.config = config
        if leader_election is not None and not leader_election.namespace:
            leader_election = dataclasses.replace(leader_election, namespace=config.namespace)
        self._election = leader_election
        grace = leader_election.lease_duration - leader_election.renew_deadline if leader_election else 0.0
        self._fence = LeaderFence(grace)
        self.client = Client(Transport(config, fence=self._fence if leader_election else None))
        self.cache = Cache(self.client)
        self._graceful_timeout = graceful_timeout
        self._sync_timeout = sync_timeout
        self._names: set[str] = set()
        self._recorders: list[EventRecorder] = []
        self._events, self._runnables, self._leader_runnables = (Group(self._spawn) for _ in range(3))
        self._servers: list[Server] = []
        self._synced = False
        self._beat = time.monotonic()
        self._checks: dict[str, dict[str, Check]] = {
            "/healthz": {"loop": lambda: self._lag(_HEALTHY_LAG_S)},
            "/readyz": {"loop": lambda: self._lag(_READY_LAG_S)},
            # Apart: what does not list would otherwise take away the webhooks that the API server needs for listing.
            "/syncz": {"caches": self._unsynced},
        }
        authorizer = MetricsAuthorizer(config) if metrics_secure else None
        self._server = HealthServer(health_address, metrics_address, self._checks, registry, authorizer)
        self._stopping = asyncio.Event()
        self._leading = asyncio.Event()
        self._lost = asyncio.Event()
        self._failed: list[BaseException] = []

    @property
    def ports(self) -> dict[str, int]:
        """Ports that ``health`` and ``metrics`` are served on, once it runs."""
        return self._server.ports

    def recorder(self, component: str) -> EventRecorder:
        """Return a recorder of events that say they come from this component."""
        recorder = EventRecorder(self.client, component)
        self._events.add(recorder.run)
        self._recorders.append(recorder)
        return recorder

    def add(self, runnable: Runnable | RunFunction, *, leader_only: bool = True) -> None:
        """Run a controller or something else, from when the caches are complete until the manager stops.

        Args:
            runnable: A controller, or a function that is cancelled at the end.
            leader_only: Only while this process leads.

        Raises:
            ValueError: There is a runnable of this name.
            RuntimeError: The manager has stopped.
        """
        if isinstance(runnable, Runnable):
            if runnable.name in self._names:
                raise ValueError(f"controller names must be unique: {runnable.name}")
            self._names.add(runnable.name)
        (self._leader_runnables if leader_only else self._runnables).add(runnable)

    def add_server(self, server: Server) -> None:
        """Have a server listen before anything is listed and until nothing is watched any more.

        The API server may need our conversion webhook to answer a list.
        """
        self._servers.append(server)

    def add_check(self, name: str, check: Check, *, path: str = "/readyz") -> None:
        """Add a check to ``/readyz``, ``/healthz`` or ``/syncz``; it is called in another thread and must not wait."""
        self._checks[path][name] = check

    def stop(self) -> None:
        """Stop gracefully; from the manager's event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until SIGTERM, SIGINT or ``stop``, and return when everything has ended.

        Raises:
            NotLeaderError: The lease was lost; everything was cancelled, and the process should end.
            NotSyncedError: Something that is watched could not be listed in time.
            Exception: What a runnable raised.
        """
        with self._signals():
            control = ControlThread(
                self.config, self._election, self._fence, self._server, self._leading.set, self._on_lost
            )
            await control.start()
            if self._election is None:
                self._leading.set()
            try:
                async with self._servers_listening():
                    await self._run(control)
            finally:
                await self.client.close()
                await control.stop(release=not self._lost.is_set())
        if self._failed:
            raise self._failed[0]
        if self._lost.is_set():
            raise NotLeaderError("the lease was lost")

    @contextlib.asynccontextmanager
    async def _servers_listening(self) -> AsyncIterator[None]:
        """Start the servers one after the other; stop them in the opposite order, also where one does not start."""
        async with contextlib.AsyncExitStack() as started:
            for server in self._servers:
                await server.start()
                started.push_async_callback(server.stop)
            yield

    async def _run(self, control: ControlThread) -> None:
        background = [self._spawn(self._heartbeat(), "heartbeat"), self._spawn(self.cache.run(), "caches")]
        led = False
        try:
            if not await self._unless_stopping(self.cache.wait_synced(self._sync_timeout)):
                return
            self._synced = True
            self._runnables.start()
            control.campaign()
            if not await self._unless_stopping(self._leading.wait()):
                return
            led = True
            self._events.start()
            self._leader_runnables.start()
            await self._stopping.wait()
        finally:
            self._synced = False
            await self._leader_runnables.stop(self._lost, self._graceful_timeout)
            if led and not self._lost.is_set():
                for recorder in self._recorders:
                    await recorder.drain(_EVENTS_S)
            await self._events.stop(self._lost, 0)
            await self._runnables.stop(self._lost, self._graceful_timeout)
            await cancel(reversed(background))

    async def _unless_stopping(self, awaited: Awaitable[object]) -> bool:
        """Wait for something, but not longer than until the manager stops; say whether it came."""
        waiting, stopping = asyncio.ensure_future(awaited), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return False
            await waiting
            return True
        finally:
            waiting.cancel()
            stopping.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task with an empty context; if it raises, everything stops."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name, context=contextvars.Context())
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("A task has failed; the manager stops", task=task.get_name(), error=error, exc_info=error)
            self._failed.append(error)
            self._stopping.set()

    def _on_lost(self) -> None:
        self._lost.set()
        self._stopping.set()

    async def _heartbeat(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_BEAT_S)

    def _lag(self, most: float) -> str:
        lag = time.monotonic() - self._beat
        return "" if lag < most + _BEAT_S else f"the event loop has not run for {lag:.0f} s"

    def _unsynced(self) -> str:
        return "" if self._synced else "not everything is listed"

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; only the main thread may ask for that."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        for number in caught:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)
