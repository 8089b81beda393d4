"""A cluster of kind: Kubernetes' nodes as Docker containers."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout, cache
from hack.cluster.model import Level, Status
from hack.cluster.progress import UnavailableError, locked, run_long

VERSION = "0.33.0"
"""The version that is built where kind is not installed."""


@functools.cache
def docker_works() -> bool:
    """Say whether a Docker daemon answers."""
    if shutil.which("docker") is None:
        return False
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10)  # noqa: S607
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A cluster of kind. It always has a node.

    Attributes:
        layout: Gives its name and the place of its kubeconfig.
    """

    layout: Layout

    @property
    def name(self) -> str:
        """Its name."""
        return self.layout.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def ours(self) -> bool:
        """It is made here."""
        return True

    def up(self, level: Level) -> None:
        """Create it, whatever the level: kind always makes a node.

        Raises:
            ClusterError: kind cannot.
        """
        with locked(self.layout.lock, f"Another process brings {self.name} up or down"):
            if self.status().usable:
                return
            self._run(f"Removing what is left of {self.name}", "delete", "cluster", "--name", self.name)
            self.layout.root.mkdir(parents=True, exist_ok=True)
            where = ("--name", self.name, "--kubeconfig", str(self.kubeconfig))
            self._run(f"Creating kind cluster {self.name} ({level})", "create", "cluster", *where, "--wait", "120s")

    def down(self) -> None:
        """Delete it.

        Raises:
            ClusterError: kind cannot.
        """
        with locked(self.layout.lock, f"Another process brings {self.name} up or down"):
            self._run(f"Deleting kind cluster {self.name}", "delete", "cluster", "--name", self.name)
            shutil.rmtree(self.layout.root, ignore_errors=True)

    def status(self) -> Status:
        """Look at it."""
        names = subprocess.run(  # noqa: S603 - kind, with our arguments
            [_program(), "get", "clusters"], capture_output=True, text=True, check=False
        ).stdout.split()
        if self.name not in names:
            return Status(usable=False, summary="not running")
        if not self.kubeconfig.exists():
            return Status(usable=False, summary="not wholly up yet, or interrupted: up begins anew")
        return Status(usable=True, summary="running (kind)")

    def load(self, archive: Path) -> None:
        """Put the images of an archive on its nodes.

        Raises:
            ClusterError: kind cannot.
        """
        self._run(f"Loading {archive.name}", "load", "image-archive", str(archive), "--name", self.name)

    def _run(self, what: str, *arguments: str) -> None:
        run_long(what, (_program(), *arguments), cwd=Path.cwd(), env={})


def _program() -> str:
    """Return kind: the user's own, else one built once from its Go module.

    Raises:
        UnavailableError: There is neither kind nor Go.
    """
    if installed := shutil.which("kind"):
        return installed
    folder = cache() / "bin" / f"kind-{VERSION}"
    if not (folder / "kind").exists():
        if shutil.which("go") is None:
            raise UnavailableError("Docker works, but neither kind nor Go (to build kind) is installed")
        with locked(folder.parent / f"{folder.name}.lock", "Another process builds kind"):
            run_long(
                f"Building kind {VERSION}, once for this machine",
                ("go", "install", f"sigs.k8s.io/kind@v{VERSION}"),
                cwd=Path.cwd(),
                env={"GOBIN": str(folder), "GOFLAGS": os.environ.get("GOFLAGS", "")},
            )
    return str(folder / "kind")
