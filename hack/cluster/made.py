"""What clusters that are made here have in common."""

from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout


@dataclass(frozen=True, slots=True)
class Made:
    """A cluster that is made here.

    Attributes:
        layout: Gives its name and the place of its files.
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
