import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dgdr_controller.runtime import Client, Key, LeaderElection, NotLeaderError
from dgdr_controller.runtime.leader_election import LEASES, Elector
from dgdr_controller.runtime.leadership import LeaderFence, Leadership
from dgdr_controller.runtime.testing import FakeApiServer, Fault, until, virtual_time
from dgdr_controller.runtime.transport import Transport

KEY = Key("ns", "lease")
_numbers = itertools.count()


class Candidate:
    """A process that wants to lead: elector and fence, in the test's loop and by its time."""

    def __init__(self, server: FakeApiServer, name: str) -> None:
        self.options = LeaderElection("lease", "ns", identity=name)
        clock = asyncio.get_running_loop().time
        self.fence = LeaderFence(5.0, clock)
        self.client = Client(
            Transport(server.config, timeout=self.options.request_timeout, attempts=1, user_agent=name)
        )
        self.elector = Elector(self.client, self.options, self.fence.publish, clock=clock)
        self.task = asyncio.ensure_future(self.elector.run())

    @property
    def leads(self) -> bool:
        try:
            self.fence()
        except NotLeaderError:
            return False
        return True

    @property
    def epoch(self) -> int:
        assert self.fence.leadership is not None
        return self.fence.leadership.epoch

    async def end(self) -> None:
        """Be killed: nothing is released."""
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.client.close()


def of(name: str, method: str = "PUT") -> Callable[[web.Request], bool]:
    return lambda request: request.headers["User-Agent"] == name and request.method == method


@asynccontextmanager
async def two(server: FakeApiServer) -> AsyncIterator[tuple[Candidate, Candidate]]:
    """A leader and one who waits."""
    server.serve(LEASES)
    first = Candidate(server, "first")
    await until(lambda: first.leads)
    second = Candidate(server, "second")
    try:
        yield first, second
    finally:
        await first.end()
        await second.end()


@virtual_time
async def test_leader_renews_while_another_waits() -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        for _ in range(600):
            await asyncio.sleep(1)
            assert first.leads
            assert not second.leads
        lease = server.object(LEASES, KEY)["spec"]
        assert (lease["holderIdentity"], lease["leaseTransitions"]) == ("first", 0)
        assert len(lease["renewTime"].partition(".")[2]) == len("123456Z")
        puts = [path for method, path, _ in server.requests if method == "PUT"]
        assert 280 <= len(puts) <= 301  # one request for each renewal, none to read


@virtual_time
async def test_killed_leader_is_followed_when_its_lease_is_over() -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        await asyncio.sleep(30)
        loop = asyncio.get_running_loop()
        await first.end()
        killed = loop.time()
        await until(lambda: second.leads, 60)
        assert 12.9 < loop.time() - killed < 25
        assert second.epoch == 1
        assert not first.leads


@virtual_time
async def test_released_lease_is_taken_at_once() -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        first.task.cancel()
        await first.elector.release()
        assert server.object(LEASES, KEY)["spec"]["holderIdentity"] == ""
        await until(lambda: second.leads, 5)


@pytest.mark.parametrize("fault", ["hang", "refuse", "hang after it was carried out"])
@virtual_time
async def test_leader_that_cannot_renew_has_stopped_before_another_begins(fault: str) -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        begun = loop.time()
        for method in ("PUT", "GET"):
            server.faults.append(
                Fault(
                    of("first", method),
                    status=0 if fault.startswith("hang") else 503,
                    hang=10_000 if fault.startswith("hang") else 0,
                    times=10_000,
                )
            )
        if "carried out" in fault:
            server.faults[0].late, server.faults[0].hang, server.faults[0].cut = True, 0, True
        stopped = ended = 0.0
        while not second.leads:
            assert loop.time() - begun < 120
            await asyncio.sleep(0.05)
            if not first.leads and not stopped:
                stopped = loop.time()
            if first.task.done() and not ended:
                ended = loop.time()
        assert stopped
        assert loop.time() - stopped >= 4.5
        assert ended - begun <= first.options.renew_deadline + 0.1  # and it knows in time that it has failed


@virtual_time
async def test_leader_that_learns_of_another_stops_at_once() -> None:
    async with FakeApiServer() as server, two(server) as (first, _):
        lease = server.object(LEASES, KEY)
        lease["spec"] |= {"holderIdentity": "third"}
        server.put(LEASES, lease)
        await asyncio.wait_for(first.task, 3)
        assert not first.leads


@virtual_time
async def test_lease_that_was_deleted_is_made_again() -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        server.remove(LEASES, KEY)
        await asyncio.sleep(60)
        assert first.leads != second.leads


@virtual_time
async def test_times_that_others_wrote_do_not_count() -> None:
    async with FakeApiServer() as server, two(server) as (first, second):
        for wrong in ("1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"):
            lease = server.object(LEASES, KEY)
            lease["spec"]["renewTime"] = wrong
            server.put(LEASES, lease)
            for _ in range(100):
                await asyncio.sleep(0.2)
                assert first.leads
                assert not second.leads


@pytest.mark.parametrize("rounds", [12, pytest.param(40, marks=pytest.mark.slow)])
@virtual_time
async def test_leader_is_at_most_one_of_many_whatever_the_network_does(rounds: int) -> None:
    """Each kind of fault meets a leader several times in the few rounds; `make test-slow` has the many."""
    async with FakeApiServer() as server:
        server.serve(LEASES)
        everybody = [Candidate(server, f"c{number}") for number in range(5)]
        epochs: list[int] = []
        for _ in range(rounds):
            leading = [candidate for candidate in everybody if candidate.leads]
            for candidate in leading:
                kind = next(_numbers) % 3
                server.faults = [
                    Fault(of(candidate.options.identity), 0 if kind else 500, hang=99 * kind, times=99, cut=kind == 2)
                ]
            for _ in range(50):
                await asyncio.sleep(0.5)
                leading = [candidate for candidate in everybody if candidate.leads]
                assert len(leading) <= 1
                epochs += [candidate.epoch for candidate in leading if candidate.epoch not in epochs]
            for number, candidate in enumerate(everybody):
                if candidate.task.done():
                    await candidate.end()
                    everybody[number] = Candidate(server, f"c{next(_numbers)}-again")
        assert epochs == sorted(epochs)
        assert len(epochs) >= rounds / 2
        for candidate in everybody:
            await candidate.end()


def test_fence_is_open_only_while_the_lease_is_valid() -> None:
    now = [100.0]
    fence = LeaderFence(5.0, lambda: now[0])
    with pytest.raises(NotLeaderError):
        fence()
    fence.publish(Leadership(1, 110.0))
    assert fence() == 15.0
    now[0] = 110.0
    with pytest.raises(NotLeaderError):
        fence()
    assert fence.expires() == 115.0


def test_times_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="lease_duration > renew_deadline"):
        LeaderElection("a", lease_duration=10, renew_deadline=10)
    with pytest.raises(ValueError, match=r"1\.2 × retry_period"):
        LeaderElection("a", retry_period=9)
