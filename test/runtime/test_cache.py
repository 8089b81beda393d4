import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from dgdr_controller.runtime import (
    Cache,
    Change,
    Client,
    Key,
    NotSyncedError,
    NotWatchedError,
    Resource,
    by_label,
)
from dgdr_controller.runtime.testing import FakeApiServer, Fault, until, virtual_time

Widgets = Resource[dict[str, Any]]


def widget(name: str, size: int = 1, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "labels": labels}, "spec": {"size": size}}


def watches(request: web.Request) -> bool:
    return request.query.get("watch") == "true"


@asynccontextmanager
async def running(server: FakeApiServer, resource: Widgets, **options: Any) -> AsyncIterator[Cache]:
    """A cache that is complete."""
    client = Client(server.config)
    cache = Cache(client)
    cache.watch(resource, **options)
    task = asyncio.ensure_future(cache.run())
    try:
        await cache.wait_synced(60)
        yield cache
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await client.close()


def sizes(cache: Cache, resource: Widgets) -> dict[str, int]:
    return {widget["metadata"]["name"]: widget["spec"]["size"] for widget in cache.list(resource)}


@pytest.mark.parametrize("watch_list", [True, False])
@virtual_time
async def test_list_of_many_pages_is_complete(widgets: Widgets, *, watch_list: bool) -> None:
    async with FakeApiServer(watch_list=watch_list) as server:
        server.serve(widgets)
        for number in range(1201):
            server.put(widgets, widget(f"w{number}", number))
        async with running(server, widgets) as cache:
            assert sizes(cache, widgets) == {f"w{number}": number for number in range(1201)}
            server.put(widgets, widget("later", 5))
            server.put(widgets, widget("w7", 77))
            server.remove(widgets, Key("ns", "w8"))
            await until(lambda: cache.get(widgets, Key("ns", "w8")) is None)
            assert sizes(cache, widgets)["w7"] == 77
            assert len(cache.list(widgets)) == 1201
        lists = [query for _, _, query in server.requests if "watch" not in query]
        assert len(lists) == (0 if watch_list else 3)


@virtual_time
async def test_cached_object_has_no_managed_fields_and_is_nobody_elses(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        async with running(server, widgets) as cache:
            first = cache.get(widgets, Key("ns", "a"))
            assert first is not None
            assert "managedFields" not in first["metadata"]
            first["spec"]["size"] = 99
            second = cache.get(widgets, Key("ns", "a"))
            assert second is not None
            assert second["spec"]["size"] == 1


@pytest.mark.parametrize("watch_list", [True, False])
@virtual_time
async def test_missed_changes_are_made_up_for_after_410(widgets: Widgets, *, watch_list: bool) -> None:
    async with FakeApiServer(watch_list=watch_list) as server:
        server.serve(widgets)
        for name in "abc":
            server.put(widgets, widget(name))
        async with running(server, widgets) as cache:
            changes: list[Change] = []
            cache.informer(widgets).subscribe(changes.append)
            changes.clear()
            server.faults.append(Fault(watches, 503, times=2))
            server.drop_watches()
            server.remove(widgets, Key("ns", "a"))
            server.put(widgets, widget("b", 2))
            server.put(widgets, widget("d", 4))
            server.forget_history()
            await until(lambda: sizes(cache, widgets) == {"b": 2, "c": 1, "d": 4})
            assert sorted((change.type.value, change.new.key.name) for change in changes) == [
                ("added", "d"),
                ("deleted", "a"),
                ("updated", "b"),
            ]


@virtual_time
async def test_watch_that_ends_goes_on_where_it_was(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets) as cache:
            for number in range(50):
                server.put(widgets, widget(f"w{number}"))
                server.drop_watches()
                await asyncio.sleep(0.1)
            await until(lambda: len(cache.list(widgets)) == 50)
        assert sum("sendInitialEvents" in query for _, _, query in server.requests) == 1


@virtual_time
async def test_server_that_names_a_pause_is_asked_after_it_at_first_and_more_seldom_then(widgets: Widgets) -> None:
    loop, asked = asyncio.get_running_loop(), list[float]()

    def watched(request: web.Request) -> bool:
        asked.extend([loop.time()] if watches(request) else [])
        return watches(request)

    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets):
            server.faults.append(Fault(watched, 429, times=12, headers={"Retry-After": "2"}))
            server.drop_watches()
            await asyncio.sleep(300)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(pauses) >= 11
    assert all(2 <= pause <= 30 for pause in pauses[1:])
    assert pauses[1] < 4
    assert 10 < pauses[10] <= 20.1


@virtual_time
async def test_server_that_fails_is_asked_few_times(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets) as cache:
            server.requests.clear()
            server.faults.append(Fault(watches, 503, times=10_000))
            server.drop_watches()
            await asyncio.sleep(600)
            assert 10 < len(server.requests) < 50
            server.faults.clear()
            server.put(widgets, widget("a"))
            await until(lambda: len(cache.list(widgets)) == 1)


