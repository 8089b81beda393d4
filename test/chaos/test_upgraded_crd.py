"""A CRD that is applied again with another schema, while requests are under way."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from dgdr_controller.runtime import Client, Config, Key, RequestError
from dgdr_controller.runtime.testing import until
from hack.cluster.local import Local
from test.builders.chaos.cast import cast_in
from test.builders.chaos.dynamo import Show
from test.builders.chaos.ledger import spread
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.replicas import replicated
from test.builders.chaos.witness import all_final, witnessed
from test.builders.lifecycle import CRDS, GRAPHS, REQUESTS

pytestmark = [pytest.mark.cluster, pytest.mark.chaos, pytest.mark.alone("chaos")]

PERIOD_S = 2.0
"""After each upgrade the API server answers nothing about the kind for a moment."""


async def upgrade(client: Client, upgraded: list[int]) -> None:
    """Change the schemas of both kinds again and again: a description, and a new optional field."""
    while True:
        for resource in (REQUESTS, GRAPHS):
            name = f"{resource.plural}.{resource.group}"
            found = await client.get(CRDS, Key("", name))
            for version in found["spec"]["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                schema["description"] = f"Upgraded {len(upgraded)} times."
                schema["properties"]["spec"].setdefault("properties", {})[f"new{len(upgraded)}"] = {"type": "string"}
            with contextlib.suppress(RequestError):
                upgraded.append((await client.update(CRDS, found))["metadata"]["generation"])
        await asyncio.sleep(PERIOD_S)


async def survive(own: Local, namespace: str, count: int, logs: Path, show: Show) -> None:
    config = Config.from_kubeconfig(own.kubeconfig)
    async with (
        cast_in(config, namespace) as cast,
        witnessed(config, namespace, gaps=True) as ledger,
        Proxy(config) as proxy,
    ):
        kubeconfig = proxy.write_kubeconfig(logs.with_suffix(".kubeconfig"))
        upgraded: list[int] = []
        async with replicated(kubeconfig, logs, count=1) as replicas:
            await until(lambda: replicas.leader is not None, 60)
            upgrading = asyncio.create_task(upgrade(cast.client, upgraded))
            names = cast.add(count)
            await cast.create(names)
            await all_final(ledger, cast.ends, 60 + count)
            upgrading.cancel()
            await asyncio.gather(upgrading, return_exceptions=True)
        show(
            {
                "requests": count,
                "upgrades": len(upgraded),
                "status writes of a request": spread(ledger.status_writes, names),
                "controllers that ended by themselves": replicas.ended,
            }
        )
        assert len(upgraded) > 2
        assert replicas.ended == []
        assert ledger.duplicated("Job", cast.jobs) == []
        assert ledger.duplicated("DynamoGraphDeployment", cast.graphs) == []


def test_many_requests_go_on_while_their_crd_is_upgraded(dynamo: Local, logs: Path, show: Show) -> None:
    asyncio.run(survive(dynamo, "upgraded", 200, logs, show))
