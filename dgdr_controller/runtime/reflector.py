"""Keeps an informer equal to what the API server has: requests and pauses; `reflector_state` decides what is next."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator

from dgdr_controller.runtime import reflector_state
from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.decoding import WatchEvent, read_bookmark
from dgdr_controller.runtime.errors import RequestError, RuntimeFault
from dgdr_controller.runtime.informer import Informer
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.reflector_state import Backoff, Pause, Phase, ReflectorState, Step
from dgdr_controller.runtime.resource import CachedObject, Key

log = get_logger(__name__)
_SHORTEST_WATCH_S, _LONGEST_WATCH_S = 300.0, 600.0
"""Watches end at random times, so that those of many clients do not all begin anew at once."""


class Reflector:
    """Lists and watches one kind for ever.

    Args:
        client: Asks.
        informer: Is told.
        idle: Seconds of silence after which a connection counts as dead.
    """

    def __init__(self, client: Client, informer: Informer, *, idle: float = 150.0) -> None:
        self._client = client
        self._informer = informer
        self._idle = idle
        self._fresh: dict[Key, CachedObject] = {}
        self._state = ReflectorState()

    async def run(self) -> None:
        """List, watch, go on after every fault; ends only when it is cancelled."""
        backoff = Backoff(asyncio.get_running_loop().time)
        while True:
            step = await self._step()
            self._state = step.state
            if step.state.phase is not Phase.PAGES or not step.state.token:
                self._fresh = {}
            if step.pause is not Pause.NONE:
                await asyncio.sleep(backoff.seconds(step.pause, step.retry_after))

    async def _step(self) -> Step:
        """Send one request, follow it to its end, and return what comes next."""
        loop = asyncio.get_running_loop()
        begun, events = loop.time(), 0
        try:
            if self._state.phase is Phase.PAGES:
                await self._read_page()
                return Step(self._state)
            async for event in self._events():
                self._take(event)
                events += 1
                self._informer.problem = ""
        except RequestError as error:
            step = reflector_state.failed(self._state, error)
            self._note(error, step)
            return step
        except (RuntimeFault, ValueError) as error:  # no token; bytes that are no JSON: as a lost connection
            self._informer.problem = f"{self._informer.resource}: {error}"
            log.warning("Cannot watch", resource=str(self._informer.resource), error=error)
            return Step(self._state.relist(), Pause.BACKOFF)
        self._informer.problem = ""
        return reflector_state.ended(self._state, loop.time() - begun, events)

    def _events(self) -> AsyncIterator[WatchEvent]:
        options, state = self._informer.options, self._state
        params = {"labelSelector": options.label_selector, "fieldSelector": options.field_selector}
        params = {name: value for name, value in params.items() if value}
        if state.phase is Phase.STREAM:
            params |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        elif state.version:
            params["resourceVersion"] = state.version
        length = random.uniform(_SHORTEST_WATCH_S, _LONGEST_WATCH_S)  # noqa: S311 - spreads load
        return self._client.watch(
            self._informer.resource, options.namespace, params=params, idle=self._idle, length=length
        )

    async def _read_page(self) -> None:
        options, state = self._informer.options, self._state
        page = await self._client.page(
            self._informer.resource,
            options.namespace,
            label_selector=options.label_selector,
            field_selector=options.field_selector,
            token=state.token,
        )
        for raw in page.items:
            stored = self._informer.ingest(raw)
            self._fresh[stored.key] = stored
        if page.token:
            self._state = state.paged(page.token)
        else:
            self._listed(page.version)

    def _take(self, event: WatchEvent) -> None:
        """Bring one event into the informer, or while the initial events come among what is to replace all."""
        if event.type == "BOOKMARK":
            bookmark = read_bookmark(event.object)
            if self._state.phase is Phase.STREAM:
                if bookmark.ends_initial:
                    self._listed(bookmark.resource_version)
                return
            self._state = self._state.advanced(bookmark.resource_version)
            self._informer.bookmark(bookmark.resource_version)
            return
        stored = self._informer.ingest(event.object)
        if self._state.phase is Phase.STREAM:
            if event.type == "DELETED":
                self._fresh.pop(stored.key, None)
            else:
                self._fresh[stored.key] = stored
            return
        if event.type == "DELETED":
            self._informer.remove(stored)
        else:
            self._informer.update(stored)
        self._state = self._state.advanced(stored.meta.resource_version)

    def _listed(self, version: str) -> None:
        self._informer.replace(self._fresh, version)
        self._fresh = {}
        self._state = self._state.listed(version)

    def _note(self, error: RequestError, step: Step) -> None:
        informer = self._informer
        if step.absent:
            if not informer.absent:
                log.warning(
                    "The API server does not know the kind; looking again every 30 s", resource=str(informer.resource)
                )
            informer.mark_kind_missing()
            return
        level = logging.WARNING if step.pause is not Pause.NONE else logging.INFO
        log.log(level, "List or watch has ended", resource=str(informer.resource), error=error)
        informer.problem = f"{informer.resource}: {error}" if step.pause is not Pause.NONE else ""
