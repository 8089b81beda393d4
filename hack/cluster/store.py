"""The images of nodes, unpacked once for this machine: every node starts with links to them, and imports nothing.

The store is the root folder of a containerd that runs only while images are added. Nodes get copies of it: hard links,
as containerd never changes a file of an image, but for its databases.
"""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hack.cluster.layout import cache
from hack.cluster.progress import ClusterError, locked, step, way_out
from hack.cluster.supervisor import listens

_START_S = 30.0
_NAMESPACE = "k8s.io"
"""containerd's namespace of Kubernetes' images."""
CONTAINERD = "containerd"
"""Folder of a cluster that is the root of its node's containerd."""
_BUSY = "Another process adds images to those of nodes"


def add(archives: Sequence[Path]) -> None:
    """Unpack the images of archives that are not in the store; forget those whose archives are gone.

    Raises:
        ClusterError: containerd does not start, or refuses an archive.
    """
    with locked(_folder().with_name("store.lock"), _BUSY):
        names = _read(_list())
        new = [archive for archive in archives if archive.name not in names]
        gone = [name for name in names if not (cache() / "images" / name).exists()]
        if not new and not gone:
            return
        with step(f"Unpacking {len(new)} image archives for nodes"), _containerd() as socket:
            for name in gone:
                ctr(socket, "images", "rm", *names.pop(name))
                _write(names, _list())
            for archive in new:
                names[archive.name] = _import(socket, archive)
                _write(names, _list())  # after each: what an interrupted run has unpacked is not unpacked again


def copy(root: Path) -> None:
    """Give a new node a copy of the store, as the root of its containerd.

    Args:
        root: The cluster's folder.
    """
    with locked(_folder().with_name("store.lock"), _BUSY):
        if not _list().exists():
            return
        destination = root / CONTAINERD
        if not _folder().exists():
            _list().unlink()  # somebody has removed the images: they are unpacked again
            return
        if not _copy("--link", _folder(), destination):
            _copy("--reflink=auto", _folder(), destination, must=True)
        for database in destination.glob("*/*.db"):  # the only files that containerd changes in place
            linked = database.rename(database.with_suffix(".link"))
            shutil.copy2(linked, database)
            linked.unlink()
        shutil.copy2(_list(), _list_of(root))


def _copy(how: str, source: Path, destination: Path, *, must: bool = False) -> bool:
    """Copy a folder; return False where this way of doing so is refused: some file systems have no hard links."""
    command = ("cp", "--archive", how, str(source), str(destination))
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our words
    if done.returncode == 0:
        return True
    shutil.rmtree(destination, ignore_errors=True)
    if must:
        raise ClusterError(f"{source} cannot be copied: {done.stderr.strip()}{way_out(done.stderr)}")
    return False


def load(root: Path, socket: Path, archive: Path) -> None:
    """Load the images of an archive into the containerd of a node, unless it began with them.

    Args:
        root: The cluster's folder.
        socket: The node's containerd.
        archive: The images.

    Raises:
        ClusterError: containerd refuses them.
    """
    listed = _list_of(root)
    names = _read(listed)
    if archive.name in names:
        first, *others = names[archive.name]
        for name in others:
            if _repository(name) == _repository(first):  # the moving tag may have gone to another image since
                ctr(socket, "images", "tag", "--force", first, name)
        return
    with step(f"Loading {archive.name}"):
        names[archive.name] = _import(socket, archive)
    _write(names, listed)


def _repository(image: str) -> str:
    """Return an image's name without its tag."""
    return image.rpartition(":")[0]


def _import(socket: Path, archive: Path) -> list[str]:
    """Load an archive into a running containerd's images for Kubernetes; return the names of its images."""
    return re.findall(r"^unpacking (\S+)", ctr(socket, "images", "import", str(archive)), re.MULTILINE)


def ctr(socket: Path, *arguments: str) -> str:
    """Run containerd's own client; return what it prints.

    Raises:
        ClusterError: It fails.
    """
    command = ["ctr", "--address", str(socket), "--namespace", _NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ctr, with our arguments
    if done.returncode:
        raise ClusterError(f"ctr {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def _folder() -> Path:
    return cache() / "store"


def _list() -> Path:
    return cache() / "store.json"


def _list_of(root: Path) -> Path:
    return root / "images.json"


def _read(file: Path) -> dict[str, list[str]]:
    """Return names of images by the archives that they came from."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _write(names: dict[str, list[str]], file: Path) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(names, indent=1))
    part.replace(file)


@contextlib.contextmanager
def _containerd() -> Iterator[Path]:
    """Run a containerd on the store; it has mounts of its own, which end with it."""
    state = Path(tempfile.mkdtemp(prefix="dgdr-store-", dir="/run"))  # the path of a Unix socket has 104 characters
    socket, log, config = state / "containerd.sock", state / "log", state / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{_folder()}"\nstate = "{state}/run"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{socket}"\n'
    )
    command = ("unshare", "--mount", "setpriv", "--pdeathsig=KILL", "containerd", "--config", str(config))
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603 - our words
        try:
            _wait_for(socket, process, log)
            yield socket
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(state, ignore_errors=True)


def _wait_for(socket: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + _START_S
    while not (socket.exists() and listens(socket)):
        if process.poll() is not None or time.monotonic() > limit:
            raise ClusterError(f"containerd does not start: {log.read_text()[-1000:]}")
        time.sleep(0.05)
