"""The TLS context of the webhook server, in which the certificate is always a good one: the server never restarts."""

import asyncio
import contextvars
import ssl
from typing import Protocol

from cryptography import x509

from dgdr_controller.admission.certificates import metrics
from dgdr_controller.admission.certificates.credential import dns_names, read_certificates
from dgdr_controller.admission.certificates.errors import CertificateError, UnreadableError
from dgdr_controller.admission.certificates.rotation import Material
from dgdr_controller.runtime import RequestError, RuntimeFault
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.reflector_state import Backoff, Pause
from dgdr_controller.runtime.tls import load_certificate, server_context

log = get_logger(__name__)
_START_S = 60.0
"""How long the first certificate is waited for: after that the process should end, and say why."""


class Source(Protocol):
    """Where certificates come from."""

    async def open(self) -> None:
        """Prepare."""

    async def close(self) -> None:
        """End what ``open`` began."""

    async def current(self) -> Material:
        """Return what to serve with from now on.

        Raises:
            CertificateError: There is nothing to serve with.
            RuntimeFault: The API server says no, or does not answer.
        """

    async def changed(self) -> None:
        """Return when ``current`` may return something else than the last time."""


class ServingCertificates:
    """Serves every new connection with the newest certificate; connections that are open stay as they are.

    It starts before the server that uses it and stops after it, as ``Manager.add_server`` has it.

    Args:
        source: Where certificates come from: `SelfManaged` or `Files`.

    Attributes:
        context: For the server (TLS 1.2 or later); without a certificate until ``start`` has returned.
    """

    def __init__(self, source: Source) -> None:
        self.context = self._newest = server_context()
        self.context.sni_callback = self._use_latest
        self._source = source
        self._loaded = Material()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load a certificate, and keep it good from then on; return when it is loaded.

        Raises:
            CertificateError: There is none, and none can be made; the message says what to do.
            RequestError: The API server refuses, or has not answered for a minute.
        """
        await self._source.open()
        try:
            self._take(await self._first())
        except BaseException:
            await self._source.close()
            raise
        self._keeping = asyncio.create_task(self._keep(), name="serving certificate", context=contextvars.Context())

    async def stop(self) -> None:
        """Look after the certificate no more; the context can still be used."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
            self._keeping = None
            await self._source.close()

    async def _first(self) -> Material:
        clock = asyncio.get_running_loop().time
        backoff, last = Backoff(clock), clock() + _START_S
        while True:
            try:
                return await self._source.current()
            except RequestError as error:
                pause = backoff.seconds(Pause.BACKOFF)
                if not error.transient or clock() + pause > last:
                    raise
                log.warning("No serving certificate yet", error=error)
            await asyncio.sleep(pause)

    async def _keep(self) -> None:
        """Replace the certificate when there is another one; no fault ends this."""
        backoff = Backoff(asyncio.get_running_loop().time)
        good = True
        while True:
            try:
                if good:
                    await self._source.changed()
                good = False
                self._take(await self._source.current())
                good = True
                continue
            except (CertificateError, RuntimeFault) as error:
                log.warning("Cannot read the new certificate; the one in use stays", error=error)
            except Exception:  # else the certificate would expire months later, and nobody would know why
                log.exception("Cannot read the new certificate; the one in use stays")
            await asyncio.sleep(backoff.seconds(Pause.BACKOFF))

    def _take(self, material: Material) -> None:
        """Serve with a certificate from now on.

        Raises:
            CertificateError: TLS does not take it; the one in use stays.
        """
        last = self._loaded
        if (material.certificate, material.key) != (last.certificate, last.key):
            serving = read_certificates(material.certificate)[0]
            self._newest = _loaded(material)
            names, ends = ", ".join(sorted(dns_names(serving))), serving.not_valid_after_utc
            log.info("Serving with a certificate", serial=f"{serving.serial_number:x}", names=names, until=str(ends))
            _tell("serving", serving, again=bool(last.certificate))
        if material.bundle != last.bundle and (authority := _newest_authority(material)):
            before = _newest_authority(last)
            _tell("ca", authority, again=before is not None and before != authority)
        self._loaded = material

    def _use_latest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Let a connection that begins go on with the newest certificate; called with or without a name in SNI.

        Certificates are not replaced in one context: OpenSSL keeps one of each kind of key, and would go on serving
        an old RSA certificate beside a new one of an elliptic curve, to clients that prefer RSA as Go's do.
        """
        connection.context = self._newest


def _loaded(material: Material) -> ssl.SSLContext:
    context = server_context()
    try:
        load_certificate(context, material.certificate, material.key)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"the certificate and its key cannot be used: {error}") from error
    return context


def _newest_authority(material: Material) -> x509.Certificate | None:
    try:
        return read_certificates(material.bundle)[-1]
    except UnreadableError:
        return None  # with files, CAs are the business of whoever writes them


def _tell(which: str, certificate: x509.Certificate, *, again: bool) -> None:
    metrics.expiry.labels(which).set(certificate.not_valid_after_utc.timestamp())
    metrics.rotations.labels(which).inc(1 if again else 0)
