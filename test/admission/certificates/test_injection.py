import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from dgdr_controller.admission.certificates import Lifetimes, ServingCertificates
from dgdr_controller.admission.certificates.injection import DEFINITIONS, MUTATING, VALIDATING
from dgdr_controller.admission.certificates.rotation import Material, renewed
from dgdr_controller.admission.certificates.secret import CertificateSecret
from dgdr_controller.runtime import Key, Resource
from dgdr_controller.runtime.testing import FakeApiServer, Fault, until, virtual_time

LIFETIMES = Lifetimes()
OURS, THEIRS = Key("dgdr-system", "dgdr-webhook"), Key("dynamo-system", "dgdr-webhook")
NAME = Key("", "dgdr")
CRD = Key("", "dynamographdeploymentrequests.nvidia.com")


@asynccontextmanager
async def started(replica: ServingCertificates) -> AsyncIterator[None]:
    await replica.start()
    try:
        yield
    finally:
        await replica.stop()


def webhook(name: str, service: Key | None = OURS, **client: Any) -> dict[str, Any]:
    reached = {"service": {"namespace": service.namespace, "name": service.name, "port": 443}} if service else {}
    return {"name": name, "clientConfig": reached | client, "rules": [{"operations": ["CREATE"]}], "timeoutSeconds": 7}


def configured(*webhooks: dict[str, Any], name: str = "dgdr") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"app": "x"}}, "webhooks": list(webhooks)}


def bundle(it: Any) -> str:
    return base64.b64encode(it.held["ca.crt"]).decode()


def patches(server: FakeApiServer, part: str = "") -> list[str]:
    return [path for method, path, _ in server.writes if method == "PATCH" and "secrets" not in path and part in path]


