"""A controller whose time of day jumps by an hour: no leader changes, nothing comes too late or too early."""

import asyncio
import datetime as dt
import uuid

import pytest

from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.runtime import Client, Config, Key, LeaderElection, NotLeaderError
from dgdr_controller.runtime.leader_election import LEASES, Elector
from dgdr_controller.runtime.leadership import LeaderFence
from dgdr_controller.runtime.testing import FakeApiServer, until, virtual_time
from dgdr_controller.runtime.transport import Transport
from hack.cluster.local import Local
from test.builders.chaos.wall_clock import jumping_clock
from test.builders.lifecycle import JOBS, PODS, REQUESTS, Stage, controlling, staged

HOUR = dt.timedelta(hours=1)
NOTICED_S = 15.0
QUIET_S = 1.5


class Candidate:
    """A process that wants to lead, by the time of the test's loop."""

    def __init__(self, server: FakeApiServer, name: str) -> None:
        options, clock = LeaderElection("lease", "ns", identity=name), asyncio.get_running_loop().time
        self.fence = LeaderFence(5.0, clock)
        self.client = Client(Transport(server.config, timeout=options.request_timeout, attempts=1))
        self.task = asyncio.ensure_future(Elector(self.client, options, self.fence.publish, clock=clock).run())

    @property
    def leads(self) -> bool:
        try:
            self.fence()
        except NotLeaderError:
            return False
        return True

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.client.close()


@virtual_time
async def test_leader_stays_the_same_whatever_the_time_of_day() -> None:
    with jumping_clock() as clock:
        async with FakeApiServer() as server:
            server.serve(LEASES)
            first = Candidate(server, "first")
            await until(lambda: first.leads)
            second = Candidate(server, "second")
            for off in (HOUR, -HOUR, dt.timedelta()):
                clock.off = off
                for _ in range(40):
                    await asyncio.sleep(1)
                    assert first.leads
                    assert not second.leads
                renewed = dt.datetime.fromisoformat(server.object(LEASES, Key("ns", "lease"))["spec"]["renewTime"])
                assert abs(renewed - dt.datetime.now(dt.UTC) - off) < HOUR / 2, "the clock has not jumped"
            await first.end()
            await until(lambda: second.leads)
            await second.end()


@pytest.mark.cluster
@pytest.mark.alone("chaos")
def test_deadlines_are_as_long_as_ever_whatever_the_time_of_day(dynamo: Local) -> None:
    async def run() -> None:
        config = Config.from_kubeconfig(dynamo.kubeconfig)
        with jumping_clock() as clock:
            async with staged(config, "nothing") as ahead, staged(config, "nothing") as behind, controlling(config):
                for stage, off in ((ahead, HOUR), (behind, -HOUR)):
                    clock.off = off
                    await stage.request()
                    await stage.says("Profiling", "Unschedulable", NOTICED_S)
                for off in (HOUR, -HOUR):
                    clock.off = off
                    await looked_at(ahead, behind)
                    for stage in (ahead, behind):
                        await waits_for_a_node(stage)
                (pod,) = await ahead.client.list(PODS, ahead.namespace)
                await ahead.publish(pod, RunState.SUCCESS, exit_code=0)
                await ahead.reaches("Deployed")
                clock.off = HOUR
                await looked_at(ahead)
                assert (await ahead.status())["phase"] == "Deployed"

    asyncio.run(run())


async def looked_at(*stages: Stage) -> None:
    """Have the controller look at requests, and give it the time to."""
    for stage in stages:
        await stage.client.patch(REQUESTS, stage.key(), {"metadata": {"labels": {"looked": uuid.uuid4().hex}}})
    await asyncio.sleep(QUIET_S)


async def waits_for_a_node(stage: Stage) -> None:
    condition = await stage.condition("Profiling")
    assert ((await stage.status())["phase"], condition["reason"]) == ("Profiling", "Unschedulable")
    assert await stage.found(JOBS, "profile-qwen")
