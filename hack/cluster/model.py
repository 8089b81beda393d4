"""What the tools know of a cluster, wherever it comes from."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Level(StrEnum):
    """How much of a cluster is wanted."""

    CONTROL_PLANE = "control-plane"
    """API server, etcd, controller manager, scheduler: objects without pods."""
    VIRTUAL_NODE = "virtual-node"
    """With a virtual kubelet: pods run as processes of this machine, without root, without containers."""
    NODE = "node"
    """With a kubelet: pods run."""

    def includes(self, other: "Level") -> bool:
        """Say whether a cluster of this level has all that one of another level has."""
        order = list(Level)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Status:
    """How a cluster is.

    Attributes:
        usable: Whether it is up, wholly.
        summary: How it is, in a few words.
        problems: What is wrong with it, a sentence or more each.
    """

    usable: bool
    summary: str
    problems: tuple[str, ...] = ()


class Cluster(Protocol):
    """A cluster that can be had."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that leads to it, and only to it."""

    @property
    def ours(self) -> bool:
        """Whether it is made here, so that nodes may pretend to have GPUs."""

    @property
    def node(self) -> str | None:
        """Name of the node that runs pods; None where nodes are not ours to know."""

    def prepare(self, level: Level) -> None:
        """Get what bringing it up to a level needs, without bringing anything up.

        Raises:
            ClusterError: It cannot be had.
        """

    def up(self, level: Level) -> None:
        """Bring it up, or leave it as it is when it is up at this level or has more.

        Raises:
            ClusterError: It cannot be made or reached.
        """

    def down(self) -> None:
        """End it; nothing of it is left."""

    def status(self) -> Status:
        """Look at it."""

    def load(self, archive: Path) -> None:
        """Put the images of an archive (``docker save``, OCI) where its nodes find them.

        Raises:
            ClusterError: They cannot be put there.
        """
