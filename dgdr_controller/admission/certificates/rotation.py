"""What becomes of CA and serving certificate as time passes: pure, from what is held to what should be held.

```
bundle   serving certificate by   what comes next
────────────────────────────────────────────────────────────────────────────────────────────
A        A                        when a third of A's life is left: B is made and published
A B      A                        after an overlap: a serving certificate by B
A B      B                        after another overlap: A is dropped
B        B                        as with A
```
Whenever a third of its own life is left, the serving certificate is issued anew by the newest CA, if that has signed
the one before; and at once if it is no good. So who verifies may learn of everything late by an overlap and accepts
what is served; and a replica that is late by an overlap serves what is still accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dgdr_controller.admission.certificates.credential import (
    Credential,
    dns_names,
    is_authority,
    read_certificates,
    signed_by,
    write_certificates,
)
from dgdr_controller.admission.certificates.errors import UnreadableError
from dgdr_controller.admission.certificates.issuing import issue, new_authority
from dgdr_controller.admission.certificates.lifetimes import Lifetimes

Authorities = tuple[x509.Certificate, ...]
"""CAs, the newest one last."""


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and keys as they are kept: PEM; what is missing is empty.

    Attributes:
        certificate: The serving certificate (``tls.crt``).
        key: Its private key (``tls.key``).
        bundle: The CAs that clients are to trust, the newest one last (``ca.crt``).
        authority_key: The newest CA's private key (``ca.key``); those before it sign nothing any more.
    """

    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    bundle: bytes = b""
    authority_key: bytes = field(default=b"", repr=False)


def renewed(material: Material | None, names: Sequence[str], now: datetime, lifetimes: Lifetimes) -> Material:
    """Return what should be held now: the same object when nothing is due.

    What is missing, unreadable, expired, or does not belong together is made anew, and nothing else: a CA whose key is
    lost gets a successor as one that grows old does, while the serving certificate that it has signed stays in use.

    Args:
        material: What is held; None: nothing.
        names: DNS names that the serving certificate must be for.
        now: The time.
        lifetimes: How long what is made lives.
    """
    held = material or Material()
    authorities = _authorities(held, now)
    signer = _signer(held, authorities, now)
    pair = _pair(held, authorities, names, now)
    if signer is None:
        signer = new_authority(now, lifetimes)
        authorities = (*authorities, signer.certificate)
    if pair is None or now >= _reissue(pair, authorities, lifetimes):
        pair = issue(names, signer, now, lifetimes)
    if signed_by(pair.certificate, authorities[-1]):
        if now >= lifetimes.renewal(authorities[-1]):
            signer = new_authority(now, lifetimes)
            authorities = (*authorities, signer.certificate)
        elif now >= lifetimes.made(pair.certificate) + lifetimes.overlap:
            authorities = authorities[-1:]
    wanted = Material(pair.certificate_pem, pair.key_pem, write_certificates(authorities), signer.key_pem)
    return material if material == wanted else wanted


def due(material: Material, lifetimes: Lifetimes) -> datetime:
    """Return when `renewed` will next have something to do with what it has returned.

    Raises:
        UnreadableError: It has not returned this.
    """
    pair, authorities = Credential.read(material.certificate, material.key), read_certificates(material.bundle)
    moments = [_reissue(pair, authorities, lifetimes), *(authority.not_valid_after_utc for authority in authorities)]
    if signed_by(pair.certificate, authorities[-1]):
        moments.append(lifetimes.renewal(authorities[-1]))
        if len(authorities) > 1:
            moments.append(lifetimes.made(pair.certificate) + lifetimes.overlap)
    return min(moments)


def _reissue(pair: Credential, authorities: Authorities, lifetimes: Lifetimes) -> datetime:
    """Return when a healthy serving certificate is followed by another one."""
    certificate, newest = pair.certificate, authorities[-1]
    if signed_by(certificate, newest):
        return lifetimes.renewal(certificate)
    return min(lifetimes.made(newest) + lifetimes.overlap, certificate.not_valid_after_utc)


def _authorities(material: Material, now: datetime) -> Authorities:
    """Return the CAs of the bundle that have not expired."""
    try:
        found = read_certificates(material.bundle)
    except UnreadableError:
        return ()
    return tuple(
        certificate for certificate in found if is_authority(certificate) and now < certificate.not_valid_after_utc
    )


def _signer(material: Material, authorities: Authorities, now: datetime) -> Credential | None:
    """Return the newest CA with its key, if it can sign."""
    try:
        signer = Credential.read(write_certificates(authorities[-1:]), material.authority_key)
    except UnreadableError:
        return None
    signs = isinstance(signer.key, ec.EllipticCurvePrivateKey) and signer.certificate.not_valid_before_utc <= now
    return signer if signs else None


def _pair(material: Material, authorities: Authorities, names: Sequence[str], now: datetime) -> Credential | None:
    """Return the serving certificate with its key, if clients that trust the bundle accept it."""
    try:
        pair = Credential.read(material.certificate, material.key)
    except UnreadableError:
        return None
    certificate = pair.certificate
    valid = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
    accepted = valid and dns_names(certificate).issuperset(names)
    return pair if accepted and any(signed_by(certificate, authority) for authority in authorities) else None
