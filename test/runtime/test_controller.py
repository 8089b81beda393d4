import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dgdr_controller.runtime import (
    Controller,
    Key,
    LeaderElection,
    Manager,
    Resource,
    Result,
    TerminalError,
    generation_changed,
    metrics,
)
from dgdr_controller.runtime.leader_election import LEASES
from dgdr_controller.runtime.log import formatter
from dgdr_controller.runtime.testing import FakeApiServer, real_time, until, virtual_time

Widgets = Resource[dict[str, Any]]


class Reconciler:
    """Counts, and does what the test says."""

    def __init__(self, act: Callable[[Key], Awaitable[Result]] | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self.act = act

    async def reconcile(self, key: Key) -> Result:
        self.calls[key.name] += 1
        return await self.act(key) if self.act else Result.done()


def widget(name: str, size: int = 1, owner: str = "", **other: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": name, "namespace": "ns"}, "spec": {"size": size}} | other
    if owner:
        body["metadata"]["ownerReferences"] = [
            {"apiVersion": "example.com/v1alpha7", "kind": "Widget", "name": owner, "uid": "u", "controller": True},
        ]
    return body


@asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[None]:
    task = asyncio.ensure_future(manager.run())
    await until(lambda: manager._unsynced() == "" or task.done())
    try:
        yield
    finally:
        manager.stop()
        await task


def sample(metric: str, /, **labels: str) -> float:
    value = metrics.registry.get_sample_value(metric, labels)
    assert value is not None, metric
    return value


@virtual_time
async def test_every_object_is_reconciled_and_every_owner_of_a_changed_one(widgets: Widgets, parts: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.serve(parts)
        for number in range(50):
            server.put(widgets, widget(f"w{number}"))
        manager, reconciler = Manager(server.config), Reconciler()
        manager.add(
            Controller(manager.cache, reconciler, name="owners").for_(widgets).owns(parts).with_options(workers=4)
        )
        async with running(manager):
            await until(lambda: len(reconciler.calls) == 50)
            server.put(parts, widget("part", owner="w7"))
            await until(lambda: reconciler.calls["w7"] == 2)
            server.put(parts, widget("part", owner="w8"))  # both the old and the new owner learn of it
            await until(lambda: reconciler.calls["w7"] == 3 and reconciler.calls["w8"] == 2)
            server.remove(parts, Key("ns", "part"))
            await until(lambda: reconciler.calls["w8"] == 3)
            server.put(parts, widget("orphan"))
            await asyncio.sleep(1)
            assert sum(reconciler.calls.values()) == 50 + 4


@virtual_time
async def test_predicates_drop_what_does_not_matter_but_no_deletion(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets, status=True)
        server.put(widgets, widget("a"))
        manager, reconciler = Manager(server.config), Reconciler()
        manager.add(Controller(manager.cache, reconciler, name="predicates").for_(widgets, generation_changed))
        async with running(manager):
            await until(lambda: reconciler.calls["a"] == 1)
            server.put(widgets, widget("a", status={"x": 1}))
            await asyncio.sleep(1)
            assert reconciler.calls["a"] == 1
            server.put(widgets, widget("a", 2))
            await until(lambda: reconciler.calls["a"] == 2)
            server.remove(widgets, Key("ns", "a"))
            await until(lambda: reconciler.calls["a"] == 3)


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
@virtual_time
async def test_a_key_that_fails_comes_again_later_and_others_go_on(
    widgets: Widgets, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def act(key: Key) -> Result:
        if key.name == "bad" and reconciler.calls["bad"] < 5:
            raise error
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("bad"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name=f"fails-{type(error).__name__}").for_(widgets))
        caplog.handler.setFormatter(formatter())
        async with running(manager):
            server.put(widgets, widget("good"))
            await until(lambda: reconciler.calls["good"] == 1 and reconciler.calls["bad"] == 5)
            await asyncio.sleep(10)
            assert reconciler.calls["bad"] == 5
        lines = [json.loads(line) for line in caplog.text.splitlines()]
        (first, *_) = [line for line in lines if line["level"] == "error"]
        assert (first["namespace"], first["name"], len(first["reconcile_id"])) == ("ns", "bad", 32)
        assert type(error).__name__ in first["exception"]
        name = f"fails-{type(error).__name__}"
        assert sample("controller_runtime_reconcile_total", controller=name, result="error") == 4
        assert sample("controller_runtime_reconcile_total", controller=name, result="success") == 2
        assert sample("controller_runtime_reconcile_errors_total", controller=name) == 4
        assert sample("workqueue_retries_total", controller=name, name=name) == 4
        assert sample("workqueue_depth", controller=name, name=name, priority="0") == 0
        assert sample("controller_runtime_active_workers", controller=name) == 0


@virtual_time
async def test_refusal_of_the_api_server_is_told_in_a_line_without_a_traceback(
    widgets: Widgets, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(_: Key) -> Result:
        if reconciler.calls["bad"] < 3:
            await manager.client.get(widgets, Key("ns", "not there"))
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("bad"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="refused").for_(widgets))
        async with running(manager):
            await until(lambda: reconciler.calls["bad"] == 3)
        told = [record for record in caplog.records if "Reconcile failed" in record.message]
        assert [(each.levelname, each.exc_info) for each in told] == [("WARNING", None)] * 2
        assert "HTTP 404" in told[0].message
        assert sample("controller_runtime_reconcile_errors_total", controller="refused") == 2


@pytest.mark.parametrize("answer", [None, 30, Result.after("soon")])  # type: ignore[arg-type]
@virtual_time
async def test_a_wrong_answer_is_an_error_like_others(widgets: Widgets, answer: Any) -> None:
    async def act(key: Key) -> Result:
        return Result.done() if key.name == "good" else answer

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("bad"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name=f"wrong-{answer}").for_(widgets))
        async with running(manager):
            await until(lambda: reconciler.calls["bad"] == 3)
            server.put(widgets, widget("good"))
            await until(lambda: reconciler.calls["good"] == 1)


@virtual_time
async def test_the_initial_list_waits_behind_what_happens_now(widgets: Widgets) -> None:
    order = []

    async def act(key: Key) -> Result:
        order.append(key.name)
        await asyncio.sleep(1)
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        for number in range(20):
            server.put(widgets, widget(f"old{number}"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="behind").for_(widgets))
        async with running(manager):
            await until(lambda: len(order) == 3)
            server.put(widgets, widget("new"))
            await until(lambda: "new" in order)
            assert order.index("new") < 6


@virtual_time
async def test_a_success_makes_the_next_failure_wait_briefly_again(widgets: Widgets) -> None:
    async def act(_: Key) -> Result:
        times.append(asyncio.get_running_loop().time())
        if len(times) != 11:
            raise RuntimeError("no")
        return Result.done()

    times: list[float] = []
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager = Manager(server.config)
        manager.add(Controller(manager.cache, Reconciler(act), name="briefly").for_(widgets))
        async with running(manager):
            await until(lambda: len(times) == 11)
            assert times[10] - times[9] == pytest.approx(0.005 * 2**9, abs=0.01)
            server.put(widgets, widget("a", 2))
            await until(lambda: len(times) == 13)
            assert times[12] - times[11] == pytest.approx(0.005, abs=0.001)


@virtual_time
async def test_a_terminal_error_is_not_repeated(widgets: Widgets) -> None:
    async def act(_: Key) -> Result:
        raise TerminalError("the user must change something")

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="terminal").for_(widgets))
        async with running(manager):
            await asyncio.sleep(1000)
            assert reconciler.calls["a"] == 1
            assert sample("controller_runtime_terminal_reconcile_errors_total", controller="terminal") == 1


