"""A control plane for requests to live on."""

import asyncio
from collections.abc import Iterator

import pytest

from dgdr_controller.runtime import Client, Config
from hack.cluster import api
from hack.cluster.fakes import nodes as fake_nodes
from hack.cluster.fakes.node_option import FakeNode
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.progress import locked
from test.builders.lifecycle import GRAPH_CRD, NODE, REQUEST_CRD, install


@pytest.fixture(scope="module")
def dynamo() -> Iterator[Config]:
    """A control plane with both CRDs, on which one controller at a time runs."""
    own = Local(layout("test-lifecycle"))
    with brought_up(own, Level.CONTROL_PLANE):
        config = Config.from_kubeconfig(own.kubeconfig)

        async def prepare() -> None:
            client = Client(config)
            await install(client, REQUEST_CRD, GRAPH_CRD)
            await client.close()

        asyncio.run(prepare())
        administrator = api.Client(own.kubeconfig)
        with locked(own.layout.root / "node.lock", "Another process of the run adds the node"):
            if not administrator.node_is_ready(NODE):
                fake_nodes.add(administrator, FakeNode(NODE, cordoned=True))
        yield config
