"""Makes CAs and serving certificates (RFC 5280): P-256 keys, random serial numbers, identifiers of subject and issuer.

The common names are for people who look at a certificate; clients verify the alternative names only, and a name of a
Service is longer than the 64 characters that a common name may have.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dgdr_controller.admission.certificates.credential import Credential, write_certificates
from dgdr_controller.admission.certificates.lifetimes import Lifetimes

_SERVING = "dgdr-controller webhook"


def new_authority(now: datetime, lifetimes: Lifetimes) -> Credential:
    """Make a CA that signs itself."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), x509.random_serial_number()
    name = _name(f"{_SERVING} CA {f'{serial:040x}'[:8]}")  # of two CAs with the same name some clients try only one
    begins = lifetimes.begins(now)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(begins)
        .not_valid_after(begins + lifetimes.backdating + lifetimes.authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _credential(certificate, key)


def issue(names: Sequence[str], authority: Credential, now: datetime, lifetimes: Lifetimes) -> Credential:
    """Make a serving certificate for DNS names; it ends with its authority at the latest.

    Raises:
        TypeError: The authority's key is not of an elliptic curve.
    """
    if not isinstance(authority.key, ec.EllipticCurvePrivateKey):
        raise TypeError("only authorities with keys of elliptic curves sign here")
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, begins = authority.certificate, lifetimes.begins(now)
    ends = min(begins + lifetimes.backdating + lifetimes.serving, issuer.not_valid_after_utc)
    certificate = (
        x509.CertificateBuilder(issuer.subject, _name(_SERVING), key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_identifier(issuer, authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _credential(certificate, key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _identifier(issuer: x509.Certificate, key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    """Return what names the issuer's key as the issuer does: one that is not ours may not take the key's SHA-1."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _credential(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credential:
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credential(certificate, key, write_certificates([certificate]), key_pem)
