"""An etcd that has no room left: nothing can be written for a while, not even the lease."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dgdr_controller.runtime import Client, Config, Key
from dgdr_controller.runtime.errors import ServerError
from dgdr_controller.runtime.testing import until
from hack.cluster.local import Local
from test.builders.chaos.cast import cast_in
from test.builders.chaos.dynamo import Show, control_plane_with_dynamo
from test.builders.chaos.etcd import Etcd, limit
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.replicas import replicated
from test.builders.chaos.witness import all_final, witnessed
from test.builders.lifecycle import CONFIG_MAPS

pytestmark = [pytest.mark.cluster, pytest.mark.chaos, pytest.mark.alone("chaos")]

ROOM = 12 * 2**20
FILLER = {"data": {"x": "x" * 900_000}}
FULL_S = 30.0
"""Longer than a lease lives."""
MOST_REQUESTS_PER_S = 20.0
"""Of a controller with eight requests that cannot be written: retries grow apart."""
LOST_LEASE = 75
"""Exit code: nobody's error, and to be started again."""
SPACE = "database space exceeded"


def filler(number: int) -> dict[str, Any]:
    return FILLER | {"metadata": {"name": f"filler-{number}", "namespace": "default"}}


async def fill(client: Client, etcd: Etcd) -> int:
    """Write until nothing more fits; return how many objects did."""
    for number in range(1000):
        try:
            await client.create(CONFIG_MAPS, filler(number))
        except ServerError as error:
            assert SPACE in error.message  # noqa: PT017 - what the loop is for
            assert await etcd.is_full()
            return number
    raise AssertionError("etcd does not get full")


async def go_on(own: Local, logs: Path, show: Show) -> None:
    config = Config.from_kubeconfig(own.kubeconfig)
    etcd = await limit(own, ROOM)
    await until(lambda: own.status().usable, 30)
    async with cast_in(config, "full") as cast, witnessed(config, "full") as ledger, Proxy(config) as proxy:
        kubeconfig = proxy.write_kubeconfig(logs.with_suffix(".kubeconfig"))
        async with replicated(kubeconfig, logs, count=1) as replicas:
            await until(lambda: replicas.leader is not None, 60)
            first, second = cast.add(4), cast.add(4)
            await cast.create(first)
            await cast.create(second)
            count = await fill(cast.client, etcd)
            assert set(ledger.lost(cast.ends)), "all requests have ended before etcd was full"
            before = proxy.counts["requests"]
            await asyncio.sleep(FULL_S)
            asked = proxy.counts["requests"] - before
            assert replicas.running == 1
            for number in range(count):
                await cast.client.delete(CONFIG_MAPS, Key("default", f"filler-{number}"))
            await etcd.make_room()
            await all_final(ledger, cast.ends, 180)
            written = replicas.log()
        show(
            {
                "requests asked while etcd was full": f"{asked} in {FULL_S:.0f} s",
                "controllers that ended by themselves": replicas.ended,
                "names the cause in its log": written.count(SPACE),
            }
        )
        assert SPACE in written
        assert set(replicas.ended) <= {LOST_LEASE}
        assert "internal error" not in written
        assert asked / FULL_S <= MOST_REQUESTS_PER_S
        assert ledger.duplicated("Job", cast.jobs) == []
        assert ledger.duplicated("DynamoGraphDeployment", cast.graphs) == []


def test_controller_goes_on_once_etcd_has_room_again(logs: Path, show: Show) -> None:
    with control_plane_with_dynamo("test-chaos-full") as own:
        asyncio.run(go_on(own, logs, show))
