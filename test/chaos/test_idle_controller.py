"""A controller with nothing to do writes its lease and nothing else, also when it has just been started."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from dgdr_controller.runtime import Config
from dgdr_controller.runtime.testing import until
from hack.cluster.local import Local
from test.builders.chaos.cast import cast_in
from test.builders.chaos.dynamo import Show, control_plane_with_dynamo
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.replicas import replicated
from test.builders.chaos.request_faults import Call
from test.builders.chaos.witness import all_final, witnessed

pytestmark = [pytest.mark.cluster, pytest.mark.chaos, pytest.mark.alone("chaos")]


@dataclass(frozen=True)
class IdleRun:
    """How long a controller is watched.

    Attributes:
        requests: How many finished requests there are.
        settle_s: Seconds until the last events about the last of them are written.
        idle_s: Seconds in which nothing happens.
    """

    requests: int
    settle_s: float
    idle_s: float


async def idle(own: Local, namespace: str, run: IdleRun, logs: Path, show: Show) -> None:
    config = Config.from_kubeconfig(own.kubeconfig)
    async with cast_in(config, namespace) as cast, witnessed(config, namespace) as ledger, Proxy(config) as proxy:
        names = cast.add(run.requests)
        kubeconfig = proxy.write_kubeconfig(logs.with_suffix(".kubeconfig"))
        async with replicated(kubeconfig, logs, count=1):
            await cast.create(names)
            await all_final(ledger, cast.ends, 60 + run.requests)
            await asyncio.sleep(run.settle_s)
            first = await quiet(proxy, run.idle_s, show)
        before = proxy.writes.copy()
        async with replicated(kubeconfig, logs, count=1) as second:
            await until(lambda: second.leader is not None, 60)
            await asyncio.sleep(min(run.idle_s, run.settle_s))
            after = proxy.writes - before
        assert [call for call in (first + after) if not call.is_lease] == []
        assert sum(first.values()) >= run.idle_s / 4, "it has not even renewed its lease"
        assert second.ended == []


async def quiet(proxy: Proxy, idle_s: float, show: Show) -> Counter[Call]:
    """Return what is written in some seconds."""
    before, asked = proxy.writes.copy(), proxy.counts["requests"]
    await asyncio.sleep(idle_s)
    written = proxy.writes - before
    show(
        {
            "seconds": idle_s,
            "writes of the lease": sum(n for call, n in written.items() if call.is_lease),
            "other writes": sum(n for call, n in written.items() if not call.is_lease),
            "all requests": proxy.counts["requests"] - asked,
        }
    )
    return written


def test_idle_controller_of_a_thousand_requests_writes_only_its_lease(logs: Path, show: Show) -> None:
    with control_plane_with_dynamo("test-chaos-idle") as own:
        asyncio.run(idle(own, "idle", IdleRun(1000, settle_s=10.0, idle_s=600.0), logs, show))