@virtual_time
async def test_a_result_says_when_to_come_back(widgets: Widgets) -> None:
    async def act(_: Key) -> Result:
        return Result.after(60)

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="again").for_(widgets))
        async with running(manager):
            await asyncio.sleep(601)
            assert reconciler.calls["a"] == 11
            server.put(widgets, widget("a", 2))  # comes between, and the minute counts anew
            await asyncio.sleep(30)
            assert reconciler.calls["a"] == 12


@virtual_time
async def test_a_reconcile_that_hangs_is_cancelled_and_repeated(widgets: Widgets) -> None:
    async def act(_: Key) -> Result:
        if reconciler.calls["a"] == 1:
            await asyncio.sleep(10_000)
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="hangs").for_(widgets).with_options(timeout=20))
        async with running(manager):
            await until(lambda: reconciler.calls["a"] == 2, 25)
            assert sample("controller_runtime_reconcile_timeouts_total", controller="hangs") == 1


@virtual_time
async def test_stopping_lets_reconciles_end_and_starts_none(widgets: Widgets) -> None:
    ended = []

    async def act(key: Key) -> Result:
        await asyncio.sleep(10)
        ended.append(key.name)
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        for name in "abc":
            server.put(widgets, widget(name))
        manager, reconciler = Manager(server.config), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="ends").for_(widgets).with_options(workers=2))
        async with running(manager):
            await until(lambda: len(reconciler.calls) == 2)
        assert len(ended) == 2
        assert len(reconciler.calls) == 2