@virtual_time
async def test_foreign_entries_and_all_else_stay_as_they_are(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        foreign = (
            webhook("theirs", THEIRS),
            webhook("theirs.too", THEIRS._replace(name="other"), caBundle="Zm9v"),
            webhook("outside", None, url="https://example.com", caBundle="YmFy"),
        )
        before = server.put(
            MUTATING, configured(foreign[0], webhook("ours"), *foreign[1:], webhook("ours.too", caBundle="old"))
        )
        definition = server.object(DEFINITIONS, CRD)
        server.put(MUTATING, configured(webhook("ours"), name="another"))
        async with started(it.replica(start, LIFETIMES)):
            after = server.object(MUTATING, NAME)
            for index in (1, 4):
                assert after["webhooks"][index]["clientConfig"].pop("caBundle") == bundle(it)
                before["webhooks"][index]["clientConfig"].pop("caBundle", None)
            after["metadata"].pop("resourceVersion")
            before["metadata"].pop("resourceVersion")
            assert after == before
            converted = server.object(DEFINITIONS, CRD)
            assert converted["spec"]["conversion"]["webhook"]["clientConfig"].pop("caBundle") == bundle(it)
            assert converted["spec"] == definition["spec"]
            assert "caBundle" not in server.object(MUTATING, Key("", "another"))["webhooks"][0]["clientConfig"]


@pytest.mark.parametrize(
    "conversion",
    [
        None,
        {"strategy": "None"},
        {"strategy": "Webhook", "webhook": {"clientConfig": webhook("", THEIRS)["clientConfig"]}},
        {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://example.com"}}},
    ],
)
@virtual_time
async def test_conversion_that_is_not_ours_is_left_alone(
    installation: Any, start: datetime, caplog: pytest.LogCaptureFixture, conversion: dict[str, Any] | None
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        found = server.object(DEFINITIONS, CRD)
        found["spec"] = {"versions": []} | ({"conversion": conversion} if conversion else {})
        server.put(DEFINITIONS, found)
        async with started(it.replica(start, LIFETIMES)):
            assert patches(server, "customresourcedefinitions") == []
            assert len(patches(server)) == 2
        assert "does not refer to Service dgdr-system/dgdr-webhook" in caplog.text


@pytest.mark.parametrize("resource", [MUTATING, VALIDATING])
@virtual_time
async def test_configuration_that_is_applied_without_the_bundle_is_mended_within_a_second(
    installation: Any, start: datetime, resource: Resource[dict[str, Any]]
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(1000)
            server.put(resource, configured(webhook("quite.another"), webhook("theirs", THEIRS)))
            expected = [webhook("quite.another", caBundle=bundle(it)), webhook("theirs", THEIRS)]
            await until(lambda: server.object(resource, NAME)["webhooks"] == expected, 1)


@virtual_time
async def test_definition_that_is_applied_without_the_bundle_is_mended_within_a_second(
    installation: Any, start: datetime
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(1000)
            expected = server.object(DEFINITIONS, CRD)["spec"]
            applied = server.object(DEFINITIONS, CRD)
            del applied["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"]
            server.put(DEFINITIONS, applied)
            await until(lambda: server.object(DEFINITIONS, CRD)["spec"] == expected, 1)


@virtual_time
async def test_missing_object_is_passed_over_and_given_the_bundle_when_it_comes(
    installation: Any, start: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeApiServer() as server:
        it = installation(server)
        later = {kind: server.object(kind, NAME) for kind in (MUTATING, VALIDATING)}
        for resource in later:
            server.remove(resource, NAME)
        begun = asyncio.get_running_loop().time()
        async with started(it.replica(start, LIFETIMES)):
            assert asyncio.get_running_loop().time() - begun < 1
            assert len(patches(server)) == 1
            await asyncio.sleep(3600)
            said = [record.getMessage() for record in caplog.records if "does not exist" in record.getMessage()]
            assert len(said) == 2, "once for each, not at every look"
            for resource, found in later.items():
                server.put(resource, found)
            await until(lambda: set(it.bundles) == {it.held["ca.crt"]}, 1)
            for resource in later:
                server.remove(resource, NAME)
            await asyncio.sleep(60)
            for resource, found in later.items():
                server.put(resource, found)
            await until(lambda: set(it.bundles) == {it.held["ca.crt"]}, 3)


@virtual_time
async def test_definition_alone_is_asked_for_without_admission(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES, mutating="", validating="")):
            assert patches(server) == [DEFINITIONS.path(*CRD)]
        assert not [path for _, path, _ in server.requests if "webhookconfigurations" in path]


@virtual_time
async def test_write_of_somebody_else_meanwhile_is_not_overwritten(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)

        def edited(request: web.Request) -> bool:
            if request.method == "PATCH" and request.path == MUTATING.path(*NAME) and not edits:
                edits.append(server.put(MUTATING, configured(webhook("edited"), webhook("theirs", THEIRS))))
            return False

        edits: list[dict[str, Any]] = []
        server.faults.append(Fault(edited))
        async with started(it.replica(start, LIFETIMES)):
            await until(lambda: server.object(MUTATING, NAME)["webhooks"][0]["clientConfig"].get("caBundle"), 3)
            webhooks = server.object(MUTATING, NAME)["webhooks"]
            assert webhooks == [webhook("edited", caBundle=bundle(it)), webhook("theirs", THEIRS)]


def renewed_by_another(it: Any, server: FakeApiServer, start: datetime) -> str:
    """Let another replica renew everything and write its bundle; return that."""
    made = renewed(
        None, ["dgdr-webhook.dgdr-system.svc", "dgdr-webhook.dgdr-system.svc.cluster.local"], start, LIFETIMES
    )
    values = (made.certificate, made.key, made.bundle, made.authority_key)
    it.hold(**dict(zip(("tls.crt", "tls.key", "ca.crt", "ca.key"), values, strict=True)))
    server.put(MUTATING, configured(webhook("ours", caBundle=bundle(it))))
    return bundle(it)


def bundles_written(server: FakeApiServer) -> list[str]:
    return [body["webhooks"][0]["clientConfig"]["caBundle"] for _, path, body in server.writes if "mutating" in path]


@virtual_time
async def test_replica_that_sees_the_bundle_of_another_reads_the_secret_before_it_writes(
    installation: Any, start: datetime
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(1000)
            server.writes.clear()
            for _ in range(3):
                renewed_by_another(it, server, start)
                await asyncio.sleep(5)
                assert set(it.bundles) == {it.held["ca.crt"]}
            assert bundles_written(server) == []


@virtual_time
async def test_replica_that_read_the_secret_before_another_wrote_does_not_write_after_it(
    installation: Any, start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        look = CertificateSecret.renew
        late: list[str] = []

        async def look_and_be_late(secret: CertificateSecret, *arguments: Any) -> Material:
            found = await look(secret, *arguments)
            if not late:
                late.append(renewed_by_another(it, server, start))
                await asyncio.sleep(1)
            return found

        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(1000)
            server.writes.clear()
            monkeypatch.setattr(CertificateSecret, "renew", look_and_be_late)
            await asyncio.sleep(100)
            assert late
            assert bundles_written(server) == []
            assert set(it.bundles) == {it.held["ca.crt"]}


@virtual_time
async def test_bundle_is_written_by_one_of_several_replicas(
    installation: Any, start: datetime, short: Lifetimes
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, short)), started(it.replica(start, short)):
            await asyncio.sleep(2 * 200 + 40)
        written = bundles_written(server)
        assert len(written) == 5  # the first CA, and two more that are added before the old one is dropped
        assert len(set(written)) == 5


@virtual_time
async def test_bundle_that_is_removed_again_and_again_is_put_back_at_a_limited_rate(
    installation: Any, start: datetime
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)

        async def undo() -> None:
            while True:
                await until(lambda: "caBundle" in server.object(VALIDATING, NAME)["webhooks"][0]["clientConfig"], 600)
                server.put(VALIDATING, configured(webhook("ours")))

        async with started(it.replica(start, LIFETIMES)):
            undoing = asyncio.create_task(undo())
            await asyncio.sleep(600)
            undoing.cancel()
            assert 10 < len(patches(server, "validating")) < 60


@pytest.mark.parametrize("status", [403, 500, 422])
@virtual_time
async def test_refused_write_holds_nothing_up_and_is_tried_again(
    installation: Any, start: datetime, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        refused = Fault(lambda request: request.method == "PATCH" and "mutating" in request.path, status, times=10_000)
        server.faults.append(refused)
        async with started(it.replica(start, LIFETIMES)):
            assert len(patches(server)) == 2
            await asyncio.sleep(300)
            said = [record for record in caplog.records if "cannot inject the CA bundle" in record.getMessage()]
            assert len(said) == 1
            assert 5 < 10_000 - refused.times < 40
            refused.times = 0
            await until(lambda: set(it.bundles) == {it.held["ca.crt"]}, 40)


@pytest.mark.parametrize(
    "failing", [("PATCH", "/dgdr", 500), ("PATCH", "/dgdr", 409), ("GET", "/dgdr-webhook-certificates", 403)]
)
@virtual_time
async def test_fault_does_not_delay_the_next_attempt_by_half_a_minute(
    installation: Any, start: datetime, failing: tuple[str, str, int]
) -> None:
    method, end, status = failing
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(1000)
            fault = Fault(
                lambda request: (request.method, request.path.endswith(end)) == (method, True), status, times=2
            )
            server.faults.append(fault)
            server.put(MUTATING, configured(webhook("ours")))
            await until(lambda: set(it.bundles) == {it.held["ca.crt"]}, 6)
            assert fault.times == 0


@virtual_time
async def test_kind_that_may_not_be_watched_holds_nothing_up(
    installation: Any, start: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        refused = Fault(lambda request: "customresourcedefinitions" in request.path, 403, times=10_000)
        server.faults.append(refused)
        begun = asyncio.get_running_loop().time()
        async with started(it.replica(start, LIFETIMES)):
            assert asyncio.get_running_loop().time() - begun < 10
            assert len(patches(server)) == 2
            assert "RBAC must grant list, watch and patch" in caplog.text
            refused.times = 0
            await until(lambda: set(it.bundles) == {it.held["ca.crt"]}, 60)


@virtual_time
async def test_watch_asks_for_one_name_of_each_kind(installation: Any, start: datetime) -> None:
    async with FakeApiServer(watch_list=False) as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(30)
        asked = {(path, query.get("fieldSelector")) for method, path, query in server.requests if method == "GET"}
        expected = {
            (MUTATING.path(), "metadata.name=dgdr"),
            (VALIDATING.path(), "metadata.name=dgdr"),
            (DEFINITIONS.path(), f"metadata.name={CRD.name}"),
        }
        assert {request for request in asked if "secrets" not in request[0]} == expected
