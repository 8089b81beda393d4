"""Many requests, an API server that fails a fifth of what it is asked, and leaders that are killed."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dgdr_controller.runtime import Config
from dgdr_controller.runtime.testing import until
from hack.cluster.local import Local
from test.builders.chaos.cast import Cast, cast_in
from test.builders.chaos.dynamo import Show
from test.builders.chaos.ledger import Ledger, spread
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.replicas import Replicas, replicated
from test.builders.chaos.request_faults import RequestFault, RequestFaults
from test.builders.chaos.witness import witnessed

pytestmark = [pytest.mark.cluster, pytest.mark.alone("chaos")]

SHARE = 0.2
MOST_STATUS_WRITES = 12
MOST_EVENTS = 25
"""Of one request: a burst that nobody has to be protected from."""
LOST_LEASE = 75
"""Exit code of a controller that has lost its lease to faults."""
SETTLE_S = 3.0


@dataclass(frozen=True)
class Run:
    """What is done to controllers.

    Attributes:
        requests: How many requests there are.
        leads_s: Seconds that a leader works before it is killed.
        most_killed: How many leaders are killed.
        limit_s: Seconds until all requests must have come to their end.
        hold_s: Seconds until a connection is closed on which no answer comes; a request's own time-out is 30 s, longer
            than a leader lives, that of the lease 5 s.
        leases: Whether requests of the leader election fail, too: it takes the next leader longer then.
    """

    requests: int
    leads_s: float
    most_killed: int
    limit_s: float
    hold_s: float
    leases: bool


async def survive(own: Local, namespace: str, run: Run, logs: Path, show: Show) -> None:
    config = Config.from_kubeconfig(own.kubeconfig)
    proxy = Proxy(config, requests=RequestFaults(1, SHARE, leases=run.leases), hold_s=run.hold_s)
    async with cast_in(config, namespace) as cast, witnessed(config, namespace) as ledger, proxy:
        names = cast.add(run.requests)
        kubeconfig = proxy.write_kubeconfig(logs.with_suffix(".kubeconfig"))
        async with replicated(kubeconfig, logs) as replicas:
            killing = asyncio.create_task(replicas.kill_leaders(run.leads_s, run.most_killed))
            begun = time.monotonic()
            await cast.create(names)
            with contextlib.suppress(TimeoutError):  # the figures say more
                await until(lambda: not ledger.lost(cast.ends), run.limit_s)
            took = time.monotonic() - begun
            await asyncio.sleep(SETTLE_S)
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        show(figures(cast, ledger, proxy, replicas, took))
        judge(cast, ledger, proxy, replicas)


def figures(cast: Cast, ledger: Ledger, proxy: Proxy, replicas: Replicas, took: float) -> dict[str, object]:
    names = list(cast.lives)
    return {
        "requests": len(names),
        "all final after": f"{took:.0f} s",
        "leaders killed": replicas.killed,
        "controllers that ended by themselves": replicas.ended,
        "API requests": proxy.counts["requests"],
        "faults": {fault.value: proxy.counts[fault.value] for fault in RequestFault},
        "status writes of a request": spread(ledger.status_writes, names),
        "writes of progress alone": spread(ledger.progress_writes, names),
        "events of a request": spread(ledger.events, names),
        "lost": len(ledger.lost(cast.ends)),
        "duplicated Jobs": len(ledger.duplicated("Job", cast.jobs)),
        "duplicated deployments": len(ledger.duplicated("DynamoGraphDeployment", cast.graphs)),
    }


def judge(cast: Cast, ledger: Ledger, proxy: Proxy, replicas: Replicas) -> None:
    assert ledger.lost(cast.ends) == []
    assert ledger.duplicated("Job", cast.jobs) == []
    assert ledger.duplicated("DynamoGraphDeployment", cast.graphs) == []
    assert {name: n for name, n in ledger.status_writes.items() if n > MOST_STATUS_WRITES} == {}
    assert {name: n for name, n in ledger.events.items() if n > MOST_EVENTS} == {}
    assert set(replicas.ended) <= {LOST_LEASE}
    # or the test has shown nothing
    assert replicas.killed
    assert proxy.counts[RequestFault.RESET.value]
    assert 0.7 * SHARE < proxy.counts["faulted"] / proxy.counts["requests"] < 1.3 * SHARE


def test_no_request_is_lost_and_none_is_done_twice(dynamo: Local, logs: Path, show: Show) -> None:
    asyncio.run(
        survive(
            dynamo, "killed-leader", Run(20, leads_s=2.5, most_killed=1, limit_s=90, hold_s=1, leases=False), logs, show
        )
    )


@pytest.mark.chaos
def test_none_of_many_requests_is_lost_and_none_is_done_twice(dynamo: Local, logs: Path, show: Show) -> None:
    asyncio.run(
        survive(
            dynamo,
            "killed-leaders",
            Run(200, leads_s=10, most_killed=1000, limit_s=1800, hold_s=8, leases=True),
            logs,
            show,
        )
    )
