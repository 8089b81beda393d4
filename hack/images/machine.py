"""What a build borrows from the machine to reach package registries, and what must not stay in an image."""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hack.setup import pip

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy")
_AUTHORITIES = "ca.crt"
_PIP = "pip.conf"
_UV = "uv.env"


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

    def without_folders(self) -> "Machine":
        """Return the same for builds that cannot be given folders of this machine: links to them lead nowhere."""
        links = " ".join(
            link for link in self.pip.get("find-links", "").split() if link.startswith(("http:", "https:"))
        )
        others = {key: value for key, value in self.pip.items() if key != "find-links"}
        return replace(self, pip=others | ({"find-links": links} if links else {}), folders=())

    @contextmanager
    def secrets(self) -> Iterator[dict[str, Path]]:
        """Lay out the secrets that the Dockerfile mounts, by their ids, for as long as the build runs."""
        authorities = {"cert": f"/run/secrets/{_AUTHORITIES}"} if self.authorities else {}
        settings = self.pip | authorities
        variables = pip.for_uv(settings, {})
        contents = {
            _PIP: "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()),
            _UV: "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()),
        }
        with tempfile.TemporaryDirectory() as folder:  # readable by its owner alone: an index may need a password
            paths = {name: Path(folder) / name for name in contents}
            for name, path in paths.items():
                path.write_text(contents[name])
            yield paths | ({_AUTHORITIES: self.authorities} if self.authorities else {})


def this_machine() -> Machine:
    """Look at pip's configuration (files and environment), certificate authorities and proxies."""
    pip_settings = pip.settings(Path(sys.executable))
    links = (Path(word.removeprefix("file://")) for word in pip_settings.get("find-links", "").split())
    return Machine(
        pip={key: value for key, value in pip_settings.items() if key in pip.REACH},
        authorities=pip.authorities(pip_settings),
        proxies=tuple(name for proxy in _PROXIES for name in (proxy, proxy.upper()) if os.environ.get(name)),
        folders=tuple(link for link in links if link.is_absolute() and link.is_dir()),
    )
