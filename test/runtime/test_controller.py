import asyncio
import json
from typing import Any

import pytest

from dgdr_controller.runtime import Controller, Key, Manager, Result, TerminalError, generation_changed, metrics
from dgdr_controller.runtime.log import formatter
from dgdr_controller.runtime.testing import FakeApiServer, until, virtual_time
from test.builders.controllers import Reconciler, Widgets, running, widget


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
async def test_key_that_fails_comes_again_later_and_others_go_on(
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
        panics = 0 if isinstance(error, asyncio.CancelledError) else 4
        assert sample("controller_runtime_reconcile_panics_total", controller=name) == panics
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
        assert [(record.levelname, record.exc_info) for record in told] == [("WARNING", None)] * 2
        assert "HTTP 404" in told[0].message
        assert sample("controller_runtime_reconcile_errors_total", controller="refused") == 2


@pytest.mark.parametrize("answer", [None, 30, Result.after("soon")])  # type: ignore[arg-type]
@virtual_time
async def test_wrong_answer_is_an_error_like_others(widgets: Widgets, answer: Any) -> None:
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
async def test_initial_list_waits_behind_what_happens_now(widgets: Widgets) -> None:
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
async def test_success_makes_the_next_failure_wait_briefly_again(widgets: Widgets) -> None:
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
async def test_terminal_error_is_not_repeated(widgets: Widgets) -> None:
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
async def test_result_says_when_to_come_back(widgets: Widgets) -> None:
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
async def test_reconcile_that_hangs_is_cancelled_and_repeated(widgets: Widgets) -> None:
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
async def test_reconcile_that_does_not_end_in_time_is_cancelled(widgets: Widgets) -> None:
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
