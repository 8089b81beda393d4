"""The control thread: leader election, probes and metrics in an event loop of their own.

A reconciler that blocks the main loop cannot keep the lease from being renewed, nor a process that has lost it from
ending. What crosses the threads: one frozen `Leadership`, and calls handed over by ``call_soon_threadsafe``.
"""

import asyncio
import concurrent.futures
import faulthandler
import os
import threading
from collections.abc import Callable

from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.health import HealthServer
from dgdr_controller.runtime.leader_election import Elector, LeaderElection
from dgdr_controller.runtime.leadership import LeaderFence, Leadership, boottime
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.transport import Transport

log = get_logger(__name__)


class ControlThread:
    """Runs elector and HTTP server in a daemon thread.

    Args:
        config: Where the Lease is.
        election: How the leader is found; None: this process leads from the start.
        fence: Told who leads.
        server: Answers probes.
        on_leading: Called in the main loop when this process leads.
        on_lost: Called in the main loop when it leads no more.
    """

    def __init__(
        self,
        config: Config,
        election: LeaderElection | None,
        fence: LeaderFence,
        server: HealthServer,
        on_leading: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._config = config
        self._election = election
        self._fence = fence
        self._server = server
        self._on_leading = on_leading
        self._on_lost = on_lost
        self._main = asyncio.get_running_loop()
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._campaign: asyncio.Event | None = None
        self._release = True
        self._led = False

    async def start(self) -> None:
        """Start the thread; return when it answers probes.

        Raises:
            OSError: An address is in use.
        """
        threading.Thread(target=self._run, name="control", daemon=True).start()
        await asyncio.wrap_future(self._started)

    def campaign(self) -> None:
        """Take part in the election from now on: who leads should be able to work at once."""
        if self._loop is not None and self._campaign is not None and not self._ended.done():
            self._loop.call_soon_threadsafe(self._campaign.set)

    async def stop(self, *, release: bool) -> None:
        """End the thread; everything that writes must have ended.

        Args:
            release: Let others have the lease at once.
        """
        self._release = release
        if self._loop is not None and self._stop is not None and not self._ended.done():
            self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.wrap_future(self._ended)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            log.critical("The control thread has failed", error=error, exc_info=True)
            self._fence.publish(None)
            self._tell(self._on_lost)
        finally:
            self._ended.set_result(None)

    async def _live(self) -> None:
        self._loop, self._stop, self._campaign = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        await self._server.start()
        self._started.set_result(None)
        try:
            if self._election is None:
                await self._stop.wait()
            elif await _first(self._campaign, self._stop):
                await self._elect(self._election, self._stop)
        finally:
            await self._server.stop()

    async def _elect(self, election: LeaderElection, stop: asyncio.Event) -> None:
        client = Client(Transport(self._config, timeout=election.request_timeout, attempts=1))
        elector = Elector(client, election, self._publish)
        running, stopping = asyncio.ensure_future(elector.run()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                running.result()  # raises what the elector raised: it is not expected to
                await self._outlive(stop)
                return
            running.cancel()
            await asyncio.wait((running,))
            if self._release:
                await elector.release()
        finally:
            self._fence.publish(None)
            stopping.cancel()
            await client.close()

    async def _outlive(self, stop: asyncio.Event) -> None:
        """Wait until the main loop has stopped; end the process if it has not by the time that others may lead."""
        left = max(0.0, self._fence.expires() - boottime())
        try:
            async with asyncio.timeout(left):
                await stop.wait()
        except TimeoutError:
            log.critical("The lease has expired and the main loop has not stopped; ending the process")
            faulthandler.dump_traceback(all_threads=True)
            os._exit(1)

    def _publish(self, leadership: Leadership | None) -> None:
        self._fence.publish(leadership)
        if leadership is None:
            self._tell(self._on_lost)
        elif not self._led:
            self._led = True
            self._tell(self._on_leading)

    def _tell(self, callback: Callable[[], None]) -> None:
        if not self._main.is_closed():
            self._main.call_soon_threadsafe(callback)


async def _first(one: asyncio.Event, other: asyncio.Event) -> bool:
    """Wait for one of two events; say whether it was the first one, without the other."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for wait in waiting:
        wait.cancel()
    return not other.is_set()
