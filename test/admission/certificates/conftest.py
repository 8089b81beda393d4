"""Clients that verify, the objects of an installation, and the time."""

import asyncio
import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from dgdr_controller.admission.certificates import Lifetimes, SelfManaged, ServingCertificates, Targets
from dgdr_controller.admission.certificates.injection import DEFINITIONS, MUTATING, VALIDATING
from dgdr_controller.admission.certificates.secret import SECRETS
from dgdr_controller.runtime import Key
from dgdr_controller.runtime.testing import FakeApiServer

NAME = "dgdr-webhook.dgdr-system.svc"
SECRET = Key("dgdr-system", "dgdr-webhook-certificates")
SERVICE = Key("dgdr-system", "dgdr-webhook")
CRD = "dynamographdeploymentrequests.nvidia.com"


class Accepts(Protocol):
    def __call__(self, bundle: bytes, certificate: bytes, at: datetime, name: str = NAME) -> bool: ...


@pytest.fixture(scope="session")
def start() -> datetime:
    return datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)


@pytest.fixture(scope="session")
def name() -> str:
    return NAME


@pytest.fixture(scope="session")
def short() -> Lifetimes:
    """A CA lives for five minutes."""
    seconds = {"authority": 300, "serving": 60, "overlap": 7, "backdating": 3}
    return Lifetimes(**{field: timedelta(seconds=value) for field, value in seconds.items()})


@pytest.fixture(scope="session")
def accepts() -> Accepts:
    """Say whether a client that trusts a bundle accepts a certificate, as the CA/Browser Forum wants it verified."""

    def check(bundle: bytes, certificate: bytes, at: datetime, name: str = NAME) -> bool:
        store = Store(x509.load_pem_x509_certificates(bundle))
        verifier = PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(name))
        try:
            verifier.verify(x509.load_pem_x509_certificate(certificate), [])
        except VerificationError:
            return False
        return True

    return check


@pytest.fixture(scope="session")
def handshake() -> Callable[..., x509.Certificate]:
    """Shake hands in memory; return the certificate that the client was shown, as it is verified now."""

    def shake(
        server: ssl.SSLContext, bundle: bytes | None, name: str | None = NAME, **settings: Any
    ) -> x509.Certificate:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = bundle is not None
        if bundle is None:
            client.verify_mode = ssl.CERT_NONE
        else:
            client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
            client.load_verify_locations(cadata=bundle.decode())
        if ciphers := settings.pop("ciphers", None):
            client.set_ciphers(ciphers)
        for setting, value in settings.items():
            setattr(client, setting, value)
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = client.wrap_bio(back, there, server_hostname=name)
        sides = (asking, server.wrap_bio(there, back, server_side=True))
        for side in sides * 3:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        shown = asking.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)

    return shake


def reached(service: Key = SERVICE) -> dict[str, Any]:
    return {"service": {"namespace": service.namespace, "name": service.name, "path": "/x", "port": 443}}


def configuration(*webhooks: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "dgdr"}, "webhooks": list(webhooks)}


def webhook(name: str, service: Key = SERVICE, **more: Any) -> dict[str, Any]:
    return {"name": name, "clientConfig": reached(service) | more, "sideEffects": "None", "timeoutSeconds": 10}


def definition() -> dict[str, Any]:
    webhook = {"clientConfig": reached(), "conversionReviewVersions": ["v1"]}
    spec = {
        "group": "nvidia.com",
        "conversion": {"strategy": "Webhook", "webhook": webhook},
        "versions": [{"name": "v1"}],
    }
    return {"metadata": {"name": CRD}, "spec": spec}


class Installation:
    """What ``kubectl apply -k config/webhook`` leaves on an API server."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        for resource in (SECRETS, MUTATING, VALIDATING, DEFINITIONS):
            server.serve(resource)
        server.put(SECRETS, {"metadata": {"namespace": SECRET.namespace, "name": SECRET.name}, "type": "Opaque"})
        server.put(MUTATING, configuration(webhook("defaults.nvidia.com")))
        server.put(VALIDATING, configuration(webhook("rules.nvidia.com"), webhook("more.nvidia.com")))
        server.put(DEFINITIONS, definition())

    @property
    def held(self) -> dict[str, bytes]:
        """What the Secret holds."""
        data = self.server.object(SECRETS, SECRET).get("data", {})
        return {name: base64.b64decode(value) for name, value in data.items()}

    @property
    def bundles(self) -> list[bytes]:
        """All that the API server trusts when it calls us; empty where it has nothing to trust."""
        configurations = [self.server.object(kind, Key("", "dgdr")) for kind in (MUTATING, VALIDATING)]
        clients = [webhook["clientConfig"] for found in configurations for webhook in found["webhooks"]]
        clients.append(self.server.object(DEFINITIONS, Key("", CRD))["spec"]["conversion"]["webhook"]["clientConfig"])
        return [base64.b64decode(client.get("caBundle", "")) for client in clients]

    def hold(self, **data: bytes) -> None:
        """Write into the Secret as somebody else would."""
        found = self.server.object(SECRETS, SECRET)
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        self.server.put(SECRETS, found | {"data": encoded})

    def replica(self, start: datetime, lifetimes: Lifetimes, **targets: str) -> ServingCertificates:
        """One that tells the time by this event loop."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        chosen = Targets(SERVICE, **({"mutating": "dgdr", "validating": "dgdr"} | targets))
        return ServingCertificates(
            SelfManaged(
                self.server.config,
                secret=SECRET,
                targets=chosen,
                lifetimes=lifetimes,
                clock=lambda: start + timedelta(seconds=loop.time() - begun),
            )
        )


@pytest.fixture(scope="session")
def installation() -> type[Installation]:
    return Installation
