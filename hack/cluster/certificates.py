"""The cluster's own certificate authority and what it signs: nothing in the cluster skips verification."""

import base64
import datetime as dt
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate is for.

    Attributes:
        file: Base name of its files.
        common_name: The user, in Kubernetes' eyes.
        organization: The group, in Kubernetes' eyes.
        hosts: Names and addresses under which it serves; empty for a client.
    """

    file: str
    common_name: str
    organization: str = ""
    hosts: tuple[str, ...] = ()


def make(folder: Path, identities: tuple[Identity, ...]) -> None:
    """Write a new authority, a certificate for each identity, and the key that signs service account tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dgdr local cluster")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    authority = (
        _builder(name, name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for identity in identities:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _leaf(identity, key, name).sign(authority_key, hashes.SHA256())
        (folder / f"{identity.file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(folder / f"{identity.file}.key", key)
    signer = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "service-accounts.key", signer)
    public = signer.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "service-accounts.pub").write_bytes(public)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _leaf(identity: Identity, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)]
    if identity.organization:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.organization))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if identity.hosts else [])]
    builder = _builder(x509.Name(subject), issuer, key).add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if identity.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in identity.hosts])
        builder = builder.add_extension(names, critical=False)
    return builder


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def kubeconfig(folder: Path, identity: Identity, server: str, cluster: str) -> str:
    """Return a kubeconfig of an identity with everything in it."""

    def content(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    authority = {"server": server, "certificate-authority-data": content("ca.crt")}
    user = {
        "client-certificate-data": content(f"{identity.file}.crt"),
        "client-key-data": content(f"{identity.file}.key"),
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": cluster,
            "clusters": [{"name": cluster, "cluster": authority}],
            "users": [{"name": identity.common_name, "user": user}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": identity.common_name}}],
        },
        indent=1,
    )
