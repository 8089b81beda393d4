"""Where a virtual kubelet keeps the files of pods: under the cluster's folder, which goes with the cluster."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dgdr_controller.manifest import Manifest

_DIGITS = 13
"""Of a pod's uid: 48 bits."""


@dataclass(frozen=True, slots=True)
class PodFolder:
    """The files of one pod.

    Attributes:
        path: Folder of this pod alone.
    """

    path: Path

    @property
    def volumes(self) -> Path:
        """Folder with a folder for each volume."""
        return self.path / "volumes"

    def tmp(self, container: str) -> Path:
        """Return what stands for /tmp, where the container mounts nothing there: working directory and HOME."""
        return self.path / "tmp" / container

    def termination_message(self, container: str) -> Path:
        """Return the file in which a container may say why it ends."""
        return self._of(container) / "termination-log"

    def kubeconfig(self, container: str) -> Path:
        """Return the kubeconfig of a container's ServiceAccount."""
        return self._of(container) / "kubeconfig"

    def log(self, container: str, attempt: int) -> Path:
        """Return the log of a container's run.

        Args:
            container: Name of the container.
            attempt: How often the container had been restarted before.
        """
        return self._of(container) / f"{attempt}.log"

    def _of(self, container: str) -> Path:
        return self.path / "containers" / container

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """The files of a virtual node.

    Attributes:
        root: The cluster's folder, by a short path.
    """

    root: Path

    @property
    def pods(self) -> Path:
        """Folder with a folder for each pod."""
        return self.root / "pods"

    def pod(self, pod: Manifest) -> PodFolder:
        """Return the folder of a pod: its name is short, for the sake of sockets, and of this pod alone."""
        return PodFolder(self.pods / pod["metadata"]["uid"][:_DIGITS])

    def others(self, pods: list[Manifest]) -> list[PodFolder]:
        """Return the folders of pods that do not exist any more."""
        known = {self.pod(pod).path for pod in pods}
        there = self.pods.iterdir() if self.pods.exists() else ()
        return [PodFolder(path) for path in there if path not in known]

    def host(self, path: str) -> Path:
        """Return what stands for a path of the node (hostPath)."""
        return self.root / "host" / os.path.normpath(f"/{path}").lstrip("/")
