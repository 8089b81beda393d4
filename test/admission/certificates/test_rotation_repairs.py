"""A Secret may hold anything: people edit it, copy it, restore half of it."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from dgdr_controller.admission.certificates import Lifetimes
from dgdr_controller.admission.certificates.rotation import Material, due, renewed

Accepts = Callable[..., bool]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = timedelta(days=30)
LIFETIMES = Lifetimes()
NAMES = ["dgdr-webhook.dgdr-system.svc", "dgdr-webhook.dgdr-system.svc.cluster.local"]


def made(at: datetime = NOW - OLD) -> Material:
    return renewed(None, NAMES, at, LIFETIMES)


def again(material: Material | None, at: datetime = NOW) -> Material:
    return renewed(material, NAMES, at, LIFETIMES)


def bundle(material: Material) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(material.bundle)


HELD, OTHER = made(), made()


@pytest.fixture
def healthy(accepts: Accepts) -> Callable[[Material], None]:
    def check(material: Material) -> None:
        for name in NAMES:
            assert accepts(material.bundle, material.certificate, NOW, name)
        assert again(material) is material
        assert due(material, LIFETIMES) > NOW

    return check


def test_healthy_material_is_left_alone(healthy: Callable[[Material], None]) -> None:
    healthy(HELD)
    assert again(Material(*(HELD.certificate, HELD.key, HELD.bundle, HELD.authority_key))) == HELD


@pytest.mark.parametrize("empty", [None, Material()])
def test_empty_secret_is_filled(healthy: Callable[[Material], None], empty: Material | None) -> None:
    filled = again(empty)
    healthy(filled)
    assert len(bundle(filled)) == 1


FOREIGN_CLIENT = renewed(None, ["other.default.svc"], NOW - OLD, LIFETIMES)
LOCKED = serialization.load_pem_private_key(HELD.key, None).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
)
BROKEN_PAIRS = {
    "no certificate": replace(HELD, certificate=b""),
    "no key": replace(HELD, key=b""),
    "garbage for a certificate": replace(HELD, certificate=b"garbage"),
    "garbage for a key": replace(HELD, key=b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "certificate that is cut off": replace(HELD, certificate=HELD.certificate[:-60]),
    "key with a password": replace(HELD, key=LOCKED),
    "key of another certificate": replace(HELD, key=OTHER.key),
    "certificate of another CA": replace(HELD, certificate=OTHER.certificate, key=OTHER.key),
    "the CA itself": replace(HELD, certificate=HELD.bundle, key=HELD.authority_key),
    "key and certificate exchanged": replace(HELD, certificate=HELD.key, key=HELD.certificate),
    "other names": renewed(HELD, ["other.default.svc"], NOW, LIFETIMES),
    "too few names": renewed(FOREIGN_CLIENT, NAMES[:1], NOW, LIFETIMES),
    "not valid yet": replace(HELD, **{field: getattr(renewed(replace(HELD, key=b""), NAMES, NOW + OLD, LIFETIMES), field) for field in ("certificate", "key")}),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN_PAIRS.values(), ids=BROKEN_PAIRS)
def test_broken_pair_is_replaced_and_nothing_else(healthy: Callable[[Material], None], broken: Material) -> None:
    mended = again(broken)
    healthy(mended)
    assert (mended.bundle, mended.authority_key) == (broken.bundle, broken.authority_key)
    assert mended.certificate != broken.certificate


def test_expired_pair_is_made_anew(accepts: Accepts) -> None:
    late = NOW - OLD + timedelta(days=400)
    mended = again(HELD, late)
    assert mended.bundle == HELD.bundle
    assert accepts(mended.bundle, mended.certificate, late)


KEYLESS = {
    "no key": replace(HELD, authority_key=b""),
    "garbage": replace(HELD, authority_key=b"garbage"),
    "key of another CA": replace(HELD, authority_key=OTHER.authority_key),
    "another CA after it": replace(HELD, bundle=HELD.bundle + OTHER.bundle),
}


@pytest.mark.parametrize("keyless", KEYLESS.values(), ids=KEYLESS)
def test_ca_without_its_key_gets_a_successor_in_good_order(
    healthy: Callable[[Material], None], accepts: Accepts, keyless: Material
) -> None:
    mended = again(keyless)
    healthy(mended)
    assert mended.bundle.startswith(keyless.bundle)
    assert (mended.certificate, mended.key) == (HELD.certificate, HELD.key), "clients do not know the new CA yet"
    later = again(mended, due(mended, LIFETIMES))
    assert due(mended, LIFETIMES) == NOW + LIFETIMES.overlap
    assert later.certificate != mended.certificate
    assert accepts(mended.bundle, later.certificate, NOW + LIFETIMES.overlap)


BROKEN_AUTHORITIES = {
    "no bundle": replace(HELD, bundle=b""),
    "garbage for a bundle": replace(HELD, bundle=b"garbage"),
    "bundle that is cut off": replace(HELD, bundle=HELD.bundle[:-60]),
    "bundle of somebody else": replace(HELD, bundle=OTHER.bundle),
    "bundle that is the serving certificate": replace(HELD, bundle=HELD.certificate, authority_key=HELD.key),
    "everything expired": made(NOW - timedelta(days=3700)),
    "CA of the future": made(NOW + timedelta(days=2)),
}


@pytest.mark.parametrize("broken", BROKEN_AUTHORITIES.values(), ids=BROKEN_AUTHORITIES)
def test_unusable_ca_has_everything_replaced(healthy: Callable[[Material], None], broken: Material) -> None:
    mended = again(broken)
    healthy(mended)
    assert mended.certificate != broken.certificate
    assert mended.authority_key != broken.authority_key


def test_pair_that_breaks_while_a_ca_is_new_is_made_anew_by_that(healthy: Callable[[Material], None]) -> None:
    both = again(KEYLESS["no key"])
    mended = again(replace(both, key=b""))
    healthy(mended)
    assert x509.load_pem_x509_certificate(mended.certificate).issuer == bundle(both)[-1].subject
    assert mended.bundle == both.bundle, "what other replicas serve with is still accepted"


def foreign(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, *, ca: bool) -> tuple[bytes, bytes]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody's own")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - OLD, NOW + timedelta(days=3000))
    constraints = x509.BasicConstraints(ca=ca, path_length=None)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        builder.add_extension(constraints, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), written


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
@pytest.mark.parametrize("ca", [True, False])
def test_keys_of_somebody_else_are_replaced_by_ours(
    healthy: Callable[[Material], None], key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, *, ca: bool
) -> None:
    certificate, written = foreign(key, ca=ca)
    healthy(again(Material(certificate, written, certificate, written)))


PARTS = [
    part
    for material in (HELD, OTHER, made(NOW - timedelta(days=3700)), again(KEYLESS["no key"]), FOREIGN_CLIENT)
    for part in (material.certificate, material.key, material.bundle, material.authority_key)
]


@st.composite
def _bytes(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(st.sampled_from([*PARTS, b"", b"garbage\n"]), max_size=3))
    whole = bytearray(b"".join(parts))
    for at in draw(st.lists(st.integers(0, max(0, len(whole) - 1)), max_size=2)):
        whole[at : at + 1] = draw(st.binary(max_size=2))
    return bytes(whole)


@settings(max_examples=300)
@given(st.builds(Material, _bytes(), _bytes(), _bytes(), _bytes()))
def test_outcome_is_healthy_whatever_is_held(accepts: Accepts, material: Material) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography warns of odd serial numbers before it refuses
        outcome = again(material)
    assert all(accepts(outcome.bundle, outcome.certificate, NOW, name) for name in NAMES)
    assert again(outcome) is outcome


def test_keys_are_not_shown() -> None:
    shown = repr(HELD)
    assert HELD.certificate.decode().splitlines()[1] in shown
    for key in (HELD.key, HELD.authority_key):
        assert key.decode().splitlines()[1] not in shown
