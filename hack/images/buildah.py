"""Images built by buildah, with a storage of its own and a base of our own: no daemon, no registry of images."""

import functools
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from hack.cluster.layout import CHECKOUT, cache
from hack.cluster.progress import ClusterError, Task, UnavailableError, step
from hack.images import base, stages
from hack.images.inputs import layers_hash
from hack.images.machine import Machine
from hack.images.names import DIGITS, Target, base_image, image, images
from hack.images.programs import Runner
from hack.setup import debian
from hack.setup.debian import Purpose
from hack.setup.environment import uv


def check() -> None:
    """Check that images can be built here.

    Raises:
        ClusterError: Something is missing; the sentence says how to get it.
    """
    if os.geteuid() != 0:
        raise UnavailableError("images need Docker, or root for buildah and debootstrap: run the command as root")
    debian.check(Purpose.IMAGES)


_STEP = re.compile(r"\[\d+/\d+\] STEP \d+/\d+: (.*)")
_UV_CACHE = "/cache/uv"
"""Where the Dockerfile expects uv's cache."""


class Buildah:
    """Builds with buildah."""

    name = "buildah"

    def __init__(self, lock: int) -> None:
        check()
        self._folder = cache() / "containers"
        self._folder.mkdir(parents=True, exist_ok=True)
        # What is in use is written down where a restart of the machine forgets it.
        running = Path("/run/dgdr-images") / hashlib.sha256(bytes(self._folder)).hexdigest()[:8]
        self._options = (
            *("--root", str(self._folder / "storage"), "--runroot", str(running)),
            *(("--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true")
              if _overlays(self._folder) else ("--storage-driver", "vfs")),
        )  # fmt: skip
        self._scratch = self._folder / "scratch"  # layers pass through here on their way into an archive
        self._runner = Runner(lock, {"TMPDIR": str(self._scratch), "DEBIAN_FRONTEND": "noninteractive"})

    def build(self, target: Target, digest: str, machine: Machine, archive: Path, task: Task) -> None:
        """Build an image into an archive.

        Raises:
            ClusterError: It cannot be built.
        """
        origin = base.source()
        task.unit = "build steps"
        task.total = stages.steps((CHECKOUT / "Dockerfile").read_text(), target)
        with self._tidy():
            self._forget_old_layers(layers_hash(origin.suite))
            with machine.secrets() as secrets:
                self._buildah(
                    *("bud", "--isolation=chroot", "--network=host", "--layers", "--pull-never"),
                    *("--identity-label=false", f"--target={target}", f"--tag={image(target, digest)}"),
                    f"--build-arg=BASE={self._base(origin)}",
                    *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
                    *(f"--volume={folder}:{folder}:ro" for folder in machine.folders),
                    # What uv has fetched for this machine's environments, images need not fetch again.
                    f"--volume={_uv_cache()}:{_UV_CACHE}:rw",
                    str(CHECKOUT),
                    on_line=functools.partial(_count, task),
                )
            self._buildah("push", image(target, digest), f"docker-archive:{archive}:{image(target, digest)}")
            rename(archive, images(target, digest))
            self._forget_old_images(target, digest)

    def _base(self, origin: base.Source) -> str:
        """Return the name of the base image, made when its recipe is new."""
        name = base_image(hashlib.sha256(f"{base.RECIPE} {origin.suite}".encode()).hexdigest()[:DIGITS])
        if name not in self._names():
            with step(f"Making a Debian {origin.suite} to build from, once for this machine"):
                container = self._buildah("from", "scratch").strip()
                root = Path(self._buildah("mount", container).strip())
                base.fill(root, origin, self._runner)
                self._buildah("umount", container)
                self._buildah("commit", "--identity-label=false", container, name)
        return name

    def _forget_old_layers(self, digest: str) -> None:
        """Remove layers that cannot be used again: the requirements below them are other ones now."""
        written = self._folder / "layers"
        if not written.exists() or written.read_text() != digest:
            self._buildah("rmi", "--prune", "--force")
        written.write_text(digest)

    def _forget_old_images(self, target: Target, digest: str) -> None:
        """Remove earlier images of a target: what is wanted of them are their archives."""
        for name in self._names():
            if name.startswith(image(target, "")) and name != image(target, digest):
                self._buildah("rmi", name)

    def _names(self) -> list[str]:
        return self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()

    @contextmanager
    def _tidy(self) -> Iterator[None]:
        """Remove what a build leaves that does not come to its end: now, and of one that was killed."""
        self._clean()
        try:
            yield
        finally:
            self._clean()
            shutil.rmtree(self._scratch)

    def _clean(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        self._buildah("rm", "--all")

    def _buildah(self, *arguments: str, on_line: Callable[[str], None] | None = None) -> str:
        return self._runner.run("buildah", *self._options, *arguments, on_line=on_line)


def _count(task: Task, line: str) -> None:
    """Count the steps of the Dockerfile, which buildah announces: ``[3/4] STEP 2/5: RUN ...``."""
    if found := _STEP.match(line):
        task.advance(found[1])


def _uv_cache() -> str:
    """Return the folder of uv's cache."""
    return subprocess.run([str(uv()), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - uv


def _overlays(folder: Path) -> bool:
    """Say whether folders can be laid over each other here: not where this is such a folder already."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name in ("lower", "upper", "work", "merged"):
            (Path(scratch) / name).mkdir()
        options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
        mount = ("unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{scratch}/merged")
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words


def rename(archive: Path, names: tuple[str, ...]) -> None:
    """Name the image of an archive, without copying its layers: its manifest is the end of the file."""
    with tarfile.open(archive) as tar:
        member = tar.getmember("manifest.json")
        (manifest,) = json.loads(cast("IO[bytes]", tar.extractfile(member)).read())
        last_layer = max(tar.getmember(layer).offset for layer in manifest["Layers"])
    if member.offset < last_layer:
        raise ClusterError("this buildah writes an archive's manifest before its layers: please report its version")
    text = json.dumps([manifest | {"RepoTags": list(names)}]).encode()
    with archive.open("r+b") as file:
        file.truncate(member.offset)
        file.seek(member.offset)
        with tarfile.open(fileobj=file, mode="w") as end:
            info = tarfile.TarInfo("manifest.json")
            info.size = len(text)
            end.addfile(info, io.BytesIO(text))
