import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dgdr_controller.runtime.tls import load_certificate, server_context

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def test_encrypted_key_is_refused_without_asking_for_a_password() -> None:
    encryption = serialization.BestAvailableEncryption(b"secret")
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, encryption)
    with pytest.raises((ssl.SSLError, ValueError)):
        load_certificate(server_context(), b"", key)


def test_no_file_is_left_where_the_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ssl.SSLError):
        load_certificate(server_context(), b"no certificate", b"no key")
    assert list(tmp_path.iterdir()) == []