@pytest.mark.parametrize("watch_list", [True, False])
@virtual_time
async def test_410_again_and_again_is_no_storm(widgets: Widgets, *, watch_list: bool) -> None:
    async with FakeApiServer(watch_list=watch_list) as server:
        server.serve(widgets)
        async with running(server, widgets):
            server.requests.clear()
            server.faults.append(Fault(watches, 410, times=10_000))
            server.drop_watches()
            await asyncio.sleep(600)
            assert len(server.requests) < 60


@virtual_time
async def test_silent_connection_is_given_up(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets) as cache:
            server.deafen(widgets)
            server.put(widgets, widget("a"))
            await until(lambda: len(cache.list(widgets)) == 1, seconds=200)


@virtual_time
async def test_broken_line_is_a_lost_connection(widgets: Widgets, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets) as cache:
            server.send_line(widgets, b'{"type":"ADDED","object":{"meta')
            server.drop_watches()
            server.put(widgets, widget("a"))
            await until(lambda: len(cache.list(widgets)) == 1)
            with caplog.at_level(logging.CRITICAL):
                server.send_line(widgets, b"<html>a proxy's opinion</html>\n")
                await asyncio.sleep(10)
            server.put(widgets, widget("b"))
            await until(lambda: len(cache.list(widgets)) == 2)


@virtual_time
async def test_object_of_a_megabyte_and_a_half_arrives(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets) as cache:
            server.put(widgets, widget("a") | {"data": "x" * 1_500_000})
            await until(lambda: len(cache.list(widgets)) == 1)


