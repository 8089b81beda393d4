"""Watches a namespace on the API server itself, and misses nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_controller.runtime import Client, Config, RequestError, Resource
from dgdr_controller.runtime.errors import ExpiredError
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.testing import until
from test.builders.chaos.background import background
from test.builders.chaos.ledger import Ledger
from test.builders.lifecycle import GRAPHS, JOBS, REQUESTS

_PAUSE_S = 0.1


@contextlib.asynccontextmanager
async def witnessed(config: Config, namespace: str, *, gaps: bool = False) -> AsyncIterator[Ledger]:
    """Note down what happens in a namespace.

    Args:
        config: The API server, without a fault between.
        namespace: The namespace.
        gaps: Whether the API server may forget what happened: an upgraded CRD begins without history. What there is
            is listed then; states in between may be missed, and so may writes of a status.

    Raises:
        ExpiredError: The API server has forgotten what happened, and that was not expected: nothing can be concluded.
    """
    ledger = Ledger()
    async with Client(config) as client:
        kinds: Iterable[Resource[Any]] = (REQUESTS, JOBS, GRAPHS, EVENTS)
        watches = [_Watch(client, resource, namespace, ledger, gaps) for resource in kinds]
        for watch in watches:
            await watch.list()
        async with background(*(watch.run() for watch in watches)):
            yield ledger


@dataclass
class _Watch:
    """Follows one kind."""

    client: Client
    resource: Resource[Any]
    namespace: str
    ledger: Ledger
    gaps: bool
    version: str = ""

    async def list(self) -> None:
        """Note what there is now."""
        page = await self.client.page(self.resource, self.namespace, limit=0)
        for raw in page.items:
            self.ledger.saw(self.resource.kind, "LISTED", json.loads(bytes(raw)))
        self.version = page.version

    async def run(self) -> None:
        """Note what happens, until cancelled."""
        while True:
            try:
                await self._follow()
            except ExpiredError:
                if not self.gaps:
                    raise
                with contextlib.suppress(RequestError):
                    await self.list()
            except RequestError:
                await asyncio.sleep(_PAUSE_S)

    async def _follow(self) -> None:
        async for event in self.client.watch(self.resource, self.namespace, params={"resourceVersion": self.version}):
            manifest = json.loads(bytes(event.object))
            self.version = manifest["metadata"]["resourceVersion"]
            if event.type != "BOOKMARK":
                self.ledger.saw(self.resource.kind, event.type, manifest)


async def all_final(ledger: Ledger, ends: Mapping[str, str], limit_s: float) -> None:
    """Wait until every request is in the phase that it is to end in.

    Raises:
        AssertionError: After so many seconds some are not; it names them.
    """
    with contextlib.suppress(TimeoutError):
        await until(lambda: not ledger.lost(ends), limit_s)
    assert not (lost := ledger.lost(ends)), f"after {limit_s:.0f} s, in {ledger.counted()}: {lost}"
