"""A cluster of kind: Kubernetes' nodes as Docker containers."""

import hashlib
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.api import Client
from hack.cluster.layout import cache
from hack.cluster.made import Made
from hack.cluster.model import Level, Status
from hack.cluster.progress import ClusterError, UnavailableError, locked, run_long
from hack.setup import programs

_MODULE = Path(__file__).parent / "kind_tool"
"""Names the version that is built where kind is not installed, and the checksums of all that it is built from."""
_PACKAGE = "sigs.k8s.io/kind"

_READY_S = 60.0
_PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class Kind(Made):
    """A cluster of kind. It always has a node."""

    @property
    def node(self) -> str:
        """Its one node, as kind calls it."""
        return f"{self.name}-control-plane"

    def prepare(self, level: Level) -> None:  # noqa: ARG002 - kind always makes a node
        """Get kind.

        Raises:
            ClusterError: It cannot be had.
        """
        _program()

    def up(self, level: Level) -> None:
        """Create it, whatever the level: kind always makes a node.

        Raises:
            ClusterError: kind cannot.
        """
        with locked(self.layout.lock, f"Another process brings {self.name} up or down"):
            if self._is_whole():
                limit = time.monotonic() + _READY_S  # after a restart of Docker it takes a while
                while not self._api().is_ready() and time.monotonic() < limit:
                    time.sleep(_PERIOD_S)
                if self._api().is_ready():
                    return
                raise ClusterError(f"{self.name} does not answer; see docker logs {self.node}, or make cluster-down")
            self._run(f"Removing what is left of {self.name}", "delete", "cluster", "--name", self.name)
            shutil.rmtree(self.layout.root, ignore_errors=True)
            self.layout.root.mkdir(parents=True)
            where = ("--name", self.name, "--kubeconfig", str(self.kubeconfig))
            self._run(f"Creating kind cluster {self.name} ({level})", "create", "cluster", *where, "--wait", "120s")
            self.layout.complete.touch()

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
        if not self._exists():
            return Status(usable=False, summary="not running")
        if not self.layout.complete.exists():
            return Status(usable=False, summary="not wholly up yet, or interrupted: up begins anew")
        if not self._api().is_ready():
            return Status(usable=False, summary="running (kind)", problems=("the API server is not ready",))
        return Status(usable=True, summary="running (kind)")

    def load(self, archive: Path) -> None:
        """Put the images of an archive on its nodes.

        Raises:
            ClusterError: kind cannot.
        """
        self._run(f"Loading {archive.name}", "load", "image-archive", str(archive), "--name", self.name)

    def _exists(self) -> bool:
        asked = subprocess.run([_program(), "get", "clusters"], capture_output=True, text=True, check=False)  # noqa: S603 - kind, with our arguments
        if asked.returncode:
            raise ClusterError(f"kind cannot tell which clusters there are; does Docker run? {asked.stderr.strip()}")
        return self.name in asked.stdout.split()

    def _is_whole(self) -> bool:
        return self.layout.complete.exists() and self._exists()

    def _api(self) -> Client:
        return Client(self.kubeconfig)

    def _run(self, what: str, *arguments: str) -> None:
        run_long(what, (_program(), *arguments), cwd=Path.cwd(), env={})


def _program() -> str:
    """Return kind: the user's own, else one built once from its Go module.

    Raises:
        UnavailableError: There is neither kind nor Go.
        ClusterError: It cannot be built.
    """
    if installed := shutil.which("kind"):
        return installed
    wanted, sums = ((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    version = re.findall(rf"{re.escape(_PACKAGE)} v(\S+)", wanted.decode())[0]
    folder = cache() / "bin" / f"kind-{version}-{hashlib.sha256(wanted + sums).hexdigest()[:12]}"
    if not (folder / "kind").exists():
        try:
            go = programs.go()
        except UnavailableError as error:
            raise UnavailableError(
                f"Docker works, and kind is neither installed nor can it be built: {error}"
            ) from error
        with locked(folder.parent / f"{folder.name}.lock", "Another process builds kind"):
            if not (folder / "kind").exists():
                _build(version, folder, go)
    return str(folder / "kind")


def _build(version: str, folder: Path, go: Path) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "kind.part"
    run_long(
        f"Building kind {version}, once for this machine",
        # Read only: whatever GOFLAGS say, a checksum that is not in go.sum is an error and never added to it.
        (str(go), "build", "-mod=readonly", "-trimpath", "-o", str(part), _PACKAGE),
        cwd=_MODULE,
        env={"CGO_ENABLED": "0"},
    )
    part.replace(folder / "kind")
