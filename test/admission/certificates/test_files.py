import asyncio
import logging
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dgdr_controller.admission.certificates import CertificateError, Files, Lifetimes, ServingCertificates
from dgdr_controller.admission.certificates.rotation import Material, renewed
from dgdr_controller.runtime import metrics
from dgdr_controller.runtime.testing import until, virtual_time

Handshake = Callable[..., x509.Certificate]
NAME = "dgdr-webhook.dgdr-system.svc"


def made() -> Material:
    return renewed(None, [NAME], datetime.now(UTC), Lifetimes())


def made_with_rsa() -> Material:
    key, name = rsa.generate_private_key(65537, 2048), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Material(certificate, written, certificate)


class Mounted:
    """A folder as the kubelet keeps it: files are links to a link that is swapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def write(self, **files: bytes) -> None:
        self.number += 1
        content = self.folder / f"..{self.number}"
        content.mkdir()
        for name, value in files.items():
            (content / name.replace("_", ".")).write_bytes(value)
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(content.name)
        fresh.rename(self.folder / "..data")
        for name in ("tls.crt", "tls.key", "ca.crt"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")

    def hold(self, material: Material) -> None:
        self.write(tls_crt=material.certificate, tls_key=material.key, ca_crt=material.bundle)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return Mounted(tmp_path)


@asynccontextmanager
async def started(mounted: Mounted) -> AsyncIterator[ServingCertificates]:
    certificates = ServingCertificates(Files(mounted.folder))
    await certificates.start()
    try:
        yield certificates
    finally:
        await certificates.stop()


def is_of(shown: x509.Certificate, material: Material) -> bool:
    return shown == x509.load_pem_x509_certificate(material.certificate)


@virtual_time
async def test_files_that_the_kubelet_swaps_are_served_within_seconds(mounted: Mounted, handshake: Handshake) -> None:
    mounted.hold(first := made())
    async with started(mounted) as certificates:
        assert is_of(handshake(certificates.context, first.bundle), first)
        for _ in range(3):
            mounted.hold(following := made())
            await asyncio.sleep(3)
            assert is_of(handshake(certificates.context, following.bundle), following)
        ends = x509.load_pem_x509_certificate(following.certificate).not_valid_after_utc
        told = metrics.registry.get_sample_value(
            "dgdr_webhook_certificate_expiry_timestamp_seconds", {"certificate": "serving"}
        )
        assert told == ends.timestamp()


@virtual_time
async def test_old_kind_of_key_is_not_served_any_more(mounted: Mounted, handshake: Handshake) -> None:
    """Replaced in one context, the RSA certificate would go on being served to whoever prefers it, until it expires."""
    mounted.hold(old := made_with_rsa())
    older = {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}
    async with started(mounted) as certificates:
        assert is_of(handshake(certificates.context, None, **older), old)
        mounted.hold(new := made())
        await asyncio.sleep(3)
        assert is_of(handshake(certificates.context, new.bundle), new)
        with pytest.raises(ssl.SSLError):
            handshake(certificates.context, None, **older)


@virtual_time
async def test_client_that_sends_no_server_name_is_served(mounted: Mounted, handshake: Handshake) -> None:
    mounted.hold(made())
    async with started(mounted) as certificates:
        mounted.hold(new := made())
        await asyncio.sleep(3)
        assert is_of(handshake(certificates.context, None, name=None), new)


@virtual_time
async def test_older_protocols_are_refused(mounted: Mounted) -> None:
    mounted.hold(made())
    async with started(mounted) as certificates:
        assert certificates.context.minimum_version is ssl.TLSVersion.TLSv1_2


GOOD = made()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tls_crt": GOOD.certificate}, r"tls\.key: No such file"),
        ({"tls_key": GOOD.key}, r"tls\.crt: No such file"),
        ({"tls_crt": GOOD.certificate, "tls_key": made().key}, "cannot be used"),
        ({"tls_crt": b"garbage", "tls_key": GOOD.key}, "no certificate"),
        ({"tls_crt": GOOD.certificate, "tls_key": b""}, "cannot be used"),
    ],
)
@virtual_time
async def test_files_that_cannot_be_used_say_why(
    mounted: Mounted, handshake: Handshake, caplog: pytest.LogCaptureFixture, files: dict[str, bytes], said: str
) -> None:
    mounted.write(**files)
    with pytest.raises(CertificateError, match=said):
        await ServingCertificates(Files(mounted.folder)).start()
    # and while one serves, what it serves with stays
    mounted.hold(GOOD)
    async with started(mounted) as certificates:
        mounted.write(**files)
        await asyncio.sleep(60)
        assert is_of(handshake(certificates.context, GOOD.bundle), GOOD)
        assert "in use stays" in caplog.text
        mounted.hold(new := made())
        await until(lambda: is_of(handshake(certificates.context, None), new), 60)


@virtual_time
async def test_key_with_a_password_is_not_asked_for_on_the_terminal(mounted: Mounted) -> None:
    key = serialization.load_pem_private_key(GOOD.key, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    mounted.write(tls_crt=GOOD.certificate, tls_key=locked)
    with pytest.raises(CertificateError, match="cannot be used"):
        await ServingCertificates(Files(mounted.folder)).start()


@virtual_time
async def test_ca_file_is_not_needed(mounted: Mounted, handshake: Handshake) -> None:
    for authorities in ({}, {"ca_crt": b""}, {"ca_crt": b"garbage"}):
        mounted.write(tls_crt=GOOD.certificate, tls_key=GOOD.key, **authorities)
        async with started(mounted) as certificates:
            assert is_of(handshake(certificates.context, GOOD.bundle), GOOD)


@virtual_time
async def test_keys_are_on_disk_only_while_they_are_loaded_and_for_nobody_else(
    mounted: Mounted,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    folder, seen = tmp_path_factory.mktemp("tmp"), []
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, path: Path, **options: str) -> None:
        seen.append((stat.S_IMODE(path.parent.stat().st_mode), stat.S_IMODE(path.stat().st_mode)))
        assert path.is_relative_to(folder)
        load(context, path, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    mounted.hold(GOOD)
    async with started(mounted):
        mounted.write(tls_crt=GOOD.certificate, tls_key=made().key)
        await asyncio.sleep(10)
    assert set(seen) == {(0o700, 0o600)}
    assert len(seen) > 1
    assert list(folder.iterdir()) == []
    assert GOOD.key.decode().splitlines()[1] not in caplog.text