@virtual_time
async def test_a_reconcile_that_does_not_end_in_time_is_cancelled(widgets: Widgets) -> None:
    cancelled = []

    async def act(key: Key) -> Result:
        try:
            await asyncio.sleep(10_000)
        except asyncio.CancelledError:
            cancelled.append(key.name)
            raise
        return Result.done()

    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager, reconciler = Manager(server.config, graceful_timeout=5), Reconciler(act)
        manager.add(Controller(manager.cache, reconciler, name="too-late").for_(widgets))
        async with running(manager):
            await until(lambda: reconciler.calls["a"] == 1)
        assert cancelled == ["a"]


@real_time
async def test_manager_wants_to_lead_once_it_has_listed_everything(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(LEASES)
        manager, reconciler = Manager(server.config, leader_election=LeaderElection("lease")), Reconciler()
        manager.cache.watch(widgets)  # which does not exist yet
        manager.add(Controller(manager.cache, reconciler, name="late").for_(widgets))
        task = asyncio.ensure_future(manager.run())
        await asyncio.sleep(0.3)
        assert not any("leases" in path for _, path, _ in server.requests)
        assert manager._unsynced()
        manager.stop()
        await asyncio.wait_for(task, 5)
        server.serve(widgets)
        server.put(widgets, widget("a"))
        manager = Manager(server.config, leader_election=LeaderElection("lease"))
        manager.add(Controller(manager.cache, reconciler, name="then").for_(widgets))
        async with running(manager):
            await until(lambda: reconciler.calls["a"] == 1, 5)
        assert server.object(LEASES, Key("default", "lease"))["spec"]["holderIdentity"] == ""


@virtual_time
async def test_a_runnable_that_raises_stops_everything(widgets: Widgets, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise OSError("no disk")

    async with FakeApiServer() as server:
        server.serve(widgets)
        manager = Manager(server.config)
        manager.add(Controller(manager.cache, Reconciler(), name="beside").for_(widgets))
        manager.add(broken)
        with caplog.at_level(logging.CRITICAL), pytest.raises(OSError, match="no disk"):
            await asyncio.wait_for(manager.run(), 60)


@virtual_time
async def test_controller_that_is_added_to_a_running_manager_runs(widgets: Widgets, parts: Widgets) -> None:
    began: list[str] = []

    async def function() -> None:
        began.append("function")

    async with FakeApiServer() as server:
        for resource in (widgets, parts):
            server.serve(resource)
            server.put(resource, widget("a"))
        manager, known, unknown = Manager(server.config), Reconciler(), Reconciler()
        manager.cache.watch(widgets)
        async with running(manager):
            manager.add(function)
            manager.add(Controller(manager.cache, known, name="known").for_(widgets))
            manager.add(Controller(manager.cache, unknown, name="unknown").for_(parts))
            await until(lambda: bool(began) and known.calls["a"] == unknown.calls["a"] == 1)
        with pytest.raises(RuntimeError, match="the manager has stopped"):
            manager.add(function)


@virtual_time
async def test_names_are_unique_and_order_is_checked(widgets: Widgets, parts: Widgets) -> None:
    async with FakeApiServer() as server:
        manager = Manager(server.config)
        manager.add(Controller(manager.cache, Reconciler(), name="one").for_(widgets))
        with pytest.raises(ValueError, match="unique"):
            manager.add(Controller(manager.cache, Reconciler(), name="one"))
        with pytest.raises(ValueError, match="call for_ before owns"):
            manager.add(Controller(manager.cache, Reconciler(), name="two").owns(parts))
