import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from dgdr_controller.runtime import (
    AlreadyExistsError,
    Client,
    Config,
    ConflictError,
    Controller,
    ForbiddenError,
    InvalidError,
    Key,
    LeaderElection,
    Manager,
    NotFoundError,
    Reference,
    Resource,
    Result,
    UnauthorizedError,
    decode_dict,
)
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.leader_election import LEASES
from dgdr_controller.runtime.testing import real_time, until
from dgdr_controller.runtime.transport import Request, Transport
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level

pytestmark = [pytest.mark.cluster, pytest.mark.alone("runtime")]

Objects = Resource[dict[str, Any]]
PROGRAM = Path(__file__).with_name("manager_to_kill.py")
CRDS: Objects = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", decode_dict, namespaced=False
)
PARTS: Objects = Resource("", "v1", "configmaps", "ConfigMap", decode_dict)


def kind(plural: str) -> Objects:
    return Resource(f"{plural}.example.com", "v1", plural, plural.capitalize(), decode_dict)


def crd(resource: Objects) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema, "status": schema}}},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": str(resource)},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced",
            "names": {"plural": resource.plural, "singular": resource.plural, "kind": resource.kind},
            "versions": [version],
        },
    }


@asynccontextmanager
async def served(client: Client, resource: Objects) -> AsyncIterator[None]:
    """A kind that the API server knows for a while."""
    await client.apply(CRDS, crd(resource))
    async with asyncio.timeout(30):
        while True:
            try:
                await client.list(resource)
                break
            except NotFoundError:
                await asyncio.sleep(0.05)
    try:
        yield
    finally:
        await client.delete(CRDS, Key("", str(resource)))


@asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(manager.run())
    try:
        yield task
    finally:
        manager.stop()
        await task


def part(namespace: str, name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "data": data}


class Recorder:
    """Remembers what it saw of each object."""

    def __init__(self, manager: Manager, resource: Objects) -> None:
        self.cache, self.resource = manager.cache, resource
        self.seen: dict[str, str | None] = {}

    async def reconcile(self, key: Key) -> Result:
        found = self.cache.get(self.resource, key)
        self.seen[key.name] = found["data"].get("x") if found else None
        return Result.done()


@pytest.fixture
def config(control_plane: Cluster) -> Config:
    return Config.from_kubeconfig(control_plane.kubeconfig)


@pytest.fixture
def own() -> Iterator[Local]:
    """A control plane that a test may break."""
    found = Local(layout("test-runtime"))
    with brought_up(found, Level.CONTROL_PLANE):
        yield found


@real_time
async def test_each_refusal_has_its_error(config: Config, namespace: str) -> None:
    client = Client(config)
    key = Key(namespace, "a")
    with pytest.raises(NotFoundError):
        await client.get(PARTS, key)
    made = await client.create(PARTS, part(namespace, "a", x="1"))
    with pytest.raises(AlreadyExistsError):
        await client.create(PARTS, part(namespace, "a"))
    with pytest.raises(InvalidError) as refused:
        await client.create(PARTS, part(namespace, "a", **{"no key": "1"}))
    assert refused.value.details.causes
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"x": "2"}}
    await client.patch(PARTS, key, stale)
    with pytest.raises(ConflictError):
        await client.patch(PARTS, key, stale)
    with pytest.raises(ConflictError):
        await client.delete(PARTS, key, uid="00000000-0000-0000-0000-000000000000")
    await client.delete(PARTS, key, uid=made["metadata"]["uid"])
    with pytest.raises(NotFoundError):
        await client.delete(PARTS, key)
    await client.close()


