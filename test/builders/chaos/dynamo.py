"""Control planes that know Dynamo's kinds, and where figures are shown."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping

from dgdr_controller.runtime import Client, Config
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from test.builders.lifecycle import GRAPH_CRD, REQUEST_CRD, install

Show = Callable[[Mapping[str, object]], None]
"""Prints figures, where somebody looks."""


@contextlib.contextmanager
def control_plane_with_dynamo(purpose: str) -> Iterator[Local]:
    """A control plane with both CRDs, on which one controller at a time works."""
    own = Local(layout(purpose))
    with brought_up(own, Level.CONTROL_PLANE):

        async def prepare() -> None:
            async with Client(Config.from_kubeconfig(own.kubeconfig)) as client:
                await install(client, REQUEST_CRD, GRAPH_CRD)

        asyncio.run(prepare())
        yield own
