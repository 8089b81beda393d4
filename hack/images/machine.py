"""What a build borrows from the machine to reach package registries, and what must not stay in an image."""

import ast
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PIP = frozenset(
    ("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "proxy", "timeout", "default-timeout")
)
"""pip's settings that say where packages come from; the others are the user's taste."""

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy")
_AUTHORITIES = "ca.crt"
_SETTINGS = "pip.conf"


@dataclass(frozen=True, slots=True)
class Machine:
    """How this machine reaches package registries.

    Attributes:
        pip: pip's settings.
        authorities: File with the certificate authorities that are trusted here, if there is one.
        proxies: Environment variables with proxies that are set.
        folders: Folders with packages.
    """

    pip: dict[str, str]
    authorities: Path | None
    proxies: tuple[str, ...]
    folders: tuple[Path, ...]

    @contextmanager
    def secrets(self) -> Iterator[dict[str, Path]]:
        """Lay out the secrets that the Dockerfile mounts, by their ids, for as long as the build runs."""
        settings = dict(self.pip)
        if self.authorities:
            settings["cert"] = f"/run/secrets/{_AUTHORITIES}"
        with tempfile.TemporaryDirectory() as folder:  # readable by its owner alone: an index may need a password
            path = Path(folder) / _SETTINGS
            path.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
            yield {_SETTINGS: path} | ({_AUTHORITIES: self.authorities} if self.authorities else {})


def this_machine() -> Machine:
    """Look at pip's configuration (files and environment), certificate authorities and proxies."""
    # -v, because a setting that quiets pip would quiet this.
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "-v", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    told = pip_settings(listed)
    certificates = (
        told.pop("cert", None) or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    links = (Path(word.removeprefix("file://")) for word in told.get("find-links", "").split())
    return Machine(
        pip={key: value for key, value in told.items() if key in _PIP},
        authorities=Path(certificates) if Path(certificates).is_file() else None,
        proxies=tuple(name for each in _PROXIES for name in (each, each.upper()) if os.environ.get(name)),
        folders=tuple(link for link in links if link.is_absolute() and link.is_dir()),
    )


def pip_settings(listed: str) -> dict[str, str]:
    """Return the settings for ``pip install`` from what ``pip config list`` prints; nearer ones win."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        rank = ranks.get(section, -1)
        if rank >= 0 and (key not in found or rank >= found[key][0]):
            found[key] = (rank, " ".join(str(ast.literal_eval(value)).split()))
    return {key: value for key, (_, value) in found.items()}