@real_time
async def test_pod_is_its_service_account(
    control_plane: Cluster, config: Config, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = urlsplit(config.server)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    given = yaml.safe_load(control_plane.kubeconfig.read_text())
    authority = given["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(authority))
    (tmp_path / "namespace").write_text(namespace)
    (tmp_path / "token").write_text("wrong")
    accounts: Objects = Resource("", "v1", "serviceaccounts", "ServiceAccount", decode_dict)
    async with Client(config) as admin:
        await admin.apply(accounts, {"metadata": {"namespace": namespace, "name": "robot"}})
        path = accounts.path(namespace, "robot", "token")
        body = b'{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}'
        answer = decode_dict(await admin.transport.send(Request("POST", path, {}, body)))
    inside = Config.in_cluster(tmp_path)
    async with Client(Transport(inside, attempts=2)) as pod:
        with pytest.raises(UnauthorizedError):
            await pod.list(PARTS, inside.namespace)
        (tmp_path / "token").write_text(answer["status"]["token"])
        with pytest.raises(ForbiddenError, match=f"system:serviceaccount:{namespace}:robot"):
            await pod.list(PARTS, inside.namespace)


@real_time
async def test_fields_have_managers_and_a_status_a_lock(config: Config, namespace: str) -> None:
    client, things = Client(config), kind("locks")
    async with served(client, things):
        key = Key(namespace, "a")
        body = {"metadata": {"namespace": namespace, "name": "a"}, "spec": {"size": 1, "colour": "red"}}
        first = await client.apply(things, body)
        same = await client.apply(things, body)
        assert same["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        mine = {"metadata": body["metadata"], "spec": {"size": 2}}
        with pytest.raises(ConflictError, match="dgdr-controller"):
            await client.apply(things, mine, field_manager="another", force=False)
        await client.apply(things, mine, field_manager="another")
        latest = await client.apply(things, {"metadata": body["metadata"], "spec": {}})
        assert latest["spec"] == {"size": 2}  # what only we wanted is gone
        version = latest["metadata"]["resourceVersion"]
        latest = await client.patch_status(things, key, {"a": 1, "b": {"c": 2}}, resource_version=version)
        for write in (client.patch_status, client.replace_status):
            with pytest.raises(ConflictError):
                await write(things, key, {"a": 2}, resource_version=version)
        version = latest["metadata"]["resourceVersion"]
        latest = await client.replace_status(things, key, {"d": 3}, resource_version=version)
        assert latest["status"] == {"d": 3}
        same = await client.replace_status(
            things, key, {"d": 3}, resource_version=latest["metadata"]["resourceVersion"]
        )
        assert same["metadata"]["resourceVersion"] == latest["metadata"]["resourceVersion"]
    await client.close()


@pytest.mark.parametrize("streams", [True, False])
@real_time
async def test_cache_equals_the_server(
    config: Config, namespace: str, monkeypatch: pytest.MonkeyPatch, *, streams: bool
) -> None:
    if not streams:
        monkeypatch.setattr("dgdr_controller.runtime.client.PAGE", 100)
        monkeypatch.setattr("dgdr_controller.runtime.reflector.ReflectorState", _paging_state())
    writer, manager = Client(config), Manager(config)
    for start in range(0, 1000, 50):
        await asyncio.gather(
            *(writer.create(PARTS, part(namespace, f"p{n}", x=str(n))) for n in range(start, start + 50))
        )
    recorder = Recorder(manager, PARTS)
    manager.cache.watch(PARTS, namespace=namespace, label_selector="!ours")
    manager.add(Controller(manager.cache, recorder, name=f"thousand-{streams}").for_(PARTS).with_options(workers=4))
    async with running(manager):
        wanted: dict[str, str | None] = {f"p{n}": str(n) for n in range(1000)}
        await until(lambda: wanted.items() <= recorder.seen.items(), 30)
        await writer.patch(PARTS, Key(namespace, "p1"), {"data": {"x": "changed"}})
        await writer.delete(PARTS, Key(namespace, "p2"))
        await until(lambda: recorder.seen["p1"] == "changed" and recorder.seen["p2"] is None, 10)
    await writer.close()


def _paging_state() -> Callable[[], Any]:
    from dgdr_controller.runtime.reflector_state import Phase, ReflectorState  # noqa: PLC0415 - the name is replaced meanwhile

    return lambda: ReflectorState(Phase.PAGES, streams=False)


@real_time
async def test_own_write_is_read_at_once(config: Config, namespace: str) -> None:
    manager = Manager(config)
    wrong: list[str] = []
    rounds = 0

    class Counting:
        async def reconcile(self, key: Key) -> Result:
            nonlocal rounds
            found = manager.cache.get(PARTS, key)
            if found is None or key.name != "counter" or rounds >= 50:
                return Result.done()
            rounds += 1
            count = str(int(found["data"]["x"]) + 1)
            written = await manager.client.apply(PARTS, part(namespace, "counter", x=count))
            again = manager.cache.get(PARTS, key)
            meta = manager.cache.meta(PARTS, key)
            if again is None or again["data"]["x"] != count or meta is None:
                wrong.append(count)
            elif int(meta.resource_version) < int(written["metadata"]["resourceVersion"]):
                wrong.append(f"version {count}")
            return Result.after(0.0)

    manager.cache.watch(PARTS, namespace=namespace)
    manager.add(Controller(manager.cache, Counting(), name="counting").for_(PARTS))
    client = Client(config)
    async with running(manager):
        await client.apply(PARTS, part(namespace, "counter", x="0"))
        await until(lambda: rounds == 50, 20)
    last = await client.get(PARTS, Key(namespace, "counter"))
    assert (last["data"]["x"], wrong) == ("50", [])
    await client.close()


@real_time
async def test_kind_comes_and_goes_while_the_manager_runs(
    config: Config, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgdr_controller.runtime.reflector_state._ABSENT_S", 0.5)
    manager, client, things = Manager(config), Client(config), kind("comings")
    manager.cache.watch(things, optional=True)
    recorder = Recorder(manager, PARTS)
    manager.cache.watch(PARTS, namespace=namespace)
    manager.add(
        Controller(manager.cache, recorder, name="comings").for_(PARTS).watches(things, lambda stored: [stored.key])
    )
    async with running(manager):
        await client.create(PARTS, part(namespace, "a", x="1"))
        await until(lambda: recorder.seen.get("a") == "1", 20)
        assert not manager.cache.available(things)
        async with served(client, things):
            await until(lambda: manager.cache.available(things), 20)
            await client.create(
                things,
                {"metadata": {"namespace": namespace, "name": "thing"}}
                | {"apiVersion": things.api_version, "kind": things.kind},
            )
            await until(lambda: "thing" in recorder.seen, 20)
            recorder.seen.clear()
        await until(lambda: not manager.cache.available(things), 30)
        await until(lambda: "thing" in recorder.seen, 10)
    await client.close()


@real_time
async def test_kubectl_shows_an_event_once_with_its_count(config: Config, namespace: str) -> None:
    manager = Manager(config)
    events = manager.recorder("tester")
    client = Client(config)
    made = await client.create(PARTS, part(namespace, "a"))
    about = Reference("v1", "ConfigMap", Key(namespace, "a"), made["metadata"]["uid"])
    async with running(manager):
        for _ in range(3):
            events.normal(about, "Made", "made it")
        await events.drain(10)
        await asyncio.sleep(0)
    found = await client.list(EVENTS, namespace, field_selector="involvedObject.name=a")
    assert [(event["reason"], event["message"], event["count"]) for event in found] == [("Made", "made it", 3)]
    await client.close()


@real_time
async def test_lease_is_kept_handed_over_and_never_held_twice(config: Config, namespace: str) -> None:
    log: list[tuple[str, int]] = []

    class Stamping:
        def __init__(self, manager: Manager, name: str) -> None:
            self.manager, self.name = manager, name

        async def reconcile(self, key: Key) -> Result:
            body = part(namespace, "stamp", by=self.name)
            written = await self.manager.client.apply(PARTS, body, field_manager=self.name)
            log.append((self.name, int(written["metadata"]["resourceVersion"])))
            await self.manager.client.patch(PARTS, key, {"data": {f"{self.name}.{len(log)}": "x"}})
            return Result.after(0.005)

    def manager_of(name: str) -> Manager:
        election = LeaderElection("stamp", namespace, name, lease_duration=3, renew_deadline=2, retry_period=0.3)
        manager = Manager(config, leader_election=election)
        manager.cache.watch(PARTS, namespace=namespace)
        manager.add(Controller(manager.cache, Stamping(manager, name), name="stamping").for_(PARTS))
        return manager

    client = Client(config)
    await client.create(PARTS, part(namespace, "work"))
    first, second = manager_of("first"), manager_of("second")
    async with running(second):
        second_began_waiting = asyncio.get_running_loop().time()
        async with running(first):
            await until(lambda: len(log) > 5, 20)
            leader = log[0][0]
            assert {name for name, _ in log} == {leader}
            await asyncio.sleep(1)
            (first if leader == "first" else second).stop()
            await until(lambda: log[-1][0] != leader, 20)
        assert asyncio.get_running_loop().time() > second_began_waiting
        await asyncio.sleep(0.3)
    by_version = [name for name, _ in sorted(log, key=lambda entry: entry[1])]
    changes = [a for a, b in pairwise(by_version) if a != b]
    assert len(changes) == 1  # the old one wrote nothing after the new one began
    assert (await client.get(LEASES, Key(namespace, "stamp"))).holder == ""
    await client.close()


@real_time
async def test_stolen_lease_ends_the_manager_at_once(config: Config, namespace: str) -> None:
    election = LeaderElection("stolen", namespace, "victim", lease_duration=3, renew_deadline=2, retry_period=0.3)
    manager, client = Manager(config, leader_election=election), Client(config)
    cancelled = []

    class Slow:
        async def reconcile(self, key: Key) -> Result:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(key)
                raise
            return Result.done()

    manager.cache.watch(PARTS, namespace=namespace)
    manager.add(Controller(manager.cache, Slow(), name="slow").for_(PARTS).with_options(workers=9))
    await client.create(PARTS, part(namespace, "a"))
    task = asyncio.ensure_future(manager.run())
    await asyncio.sleep(1)
    await client.patch(LEASES, Key(namespace, "stolen"), {"spec": {"holderIdentity": "thief"}})
    with pytest.raises(Exception, match="lease was lost"):
        await asyncio.wait_for(task, 5)
    assert cancelled
    assert (await client.get(LEASES, Key(namespace, "stolen"))).holder == "thief"
    await client.close()


# A TLS connection to a server that was killed waits half a minute for the goodbye of the other side.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@real_time
async def test_restart_of_the_api_server_is_survived_and_nothing_missed(own: Local) -> None:
    config = Config.from_kubeconfig(own.kubeconfig)
    manager, client = Manager(config), Client(config)
    recorder = Recorder(manager, PARTS)
    manager.cache.watch(PARTS, namespace="default", field_selector="metadata.name!=kube-root-ca.crt")
    manager.add(Controller(manager.cache, recorder, name="survivor").for_(PARTS))
    await client.create(PARTS, part("default", "gone", x="1"))
    await client.create(PARTS, part("default", "kept", x="1"))
    async with running(manager):
        await until(lambda: recorder.seen == {"gone": "1", "kept": "1"}, 20)
        await asyncio.to_thread(own.restart, "kube-apiserver")
        await client.delete(PARTS, Key("default", "gone"))
        await client.patch(PARTS, Key("default", "kept"), {"data": {"x": "2"}})
        await client.create(PARTS, part("default", "new", x="3"))
        await until(lambda: recorder.seen == {"gone": None, "kept": "2", "new": "3"}, 30)
        await asyncio.to_thread(own.restart, "etcd")
        await client.patch(PARTS, Key("default", "kept"), {"data": {"x": "4"}})
        await until(lambda: recorder.seen["kept"] == "4", 30)
    await client.close()


def started(cluster: Cluster, namespace: str, log: Path, port: int = 0) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, str(PROGRAM), str(cluster.kubeconfig), namespace, str(port)]
    with log.open("ab") as errors:
        return subprocess.Popen(arguments, env=os.environ | {"PYTHONWARNINGS": "error"}, stderr=errors)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def answer(port: int, path: str) -> str:
    """What a manager's HTTP server says: status and text."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}", timeout=aiohttp.ClientTimeout(5)) as response,
        ):
            return f"{response.status} {await response.text()}"
    except aiohttp.ClientError as error:
        return f"none: {error}"


@real_time
async def test_blocked_loop_cannot_outlive_the_lease(
    control_plane: Cluster, config: Config, namespace: str, tmp_path: Path
) -> None:
    port = free_port()
    process = started(control_plane, namespace, tmp_path / "log", port)
    try:
        async with Client(config) as client:
            await until(lambda: answered(port, "/readyz", "200"), 20)
            await until(lambda: answered(port, "/metrics", 'leader_election_master_status{name="doubling"} 1.0'), 10)
            await client.create(PARTS, part(namespace, "source-bad", block="yes"))
            await until(lambda: answered(port, "/readyz", "503 [-] loop"), 20)  # HTTP and lease go on meanwhile
            assert (await answer(port, "/healthz")).startswith("200")
            lease = await client.get(LEASES, Key(namespace, "doubling"))
            assert lease.holder
            await client.patch(LEASES, Key(namespace, "doubling"), {"spec": {"holderIdentity": "thief"}})
            begun = time.monotonic()
            assert await asyncio.to_thread(process.wait, 20) == 1
            assert time.monotonic() - begun < 5
            said = (tmp_path / "log").read_text()
            assert "The lease has expired" in said
            assert "in reconcile" in said  # where it was blocked
    finally:
        process.kill()
        process.wait()


async def answered(port: int, path: str, said: str) -> bool:
    return said in await answer(port, path)


@real_time
async def test_killed_manager_is_followed_by_one_that_ends_its_work(
    control_plane: Cluster, config: Config, namespace: str, tmp_path: Path
) -> None:
    client = Client(config)
    await asyncio.gather(*(client.create(PARTS, part(namespace, f"source-{n}")) for n in range(100)))

    async def copies() -> dict[str, bool]:
        found = await client.list(PARTS, namespace)
        return {
            manifest["metadata"]["name"]: "data" in manifest
            for manifest in found
            if manifest["metadata"]["name"].startswith("copy")
        }

    first = started(control_plane, namespace, tmp_path / "log")
    while len(await copies()) < 20:
        assert first.poll() is None
        await asyncio.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(await copies()) < 100
    second = started(control_plane, namespace, tmp_path / "log")
    try:
        async with asyncio.timeout(30):
            while (found := await copies()) != {f"copy-{n}": True for n in range(100)}:
                assert second.poll() is None, found
                await asyncio.sleep(0.1)
        begun = time.monotonic()
        second.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(second.wait, 20) == 0
        assert time.monotonic() - begun < 10
        assert (await client.get(LEASES, Key(namespace, "doubling"))).holder == ""
    finally:
        second.kill()
        second.wait()
    await client.close()
