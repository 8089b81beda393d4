"""An image that is unpacked and run without a container runtime."""

import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_JAIL = """
set -e
mount --bind "$1" "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev"
mkdir -m 1777 "$1/dev/shm"
for device in null zero random urandom; do touch "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
mount -o remount,bind,ro "$1"
ip link set lo up
root=$1; shift
exec chroot --userspec=1000:1000 "$root" "$@"
"""
"""Runs a program as a container would: read-only root, /tmp in memory, an unprivileged user, no network but loopback."""


@dataclass(frozen=True)
class Image:
    """An image, unpacked from its archive."""

    archive: Path
    names: list[str]
    config: dict[str, Any]
    history: str
    root: Path

    def run(self, *arguments: str, entrypoint: list[str] | None = None, given: str = "") -> tuple[int, str]:
        done = subprocess.run(
            self._command(*(entrypoint or self.config["Entrypoint"]), *arguments),
            env=self._environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a container of a command: what is returned is outside of it, and its one child is its process 1."""
        return subprocess.Popen(
            self._command(*command), env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _command(self, *command: str) -> list[str]:
        jail = ("unshare", "--mount", "--pid", "--net", "--fork", "sh", "-c", _JAIL, "jail")
        return [*jail, str(self.root), *command]

    @property
    def _environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["Env"]) | {"PATH": os.environ["PATH"]}


def unpacked(archive: Path, folder: Path) -> Image:
    folder.chmod(0o755)
    with tarfile.open(archive) as tar:

        def read(name: str) -> Any:
            member = tar.extractfile(name)
            assert member
            return json.load(member)

        (manifest,) = read("manifest.json")
        config = read(manifest["Config"])
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                # An argument of extractall only from Python 3.11.4 on; Debian 12 has 3.11.2.
                layer.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
                layer.extractall(folder)  # noqa: S202 - ours, and to be judged as it is
    return Image(archive, manifest["RepoTags"], config["config"], json.dumps(config["history"]), folder)