@virtual_time
async def test_etcd_restored_from_a_backup_is_noticed(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a", 1))
        async with running(server, widgets) as cache:
            for size in range(2, 20):
                server.put(widgets, widget("a", size))
            await until(lambda: sizes(cache, widgets) == {"a": 19})
            server.drop_watches()
            server.turn_back(101)
            server.put(widgets, widget("a", 2))
            await until(lambda: sizes(cache, widgets) == {"a": 2})
            await cache._client.create(widgets, widget("b", 3))
            assert sizes(cache, widgets) == {"a": 2, "b": 3}


@virtual_time
async def test_optional_kind_may_be_absent_appear_and_disappear(widgets: Widgets) -> None:
    async with FakeApiServer() as server, running(server, widgets, optional=True) as cache:
        assert not cache.available(widgets)
        assert cache.list(widgets) == ()
        assert cache.get(widgets, Key("ns", "a")) is None
        assert "CustomResourceDefinition" in cache.problems()["widgets.example.com"]
        await asyncio.sleep(300)
        assert len(server.requests) < 25
        server.serve(widgets)
        server.put(widgets, widget("a"))
        await until(lambda: cache.available(widgets), 60)
        assert sizes(cache, widgets) == {"a": 1}
        assert cache.problems() == {}
        gone: list[Change] = []
        cache.informer(widgets).subscribe(gone.append)
        server.unserve(widgets)
        await until(lambda: not cache.available(widgets), 60)
        assert [change.type.value for change in gone] == ["added", "deleted"]


@virtual_time
async def test_kind_that_must_exist_is_named_when_it_does_not(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        with pytest.raises(NotSyncedError, match=r"widgets\.example\.com.*CustomResourceDefinition"):
            async with running(server, widgets):
                pass


@virtual_time
async def test_cache_claims_nothing_before_the_list_is_complete(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        client = Client(server.config)
        cache = Cache(client)
        with pytest.raises(NotWatchedError):
            cache.get(widgets, Key("ns", "a"))
        cache.watch(widgets)
        with pytest.raises(NotSyncedError):
            cache.list(widgets)
        with pytest.raises(ValueError, match="already"):
            cache.watch(widgets)


@virtual_time
async def test_older_state_does_not_replace_a_newer_one(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        older = json.dumps(server.put(widgets, widget("a", 1))).encode()
        server.put(widgets, widget("a", 2))
        async with running(server, widgets) as cache:
            informer = cache.informer(widgets)
            informer.update(informer.ingest(older))  # as another API server that lags behind may say it
            assert sizes(cache, widgets) == {"a": 2}


@virtual_time
async def test_objects_are_found_by_index_namespace_and_label(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a", colour="red"))
        server.put(widgets, widget("b", colour="blue"))
        async with running(server, widgets, indexes={"colour": by_label("colour")}) as cache:

            def red() -> list[str]:
                return [meta.name for meta in cache.metas(widgets, index="colour", value="red")]

            assert red() == ["a"]
            server.put(widgets, widget("b", colour="red"))
            server.put(widgets, widget("a", colour="green"))
            await until(lambda: red() == ["b"])
            assert [meta.name for meta in cache.metas(widgets, "ns")] == ["a", "b"]
            assert cache.metas(widgets, "other") == ()
            assert [meta.name for meta in cache.metas(widgets, labels={"colour": "green"})] == ["a"]
            with pytest.raises(KeyError):
                cache.list(widgets, index="weight", value="1")
            server.remove(widgets, Key("ns", "b"))
            await until(lambda: red() == [])


@virtual_time
async def test_transform_drops_what_nobody_reads(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))

        def slim(body: dict[str, Any]) -> dict[str, Any]:
            return {"metadata": body["metadata"]}

        async with running(server, widgets, transform=slim) as cache:
            (kept,) = cache.list(widgets)
            assert "spec" not in kept


@virtual_time
async def test_handler_or_index_that_raises_ends_nothing(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)

        def broken(_: object) -> list[str]:
            raise RuntimeError("odd object")

        async with running(server, widgets, indexes={"broken": broken}) as cache:
            cache.informer(widgets).subscribe(broken)  # type: ignore[arg-type]
            server.put(widgets, widget("a"))
            server.put(widgets, widget("b"))
            await until(lambda: len(cache.list(widgets)) == 2)


@virtual_time
async def test_write_is_read_at_once_although_the_watch_lags(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets, status=True)
        server.put(widgets, widget("a", colour="red"))
        async with running(server, widgets, indexes={"colour": by_label("colour")}) as cache:
            changes: list[Change] = []
            cache.informer(widgets).subscribe(changes.append)
            changes.clear()
            client, key = cache._client, Key("ns", "a")
            with server.holding(widgets) as lines:
                await client.patch(widgets, key, {"metadata": {"labels": {"colour": "blue"}}})
                await client.patch(widgets, key, {"spec": {"size": 5}})
                await client.create(widgets, widget("b", 2, colour="blue"))
                assert sizes(cache, widgets) == {"a": 5, "b": 2}
                assert [meta.name for meta in cache.metas(widgets, index="colour", value="blue")] == ["a", "b"]
                assert cache.metas(widgets, index="colour", value="red") == ()
                meta = cache.meta(widgets, Key("ns", "b"))
                assert meta is not None
                await client.delete(widgets, Key("ns", "b"), uid=meta.uid)
                assert len(lines) == 4
                assert changes == []
            await until(lambda: len(changes) == 4)
            assert [change.own for change in changes] == [True, True, True, False]
            assert sizes(cache, widgets) == {"a": 5}
            assert cache.informer(widgets)._overlay._written == {}
            assert cache.informer(widgets)._overlay._echoes == {}


@pytest.mark.parametrize(
    ("selector", "labels", "shown"),
    [
        ("app=a", {"app": "a"}, True),
        ("app=a,tier=b", {"app": "a", "tier": "b", "more": "c"}, True),
        ("app=a,tier=b", {"app": "a"}, False),
        ("app=a", {"app": "b"}, False),
        ("app!=b", {"app": "a"}, False),
        ("app in (a)", {"app": "a"}, False),
        ("app", {"app": "a"}, False),
    ],
)
@virtual_time
async def test_write_is_read_at_once_if_its_labels_are_those_that_are_watched(
    widgets: Widgets, selector: str, labels: dict[str, str], *, shown: bool
) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        async with running(server, widgets, label_selector=selector) as cache:
            with server.holding(widgets):
                await cache._client.create(widgets, widget("new", 1, **labels))
                assert sizes(cache, widgets) == ({"new": 1} if shown else {})


@virtual_time
async def test_deleted_object_is_hidden_at_once_but_not_its_successor(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a"))
        async with running(server, widgets) as cache:
            with server.holding(widgets):
                await cache._client.delete(widgets, Key("ns", "a"))
                assert sizes(cache, widgets) == {}
                assert cache.get(widgets, Key("ns", "a")) is None
                server.put(widgets, widget("a", 2))
            await until(lambda: sizes(cache, widgets) == {"a": 2})


@virtual_time
async def test_change_by_somebody_else_meanwhile_is_still_told(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        server.put(widgets, widget("a", 1))
        async with running(server, widgets) as cache:
            changes: list[Change] = []
            cache.informer(widgets).subscribe(changes.append)
            changes.clear()
            with server.holding(widgets):
                server.put(widgets, widget("a", 2))
                await cache._client.patch(widgets, Key("ns", "a"), {"spec": {"size": 3}})
                server.put(widgets, widget("a", 4))
                assert sizes(cache, widgets) == {"a": 3}
            await until(lambda: len(changes) == 3)
            assert [(json.loads(change.new.raw)["spec"]["size"], change.own) for change in changes] == [
                (2, False),
                (3, True),
                (4, False),
            ]
            assert sizes(cache, widgets) == {"a": 4}
