"""The cgroups of a cluster's pods: one folder in each hierarchy, of version 1 or 2."""

import os
import time
from pathlib import Path

from hack.cluster.layout import Layout
from hack.cluster.progress import ClusterError

ROOT = Path("/sys/fs/cgroup")
_NEEDED = {"cpu", "cpuset", "memory", "pids"}
_BURIAL_S = 10.0


def lacking() -> set[str]:
    """Return the controllers that a node needs and this machine does not offer."""
    return _NEEDED - _controllers()


def _controllers() -> set[str]:
    """Return the cgroup controllers: of version 2 from its list, of version 1 one folder each."""
    unified = ROOT / "cgroup.controllers"
    if unified.exists():
        return set(unified.read_text().split())
    return {path.name for path in ROOT.iterdir()} if ROOT.exists() else set()


def of(layout: Layout) -> str:
    """Return the cgroup of the cluster's pods."""
    return f"/dgdr-{layout.name}"


def _folders(layout: Layout) -> list[Path]:
    """Return the cluster's folder in each hierarchy: one of version 2, one for each controller of version 1."""
    unified = (ROOT / "cgroup.controllers").exists()
    hierarchies = [ROOT] if unified else [path for path in ROOT.iterdir() if path.is_dir()]
    return [path / of(layout).lstrip("/") for path in hierarchies]


def make(layout: Layout) -> None:
    """Create the cluster's cgroups."""
    for path in _folders(layout):
        path.mkdir(exist_ok=True)
        cpus = path / "cpuset.cpus"
        if cpus.exists() and not cpus.read_text().strip():  # version 1 starts empty and then refuses processes
            for name in ("cpuset.cpus", "cpuset.mems"):
                (path / name).write_text((path.parent / name).read_text())


def remove(layout: Layout) -> None:
    """Remove the cluster's cgroups from the leaves up; their processes have ended, or are about to be buried.

    Raises:
        ClusterError: A process of a pod does not end.
    """
    limit = time.monotonic() + _BURIAL_S
    for path in _folders(layout):
        for folder, _, _ in os.walk(path, topdown=False):
            _remove(Path(folder), limit)


def _remove(folder: Path, limit: float) -> None:
    """Remove one cgroup; the kernel refuses as long as a process of it is there."""
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > limit:
                raise ClusterError(f"cgroup {folder} cannot be removed: {error}") from error
            time.sleep(0.02)
        else:
            return
