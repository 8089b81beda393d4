"""Prometheus and promtool: the user's own, or Debian's, unpacked and not installed (its package starts a server)."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from hack.cluster.layout import cache
from hack.cluster.progress import ClusterError, UnavailableError, locked, step
from hack.setup.debian import privilege

_PACKAGE = "prometheus"
_PROGRAMS = ("prometheus", "promtool")


def program(name: str) -> str:
    """Return the path of ``prometheus`` or ``promtool``.

    Raises:
        UnavailableError: This machine has neither it nor Debian's packages.
        ClusterError: The package cannot be fetched.
    """
    if installed := shutil.which(name):
        return installed
    folder = cache() / "bin" / "prometheus-debian"
    with locked(folder.parent / "prometheus.lock", "Another process fetches Prometheus"):
        if not all((folder / name).exists() for name in _PROGRAMS):
            _fetch(folder)
    return str(folder / name)


def _fetch(folder: Path) -> None:
    """Take the programs out of Debian's package, whose checksum apt-get compares with the signed index."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError(
            "prometheus is not installed, and there is no apt-get to fetch it: install Prometheus 2.42 or later"
        )
    with step("Fetching Prometheus from Debian"), tempfile.TemporaryDirectory() as downloaded:
        if (prefix := privilege()) is not None:
            _run(*prefix, "apt-get", "update", "-qq")
        _run("apt-get", "download", "-qq", _PACKAGE, cwd=downloaded)
        (archive,) = Path(downloaded).glob("*.deb")
        _run("dpkg-deb", "--extract", str(archive), f"{downloaded}/package")
        folder.mkdir(parents=True, exist_ok=True)
        for name in _PROGRAMS:
            part = folder / f"{name}.part"
            shutil.copy(f"{downloaded}/package/usr/bin/{name}", part)
            part.replace(folder / name)


def _run(*command: str, cwd: str | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)  # noqa: S603 - our words
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
