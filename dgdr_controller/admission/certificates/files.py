"""Certificates in files that somebody else renews: cert-manager's Secret, mounted by the kubelet."""

import asyncio
from pathlib import Path

from dgdr_controller.admission.certificates.errors import CertificateError
from dgdr_controller.admission.certificates.rotation import Material


class Files:
    """A folder with ``tls.crt`` and ``tls.key``, and perhaps ``ca.crt``.

    Nothing is injected: cert-manager's CA injector does that.

    Args:
        folder: The mounted Secret. The kubelet replaces what is in it by swapping a symbolic link, which no watch of a
            file notices; so the files are read again, which costs nothing: they are small and in memory.
        every: Seconds between two looks.
    """

    def __init__(self, folder: Path, *, every: float = 2.0) -> None:
        self._folder = folder
        self._every = every
        self._last = Material()

    async def open(self) -> None:
        """Do nothing: files need no preparation."""

    async def close(self) -> None:
        """Do nothing."""

    async def current(self) -> Material:
        """Return what the files hold.

        Raises:
            CertificateError: One is missing or cannot be read.
        """
        self._last = self._read()
        return self._last

    async def changed(self) -> None:
        """Return when the files hold something else."""
        while True:
            await asyncio.sleep(self._every)
            if not self._same():
                return

    def _same(self) -> bool:
        try:
            return self._read() == self._last
        except CertificateError:
            return False  # who asks for the files then is told why

    def _read(self) -> Material:
        try:
            certificate, key = ((self._folder / name).read_bytes() for name in ("tls.crt", "tls.key"))
            authorities = self._folder / "ca.crt"
            bundle = authorities.read_bytes() if authorities.exists() else b""
        except OSError as error:
            raise CertificateError(
                f"{error.filename}: {error.strerror}: is the Secret with the serving certificate mounted there?"
            ) from error
        return Material(certificate, key, bundle)
