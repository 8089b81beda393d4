"""Who may read metrics: the API server is asked, as controller-runtime and kube-rbac-proxy do.

A scraper sends the token of its ServiceAccount. A TokenReview says whose it is, a SubjectAccessReview whether they may
get the path. TLS is by a certificate that is made at the start and that nobody can verify: it keeps the token from
being read on the way.
"""

import datetime as dt
import hashlib
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.errors import RequestError
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.tls import load_certificate, server_context
from dgdr_controller.runtime.transport import Request, Transport

log = get_logger(__name__)

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_ALLOWED_S, _DENIED_S = 60.0, 10.0
"""How long an answer holds."""
_MOST_ANSWERS = 256
_BEARER = "bearer "
_TIMEOUT_S = 5.0
_VALID = dt.timedelta(days=3650)


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _Status(msgspec.Struct):
    authenticated: bool = False
    allowed: bool = False
    user: _User = msgspec.field(default_factory=_User)


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class MetricsAuthorizer:
    """Says who may read a path. Belongs to one event loop.

    Args:
        config: The API server.
        now: Monotonic time in seconds.
    """

    def __init__(self, config: Config, now: Callable[[], float] = time.monotonic) -> None:
        self._config, self._now = config, now
        self._transport: Transport | None = None
        self._answers: dict[tuple[bytes, str], tuple[HTTPStatus, float]] = {}

    async def judge(self, authorization: str, path: str) -> HTTPStatus:
        """Return 200, or why the path may not be read: 401, 403, or 503 where the API server does not answer.

        Args:
            authorization: The header of this name; empty: there is none.
            path: The path that is asked for.
        """
        if not authorization.lower().startswith(_BEARER):
            return HTTPStatus.UNAUTHORIZED
        token = authorization[len(_BEARER) :].strip()
        key = (hashlib.sha256(token.encode()).digest(), path)
        known = self._answers.get(key)
        if known is not None and self._now() < known[1]:
            return known[0]
        try:
            answer = await self._ask(token, path)
        except RequestError as error:
            log.warning("Cannot check who reads metrics; RBAC must grant to create tokenreviews", error=error)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[key] = answer, self._now() + (_ALLOWED_S if answer is HTTPStatus.OK else _DENIED_S)
        return answer

    async def close(self) -> None:
        """Close connections."""
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def _ask(self, token: str, path: str) -> HTTPStatus:
        found = await self._review(_TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
        if not found.authenticated:
            return HTTPStatus.UNAUTHORIZED
        user = found.user
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        access = await self._review(_ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", spec)
        return HTTPStatus.OK if access.allowed else HTTPStatus.FORBIDDEN

    async def _review(self, path: str, version: str, kind: str, spec: dict[str, Any]) -> _Status:
        if self._transport is None:
            self._transport = Transport(self._config, timeout=_TIMEOUT_S, attempts=1)
        body = msgspec.json.encode({"apiVersion": version, "kind": kind, "spec": spec})
        return msgspec.json.decode(await self._transport.send(Request("POST", path, {}, body)), type=_Review).status


def self_signed(name: str) -> ssl.SSLContext:
    """Return a server's TLS with a new certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = server_context()
    load_certificate(context, certificate.public_bytes(pem), private)
    return context
