"""The programs of a cluster: given in ``KUBEBUILDER_ASSETS``, built before, downloaded, or built from Go modules."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import downloads
from hack.cluster.layout import KUBERNETES_VERSION, cache
from hack.cluster.progress import ClusterError, UnavailableError, locked, run_long, say

_MODULE = Path(__file__).parent / "kubernetes"
_PROGRAM = "kubernetes"
_GO = (1, 26)
_NEEDED_GIB = 8
_UNFINISHED = "tmp"

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
ESSENTIAL = ("etcd", "kube-apiserver")
"""What envtest's archives hold: enough to store and validate objects, with nobody who acts on them."""
NODE = ("kubelet", "kube-proxy", "coredns")


@dataclass(frozen=True, slots=True)
class Binaries:
    """How the components are called.

    Attributes:
        source: Where they come from, for people.
        folder: Folder with a program of each component's name.
    """

    source: str
    folder: Path

    def has(self, component: str) -> bool:
        """Say whether there is such a program."""
        return _is_program(self.folder / component)

    def command(self, component: str, *arguments: str) -> tuple[str, ...]:
        """Return the whole command line of a component."""
        return (str(self.folder / component), *arguments)


def binaries(components: tuple[str, ...]) -> Binaries:
    """Find the programs of these components, download or build them.

    Raises:
        ClusterError: There is no way to get them on this machine.
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        if _has(Path(assets), components):
            return Binaries(assets, Path(assets))
        missing = [name for name in components if not _is_program(Path(assets) / name)]
        if not set(missing) & {*ESSENTIAL, *NODE}:
            return Binaries(f"{assets}; without {', '.join(missing)}", Path(assets))
        say(f"KUBEBUILDER_ASSETS={assets} has no {', '.join(missing)}: not used")
    built = (_folder() / _PROGRAM).exists()
    if not built and not set(components) & set(NODE) and (found := downloads.control_plane(components)):
        return Binaries(f"downloaded, Kubernetes {found.name}", found)
    return Binaries(f"Go modules, Kubernetes {KUBERNETES_VERSION}", _built())


def _has(folder: Path, components: tuple[str, ...]) -> bool:
    return all(_is_program(folder / name) for name in components)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _folder() -> Path:
    sources = b"".join((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    return cache() / "bin" / f"kubernetes-{KUBERNETES_VERSION}-{hashlib.sha256(sources).hexdigest()[:12]}"


def _built() -> Path:
    """Return the folder with links to the one binary with all components, built when its sources are new."""
    folder = _folder()
    wanted = (*CONTROL_PLANE, *NODE, "kubectl")
    if not _has(folder, wanted):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", "Another process builds Kubernetes"):
            for left in folder.glob(f"{_UNFINISHED}*"):  # of builds that were killed
                shutil.rmtree(left)
            if not (folder / _PROGRAM).exists():
                _build(folder / _PROGRAM)
            for name in wanted:
                if not (folder / name).exists():
                    (folder / name).symlink_to(_PROGRAM)
    return folder


def kubectl() -> str:
    """Return the kubectl that was built with the cluster's programs, else the user's, else build it.

    Raises:
        UnavailableError: It cannot be built.
    """
    own = _folder() / "kubectl"
    if not _is_program(own) and (installed := shutil.which("kubectl")):
        return installed
    try:
        return str(_built() / "kubectl")
    except UnavailableError as error:
        raise UnavailableError(f"kubectl is needed: install it, or what it is built with: {error}") from error


def _build(program: Path) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    check_go("Kubernetes")
    free = shutil.disk_usage(program.parent).free / 2**30
    if free < _NEEDED_GIB:
        raise ClusterError(f"{program.parent}: {free:.1f} GiB free, {_NEEDED_GIB} are needed to build Kubernetes")
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X {version}.{key}={value}" for key, value in stamps.items())
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=_UNFINISHED) as folder:
        output = Path(folder) / _PROGRAM
        run_long(
            f"Building Kubernetes {KUBERNETES_VERSION} from Go modules, once for this machine: 8 to 10 min on 2 cores",
            ("go", "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output), "."),
            cwd=_MODULE,
            env={"CGO_ENABLED": "0"},
        )
        output.replace(program)


def check_go(what: str) -> None:
    """Check that Go can build something of ours.

    Raises:
        UnavailableError: There is no Go, or too old a one.
    """
    wanted = ".".join(map(str, _GO))
    if shutil.which("go") is None:
        raise UnavailableError(
            f"Go {wanted} is needed to build {what} (or Docker, or KUBEBUILDER_ASSETS, or DGDR_KUBECONFIG for a "
            "cluster that exists)"
        )
    # Asked where the module is: from 1.21 on, Go gets the version that it names.
    asked = subprocess.run(["go", "version"], cwd=_MODULE, capture_output=True, text=True, check=False)  # noqa: S607 - looked for above
    said = asked.stdout or asked.stderr
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < _GO:
        raise UnavailableError(f"Go {wanted} or newer is needed to build {what}, this is {said.strip() or 'unknown'}")
