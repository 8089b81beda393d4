import asyncio
import random

import pytest

from dgdr_controller.runtime.testing import virtual_time
from dgdr_controller.runtime.workqueue import LOW_PRIORITY, PriorityQueue, QueueShutDown


@pytest.fixture(autouse=True)
def _nothing_is_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have time jump without a look at the network, which queues do not use."""
    monkeypatch.setattr("dgdr_controller.runtime.testing.loop._GRACE_S", 0)


async def taken(queue: PriorityQueue[str]) -> list[str]:
    """All that can be had now, done at once."""
    keys = []
    while len(queue):
        key, _ = await queue.get()
        keys.append(key)
        queue.done(key)
    return keys


@virtual_time
async def test_key_that_waits_is_not_added_twice() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    for key in "abab":
        queue.add(key)
    assert await taken(queue) == ["a", "b"]


@virtual_time
async def test_key_added_during_its_work_comes_again_only_after_it() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a", priority=5)
    assert len(queue) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 10)
    queue.done("a")
    assert await asyncio.wait_for(queue.get(), 1) == ("a", 5)


@virtual_time
async def test_higher_priority_first_then_age() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    queue.add("old", priority=LOW_PRIORITY)
    queue.add("older", priority=LOW_PRIORITY)
    queue.add("now")
    queue.add("older", priority=1)  # raised while it waits
    assert await taken(queue) == ["older", "now", "old"]


@virtual_time
async def test_delay_is_kept_and_an_earlier_time_wins() -> None:
    queue, loop = PriorityQueue[str](), asyncio.get_running_loop()
    begun = loop.time()
    queue.add("a", after=60)
    queue.add("b", after=30)
    queue.add("a", after=10)
    queue.add("a", after=90)
    times = []
    for _ in range(2):
        key, _ = await queue.get()
        times.append((key, round(loop.time() - begun)))
        queue.done(key)
    assert times == [("a", 10), ("b", 30)]
    assert len(queue) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 1000)


@virtual_time
async def test_priority_raised_during_a_delay_keeps_the_time() -> None:
    queue, loop = PriorityQueue[str](), asyncio.get_running_loop()
    begun = loop.time()
    queue.add("a", after=60)
    queue.add("a", priority=7, after=100)
    assert await queue.get() == ("a", 7)
    assert round(loop.time() - begun) == 60


@virtual_time
async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    queue, loop = PriorityQueue[str](), asyncio.get_running_loop()
    pauses = []
    for _ in range(22):
        begun = loop.time()
        queue.add_rate_limited("a")
        await queue.get()
        queue.done("a")
        pauses.append(loop.time() - begun)
    assert pauses[0] == pytest.approx(0.005)
    assert pauses[5] == pytest.approx(0.16)
    assert pauses[-1] == pytest.approx(1000)
    assert queue.num_requeues("a") == 22
    queue.forget("a")
    assert queue.num_requeues("a") == 0


@virtual_time
async def test_shutting_down_tells_who_waits_and_hands_out_nothing_more() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    waiting = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    assert all(isinstance(outcome, QueueShutDown) for outcome in await asyncio.gather(*waiting, return_exceptions=True))
    queue.add("a")
    with pytest.raises(QueueShutDown):
        await queue.get()


@virtual_time
async def test_cancelled_getter_passes_its_key_on() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")  # wakes the first one,
    first.cancel()  # which is cancelled before it runs
    assert await asyncio.wait_for(second, 1) == ("a", 0)


@pytest.mark.parametrize("seed", range(20))
def test_key_is_never_lost_or_worked_on_twice_at_a_time(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test's

    @virtual_time
    async def run() -> None:
        queue: PriorityQueue[int] = PriorityQueue()
        working: set[int] = set()
        last_add: dict[int, float] = {}
        last_start: dict[int, float] = {}
        loop = asyncio.get_running_loop()

        async def work() -> None:
            while True:
                key, _ = await queue.get()
                assert key not in working
                working.add(key)
                last_start[key] = loop.time()
                await asyncio.sleep(rng.random())
                working.discard(key)
                if rng.random() < 0.3:
                    last_add[key] = loop.time()
                    queue.add_rate_limited(key)
                else:
                    queue.forget(key)
                queue.done(key)

        workers = [asyncio.ensure_future(work()) for _ in range(4)]
        for _ in range(300):
            key = rng.randrange(12)
            last_add[key] = loop.time()
            queue.add(key, priority=rng.choice([-100, 0, 0, 3]), after=rng.choice([0, 0, 0.5, 3]))
            if rng.random() < 0.4:
                await asyncio.sleep(rng.random())
        await asyncio.sleep(100)
        assert not working
        assert len(queue) == 0
        assert all(last_start[key] >= added for key, added in last_add.items())
        assert not any(worker.done() for worker in workers)
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)

    run()


@virtual_time
async def test_getter_that_stops_waiting_as_a_key_comes_is_just_cancelled() -> None:
    queue: PriorityQueue[str] = PriorityQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    waiting.cancel()
    queue.add("a")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await queue.get())[0] == "a"
