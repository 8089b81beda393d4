import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from dgdr_controller.admission.certificates import Lifetimes
from dgdr_controller.admission.certificates.rotation import Material, renewed

LONGEST = f"{'s' * 63}.{'n' * 63}.svc"


def made(*names: str) -> Material:
    return renewed(None, names, datetime.now(UTC), Lifetimes())


def context(material: Material, folder: Path) -> ssl.SSLContext:
    for name, content in (("tls.crt", material.certificate), ("tls.key", material.key)):
        (folder / name).write_bytes(content)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return server


@pytest.mark.parametrize("name", ["dgdr-webhook.dgdr-system.svc", LONGEST])
def test_openssl_accepts_them_when_it_is_strict(
    tmp_path: Path, handshake: Callable[..., x509.Certificate], name: str
) -> None:
    material = made("other.default.svc", name)
    shown = handshake(context(material, tmp_path), material.bundle, name)
    assert shown == x509.load_pem_x509_certificate(material.certificate)


def test_openssl_refuses_another_name_and_another_ca(
    tmp_path: Path, handshake: Callable[..., x509.Certificate]
) -> None:
    material = made("a.b.svc")
    server = context(material, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server, material.bundle, "c.d.svc")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(server, made("a.b.svc").bundle, "a.b.svc")


def test_each_may_do_only_what_it_is_for() -> None:
    material = made("a.b.svc")
    authority, serving = (x509.load_pem_x509_certificate(pem) for pem in (material.bundle, material.certificate))
    for certificate, is_authority in ((authority, True), (serving, False)):
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert usage.critical
        assert constraints.value.ca is is_authority
        assert usage.value.key_cert_sign is is_authority
        assert usage.value.digital_signature is not is_authority
    purposes = serving.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    signer = serving.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer == authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_certificates_have_serial_numbers_keys_and_ca_names_of_their_own() -> None:
    several = [made("a.b.svc") for _ in range(20)]
    certificates = [
        x509.load_pem_x509_certificate(pem) for material in several for pem in (material.bundle, material.certificate)
    ]
    assert len({certificate.serial_number for certificate in certificates}) == 40
    assert len({material.key for material in several} | {material.authority_key for material in several}) == 40
    assert len({certificate.issuer for certificate in certificates}) == 20
