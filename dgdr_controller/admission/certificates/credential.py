"""A certificate with its private key: read from PEM and written as PEM."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from dgdr_controller.admission.certificates.errors import UnreadableError

_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for bytes that are not what they should be; a key with a password is a TypeError."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key, each also as the PEM that it was read from or is to be written as.

    Attributes:
        certificate: Who holds it; of a chain the first one.
        key: Its private key.
        certificate_pem: The certificate, or the chain.
        key_pem: The key.
    """

    certificate: x509.Certificate
    key: PrivateKeyTypes = field(repr=False)
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def read(cls, certificate_pem: bytes, key_pem: bytes) -> "Credential":
        """Read both.

        Raises:
            UnreadableError: One is missing or no PEM, or the key is another certificate's.
        """
        certificate = read_certificates(certificate_pem)[0]
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
            matches = key.public_key() == certificate.public_key()
        except _ERRORS as error:
            raise UnreadableError("no private key that can be read") from error
        if not matches:
            raise UnreadableError("the private key is not the certificate's")
        return cls(certificate, key, certificate_pem, key_pem)


def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file, at least one.

    Raises:
        UnreadableError: There is none, or one that cannot be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except _ERRORS as error:
        raise UnreadableError("no certificate that can be read") from error


def write_certificates(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return certificates as PEM, in this order."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except _ERRORS:
        return False


def dns_names(certificate: x509.Certificate) -> frozenset[str]:
    """Return the DNS names that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(names.get_values_for_type(x509.DNSName))
    except _ERRORS:
        return frozenset()


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Say whether an authority has signed a certificate; whether either is valid now is another question."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *_ERRORS):
        return False
    return True
