"""Where a cluster of this checkout keeps its state, and the names that keep several checkouts apart."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.36.3"
"""The version that is built or downloaded."""

CHECKOUT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """Return the folder for what can be made again, under the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "dgdr-controller"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one cluster.

    Attributes:
        root: Folder of this cluster alone.
    """

    root: Path

    @property
    def name(self) -> str:
        """Name of the cluster, distinct for each checkout and cache folder."""
        return self.root.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """Folder of keys and certificates."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """Folder with one log file for each component."""
        return self.root / "logs"

    @property
    def plan(self) -> Path:
        """The components that the supervisor runs."""
        return self.root / "components.json"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says: nothing, as long as all is well."""
        return self.root / "supervisor.log"

    @property
    def added(self) -> Path:
        """Folder with one file for each component that was added to the plan later."""
        return self.root / "added"

    @property
    def running(self) -> Path:
        """Folder with one file for each component that runs."""
        return self.root / "running"

    @property
    def deaths(self) -> Path:
        """Folder with one file for each component that ended by itself."""
        return self.root / "deaths"

    @property
    def held(self) -> Path:
        """Folder with one file for each component that is not to run for now."""
        return self.root / "held"

    @property
    def complete(self) -> Path:
        """File that says: the cluster came up wholly."""
        return self.root / "complete"

    @property
    def lock(self) -> Path:
        """Locked by who changes the cluster; beside its folder, which comes and goes."""
        return self.root.parent / f"{self.name}.lock"

    @property
    def facts(self) -> Path:
        """What was chosen when the cluster was made: level, programs, address, interface."""
        return self.root / "cluster.json"

    def read_facts(self) -> dict[str, str]:
        """Return the facts; empty when there is no cluster."""
        return dict(json.loads(self.facts.read_text())) if self.facts.exists() else {}


def layout(purpose: str = "") -> Layout:
    """Return the layout of this checkout's cluster; one with a purpose is apart from the developer's own."""
    folder = cache() / "clusters"  # part of the name: cgroups and kind's containers are of the whole machine
    digest = hashlib.sha256(f"{CHECKOUT} {folder} {purpose}".encode()).hexdigest()[:8]
    return Layout(folder / "-".join(filter(None, (_word(CHECKOUT.name, 12), _word(purpose, 25), digest))))


def _word(text: str, length: int) -> str:
    """Return a text as kind takes it in a cluster's name, and so short that Unix sockets below it find room."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:length].strip("-.")
