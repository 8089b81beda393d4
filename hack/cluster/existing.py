"""A cluster that exists and is not ours: it is looked at, and never brought up, changed or taken down."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.binaries import kubectl
from hack.cluster.layout import Layout
from hack.cluster.model import Level, Status
from hack.cluster.progress import ClusterError, say


@dataclass(frozen=True, slots=True)
class Existing:
    """A cluster of a kubeconfig.

    Attributes:
        layout: Where the copy of the kubeconfig for this context alone is kept.
        source: The kubeconfig; None: the one that kubectl would take.
        context: The context in it; None: its current one.
    """

    layout: Layout
    source: str | None
    context: str | None

    @property
    def name(self) -> str:
        """The context."""
        return self.context or self._kubectl("config", "current-context").strip()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with this context alone."""
        content = self._kubectl("config", "view", "--minify", "--flatten", "--raw")
        path = self.layout.root.parent / f"{self.layout.name}.given.kubeconfig"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(content)
        return path

    @property
    def ours(self) -> bool:
        """It is not made here."""
        return False

    @property
    def node(self) -> None:
        """Its nodes are others'."""

    def prepare(self, level: Level) -> None:
        """Get nothing: it exists."""

    def up(self, level: Level) -> None:
        """Check that it answers and, where pods are wanted, that it has a node that is ready.

        Raises:
            ClusterError: It does not.
        """
        self._kubectl("get", "--raw", "/readyz", "--request-timeout=10s")
        if level is not Level.CONTROL_PLANE:
            ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
            if "True" not in self._kubectl("get", "nodes", "-o", f"jsonpath={ready}"):
                raise ClusterError(f"{self.name} has no node that is ready: see kubectl get nodes")

    def down(self) -> None:
        """Leave it alone."""
        say(f"{self.name} was not made here and is left as it is")

    def status(self) -> Status:
        """Look at it."""
        try:
            version = self._kubectl("version", "--request-timeout=10s").strip().splitlines()[-1]
        except ClusterError as error:
            return Status(usable=False, summary="does not answer", problems=(str(error),))
        return Status(usable=True, summary=f"given; {version}")

    def load(self, archive: Path) -> None:
        """Refuse: nobody but its owner can put images on its nodes.

        Raises:
            ClusterError: Always.
        """
        raise ClusterError(
            f"{archive} cannot be put on the nodes of {self.name}: push the image to a registry that they pull from"
        )

    def _kubectl(self, *arguments: str) -> str:
        context = ("--context", self.context) if self.context else ()
        source = {"KUBECONFIG": self.source} if self.source else {}
        done = subprocess.run(  # noqa: S603 - kubectl, with our arguments
            [kubectl(), *context, *arguments],
            env=os.environ | source,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"kubectl {arguments[0]} of {self.context or self.source}: {done.stderr.strip()}")
        return done.stdout
