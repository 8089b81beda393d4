import asyncio
import logging

import pytest

from dgdr_controller.runtime import Controller, Key, LeaderElection, Manager
from dgdr_controller.runtime.leader_election import LEASES
from dgdr_controller.runtime.metrics import queue_adds, queue_depth
from dgdr_controller.runtime.testing import FakeApiServer, real_time, until, virtual_time
from test.builders.controllers import Reconciler, Widgets, running, widget


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


@real_time
async def test_who_does_not_lead_queues_nothing_and_looks_at_everything_once_it_does(widgets: Widgets) -> None:
    def waiting() -> float:
        samples = [sample for metric in (queue_adds, queue_depth) for sample in next(iter(metric.collect())).samples]
        return sum(s.value for s in samples if s.labels["name"] == "standby" and not s.name.endswith("_created"))

    async with FakeApiServer() as server:
        for resource in (widgets, LEASES):
            server.serve(resource)
        for number in range(5):
            server.put(widgets, widget(f"w{number}"))
        first, second = (
            Manager(server.config, leader_election=LeaderElection("lease", identity=identity, retry_period=0.2))
            for identity in ("first", "second")
        )
        reconciler = Reconciler()
        second.add(Controller(second.cache, reconciler, name="standby").for_(widgets))
        async with running(first):
            await until(lambda: server.objects(LEASES) != [], 5)
            async with running(second):
                server.put(widgets, widget("w0", 2))
                server.remove(widgets, Key("ns", "w1"))
                await asyncio.sleep(0.5)
                assert (dict(reconciler.calls), waiting()) == ({}, 0)
                first.stop()
                await until(lambda: len(reconciler.calls) == 4, 10)
                assert dict(reconciler.calls) == {"w0": 1, "w2": 1, "w3": 1, "w4": 1}


@virtual_time
async def test_runnable_that_raises_stops_everything(widgets: Widgets, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise OSError("no disk")

    async with FakeApiServer() as server:
        server.serve(widgets)
        manager = Manager(server.config)
        manager.add(Controller(manager.cache, Reconciler(), name="beside").for_(widgets))
        manager.add(broken)
        with caplog.at_level(logging.CRITICAL), pytest.raises(OSError, match="no disk"):
            await asyncio.wait_for(manager.run(), 3600)


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
