"""An image of this checkout as an archive: found, or built. Every build can be interrupted and repeated."""

import os
import shutil
from pathlib import Path

from hack.assets import AssetError, fetch
from hack.cluster import docker
from hack.cluster.progress import ClusterError, locked, step
from hack.images import names
from hack.images.buildah import Buildah
from hack.images.docker import Docker
from hack.images.inputs import content_hash
from hack.images.machine import this_machine
from hack.images.names import Target

KEPT = 2
"""Archives of a target that are kept."""

_NEEDED_GIB = {Target.CONTROLLER: 2, Target.PROFILER: 6, Target.MEASURER: 10, Target.DYNAMO: 4}
"""With the base and every layer new."""


def build(target: Target) -> Path:
    """Return the archive of an image, built when one of its inputs is new.

    Raises:
        ClusterError: It cannot be built here.
    """
    try:
        fetch()  # npm is here, not in the image
    except AssetError as error:
        raise ClusterError(str(error)) from None
    digest = content_hash(target)
    archive = names.archive(target, digest)
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with locked(archive.parent / "lock", "Another build of images runs") as lock:  # they share one storage
            if not archive.exists():  # who comes second finds the first one's result
                _build(target, digest, archive, lock)
    os.utime(archive)  # the newest ones are those that are asked for
    for old in names.archives(target)[KEPT:]:
        old.unlink(missing_ok=True)
    return archive


def _build(target: Target, digest: str, archive: Path, lock: int) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    for left in archive.parent.glob("dgdr-*.part"):
        left.unlink()
    builder = Docker(lock) if docker.answers() else Buildah(lock)
    free = shutil.disk_usage(archive.parent).free / 2**30
    if free < _NEEDED_GIB[target]:
        raise ClusterError(
            f"{archive.parent}: {free:.1f} GiB free, {_NEEDED_GIB[target]} are needed to build the {target} image: "
            "make room, or set XDG_CACHE_HOME to a folder on another disk"
        )
    unfinished = archive.with_suffix(".part")
    with step(f"Building {names.image(target, digest)} with {builder.name}") as task:
        try:
            builder.build(target, digest, this_machine(), unfinished, task)
            unfinished.replace(archive)
        finally:
            unfinished.unlink(missing_ok=True)
