import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509

from dgdr_controller.admission.certificates import Lifetimes, SecretError, ServingCertificates
from dgdr_controller.admission.certificates.rotation import renewed
from dgdr_controller.admission.certificates.secret import SECRETS
from dgdr_controller.runtime import ApiError, Key, UnreachableError, metrics
from dgdr_controller.runtime.testing import FakeApiServer, Fault, until, virtual_time

Handshake = Callable[..., x509.Certificate]
SECRET = Key("dgdr-system", "dgdr-webhook-certificates")
LIFETIMES = Lifetimes()


@asynccontextmanager
async def started(*replicas: ServingCertificates) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.push_async_callback(replica.stop)
        await asyncio.gather(*(replica.start() for replica in replicas))
        yield


def of_secret(request: web.Request) -> bool:
    return "/secrets/" in request.path


def served(handshake: Handshake, replica: ServingCertificates) -> x509.Certificate:
    return handshake(replica.context, None)


@virtual_time
async def test_empty_secret_is_filled_and_trusted_before_anything_is_served(
    installation: Any, start: datetime, handshake: Handshake
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        replica = it.replica(start, LIFETIMES)
        async with started(replica):
            held = it.held
            assert set(held) == {"tls.crt", "tls.key", "ca.crt", "ca.key"}
            assert set(it.bundles) == {held["ca.crt"]}
            assert served(handshake, replica) == x509.load_pem_x509_certificate(held["tls.crt"])


@pytest.mark.parametrize("number", [2, 5])
@virtual_time
async def test_replicas_that_start_at_once_agree_on_the_certificate_of_one(
    installation: Any, start: datetime, handshake: Handshake, number: int
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.faults.append(Fault(of_secret, hang=1.0, times=number))  # all have read before one of them writes
        replicas = [it.replica(start, LIFETIMES) for _ in range(number)]
        async with started(*replicas):
            writes = [path for _, path, _ in server.writes if "/secrets/" in path]
            assert len(writes) == 1
            attempts = [method for method, path, _ in server.requests if "/secrets/" in path and method == "PATCH"]
            assert len(attempts) == number, "the test is to show a race"
            expected = x509.load_pem_x509_certificate(it.held["tls.crt"])
            assert {served(handshake, replica) for replica in replicas} == {expected}
            assert set(it.bundles) == {it.held["ca.crt"]}


@virtual_time
async def test_renewal_by_one_replica_is_taken_up_by_all_within_an_overlap(
    installation: Any, start: datetime, short: Lifetimes, handshake: Handshake
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        replicas = [it.replica(start, short) for _ in range(3)]
        seen: set[x509.Certificate] = set()
        async with started(*replicas):
            for _ in range(80):  # two lives of a CA
                before = it.held["tls.crt"]
                await asyncio.sleep(short.overlap.total_seconds())
                if before == it.held["tls.crt"]:
                    shown = {served(handshake, replica) for replica in replicas}
                    assert shown == {x509.load_pem_x509_certificate(before)}
                    seen |= shown
                    assert set(it.bundles) == {it.held["ca.crt"]}
        assert len(seen) > 8
        assert len({certificate.issuer for certificate in seen}) >= 3


@virtual_time
async def test_secret_needs_get_and_patch_alone(installation: Any, start: datetime, short: Lifetimes) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, short), it.replica(start, short)):
            await asyncio.sleep(250)
        asked = [(method, path) for method, path, _ in server.requests if "secrets" in path]
        assert set(asked) == {(method, SECRETS.path(*SECRET)) for method in ("GET", "PATCH")}


@virtual_time
async def test_renewal_happens_when_it_is_due(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        aged = LIFETIMES.serving * 2 / 3 - timedelta(seconds=45)
        it.hold(**_material(start - aged, LIFETIMES))
        before = it.held
        begun = asyncio.get_running_loop().time()
        async with started(it.replica(start, LIFETIMES)):
            await until(lambda: it.held != before, 60)
            assert 45 <= asyncio.get_running_loop().time() - begun < 47


@virtual_time
async def test_secret_is_read_every_half_minute_and_nothing_else(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, LIFETIMES)):
            await asyncio.sleep(60)
            server.requests.clear()
            server.writes.clear()
            await asyncio.sleep(3600)
            others = [query for _, path, query in server.requests if "secrets" not in path]
            assert len(server.requests) - len(others) in range(115, 125)
            assert all(query["watch"] == "true" for query in others)
            assert server.writes == []


@virtual_time
async def test_secret_that_somebody_emptied_is_filled_again_and_trusted_before_it_is_served(
    installation: Any, start: datetime, handshake: Handshake
) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        replica = it.replica(start, LIFETIMES)
        async with started(replica):
            before = it.held
            it.hold()
            server.faults.append(Fault(lambda request: request.path.endswith("/dgdr"), hang=5.0))
            await until(lambda: it.held, 60)
            await asyncio.sleep(2)
            assert served(handshake, replica) == x509.load_pem_x509_certificate(before["tls.crt"])
            await asyncio.sleep(5)
            assert served(handshake, replica) == x509.load_pem_x509_certificate(it.held["tls.crt"])
            assert set(it.bundles) == {it.held["ca.crt"]}
            assert it.held["ca.crt"] != before["ca.crt"]


@virtual_time
async def test_secret_keeps_what_else_it_holds(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        it.hold(note=b"mine")
        async with started(it.replica(start, LIFETIMES)):
            assert it.held["note"] == b"mine"
            assert server.object(SECRETS, SECRET)["type"] == "Opaque"


@virtual_time
async def test_missing_secret_says_how_to_get_it(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.remove(SECRETS, SECRET)
        with pytest.raises(SecretError, match=r"dgdr-system/dgdr-webhook-certificates is missing.*config/webhook"):
            await it.replica(start, LIFETIMES).start()
        assert [method for method, path, _ in server.requests if "secrets" in path] == ["GET"]


@pytest.mark.parametrize("verb", ["GET", "PATCH"])
@virtual_time
async def test_missing_right_is_named(installation: Any, start: datetime, verb: str) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.faults.append(Fault(lambda request: of_secret(request) and request.method == verb, 403, times=99))
        with pytest.raises(
            SecretError, match=f"no right to {verb.lower()} Secret dgdr-system/dgdr-webhook-certificates"
        ):
            await it.replica(start, LIFETIMES).start()


@virtual_time
async def test_api_server_that_comes_back_within_a_minute_is_waited_for(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.faults.append(Fault(of_secret, 503, times=8))
        async with started(it.replica(start, LIFETIMES)):
            assert it.held


@virtual_time
async def test_api_server_that_does_not_come_back_ends_the_start(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.faults.append(Fault(lambda _: True, cut=True, times=10_000))
        begun = asyncio.get_running_loop().time()
        with pytest.raises(UnreachableError):
            await it.replica(start, LIFETIMES).start()
        assert 30 < asyncio.get_running_loop().time() - begun < 120
        left = [task.get_name() for task in asyncio.all_tasks() if "bundle" in task.get_name()]
        assert left == []


@virtual_time
async def test_faults_of_the_api_server_leave_the_certificate_in_use(
    installation: Any, start: datetime, short: Lifetimes, handshake: Handshake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeApiServer() as server:
        it = installation(server)
        replica = it.replica(start, short)
        async with started(replica):
            for fault in (Fault(lambda _: True, 500), Fault(lambda _: True, cut=True), Fault(of_secret, 403)):
                before = it.held
                fault.times = 10_000
                server.faults.append(fault)
                server.drop_watches()
                server.requests.clear()
                await asyncio.sleep(30)  # in this time the certificate would be renewed
                assert it.held == before
                assert served(handshake, replica) == x509.load_pem_x509_certificate(before["tls.crt"])
                assert len(server.requests) < 150, "no storm"
                server.faults.clear()
                await until(lambda: it.held != before, 120)  # noqa: B023 - called in this round
            before, kept = it.held, server.object(SECRETS, SECRET)
            server.remove(SECRETS, SECRET)
            await asyncio.sleep(60)
            assert served(handshake, replica) == x509.load_pem_x509_certificate(before["tls.crt"])
            server.put(SECRETS, kept)
            await until(lambda: it.held["tls.crt"] != before["tls.crt"], 60)
        said = [record.getMessage() for record in caplog.records if "in use stays" in record.getMessage()]
        assert any("no right to get Secret" in message for message in said)
        assert any("is missing. It comes empty with config/webhook" in message for message in said)


@virtual_time
async def test_refusal_at_the_start_is_not_tried_for_a_minute(installation: Any, start: datetime) -> None:
    async with FakeApiServer() as server:
        it = installation(server)
        server.faults.append(Fault(of_secret, 400, times=99))
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ApiError):
            await it.replica(start, LIFETIMES).start()
        assert asyncio.get_running_loop().time() - begun < 1


@virtual_time
async def test_keys_are_never_logged(
    installation: Any, start: datetime, short: Lifetimes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys: set[str] = set()
    async with FakeApiServer() as server:
        it = installation(server)
        async with started(it.replica(start, short)):
            for _ in range(40):
                await asyncio.sleep(10)
                keys |= {it.held[name].decode().splitlines()[1] for name in ("tls.key", "ca.key")}
            it.hold(**(it.held | {"tls.key": b"garbage"}))
            await asyncio.sleep(10)
    assert len(keys) > 10
    assert not [key for key in keys if key in caplog.text]
    assert "garbage" not in caplog.text
    assert "Serving with a certificate" in caplog.text


@virtual_time
async def test_prometheus_is_told_when_certificates_end_and_how_often_they_were_replaced(
    installation: Any, start: datetime, short: Lifetimes
) -> None:
    def value(name: str, which: str) -> float:
        return metrics.registry.get_sample_value(f"dgdr_webhook_certificate_{name}", {"certificate": which}) or 0.0

    async with FakeApiServer() as server:
        it = installation(server)
        it.hold(**_material(start, short))
        before = {which: value("rotations_total", which) for which in ("serving", "ca")}
        async with started(it.replica(start, short)):
            for which, name in (("serving", "tls.crt"), ("ca", "ca.crt")):
                ends = x509.load_pem_x509_certificates(it.held[name])[-1].not_valid_after_utc
                assert value("expiry_timestamp_seconds", which) == ends.timestamp()
                assert value("rotations_total", which) == before[which]
            await asyncio.sleep(205)
            assert value("expiry_timestamp_seconds", "ca") > (start + timedelta(seconds=500)).timestamp()
            assert value("rotations_total", "ca") - before["ca"] == 1
            assert value("rotations_total", "serving") - before["serving"] in (4, 5, 6)


def _material(start: datetime, lifetimes: Lifetimes) -> dict[str, bytes]:
    made = renewed(
        None, [f"dgdr-webhook.dgdr-system.svc{suffix}" for suffix in ("", ".cluster.local")], start, lifetimes
    )
    values = (made.certificate, made.key, made.bundle, made.authority_key)
    return dict(zip(("tls.crt", "tls.key", "ca.crt", "ca.key"), values, strict=True))
