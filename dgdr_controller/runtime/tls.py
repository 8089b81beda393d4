"""TLS contexts, and certificates that are in memory: Python's ssl module reads them from files alone."""

import ssl
import tempfile
from pathlib import Path


def server_context() -> ssl.SSLContext:
    """Return the TLS of a server (1.2 or later), without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have a context present a certificate; its key is on disk only meanwhile, where nobody else may read it.

    Args:
        context: Of a server or a client.
        certificate: PEM, with those of the CAs in between.
        key: PEM, not encrypted.

    Raises:
        ssl.SSLError: They are not PEM, or do not belong together.
        ValueError: The key is encrypted.
    """
    with tempfile.TemporaryDirectory(prefix="dgdr-") as folder:
        path = Path(folder) / "tls.pem"
        path.touch(mode=0o600)
        path.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(path, password="")  # else OpenSSL asks for one on the terminal
