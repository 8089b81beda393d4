"""The programs of a cluster: given in ``KUBEBUILDER_ASSETS``, built before, downloaded, or built from Go modules."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import downloads
from hack.cluster.layout import KUBERNETES_VERSION, cache
from hack.cluster.progress import ClusterError, Task, UnavailableError, locked, run_long, say
from hack.setup import programs

_MODULE = Path(__file__).parent / "kubernetes"
_PROGRAM = "kubernetes"
_SOURCES = ("go.mod", "go.sum", "main.go", "node.go")
_NEEDED_GIB = 5
"""2.8 for Go's build cache, 0.7 for its module cache, 0.2 for the program, as measured, and some room."""
_STALE = ("-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", ".")
"""Lists the packages that a build compiles."""
_COMPILER_GIB = 3.0
"""Memory that one compiler takes at most when it collects no garbage, and one runs on each core."""
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
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
    with_node = bool(set(components) & set(NODE))
    built = any((folder / _PROGRAM).exists() for folder in _folders(with_node=with_node))
    if not built and not with_node and (found := downloads.control_plane(components)):
        return Binaries(f"downloaded, Kubernetes {found.name}", found)
    return Binaries(f"Go modules, Kubernetes {KUBERNETES_VERSION}", _built(with_node=with_node))


def _has(folder: Path, components: tuple[str, ...]) -> bool:
    return all(_is_program(folder / name) for name in components)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _folder(*, with_node: bool) -> Path:
    sources = b"".join((_MODULE / name).read_bytes() for name in _SOURCES)
    digest = hashlib.sha256(sources + " ".join(_flags(with_node=with_node)).encode()).hexdigest()[:12]
    return cache() / "bin" / f"kubernetes-{KUBERNETES_VERSION}-{digest}"


def _folders(*, with_node: bool) -> tuple[Path, ...]:
    """Return the folders whose program will do: one with a node's components has those of a control plane too."""
    whole = _folder(with_node=True)
    return (whole,) if with_node else (whole, _folder(with_node=False))


def _flags(*, with_node: bool) -> tuple[str, ...]:
    """Return the flags of ``go build``. Nobody debugs this program: without DWARF it is compiled in less time."""
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    stamp = " ".join(f"-X {version}.{key}={value}" for key, value in stamps.items())
    tags = ("-tags=node",) if with_node else ()
    return ("-trimpath", "-gcflags=all=-dwarf=false", f"-ldflags=-s -w {stamp}", *tags)


def _built(*, with_node: bool) -> Path:
    """Return the folder with links to the one binary with all components, built when its sources are new."""
    wanted = (*CONTROL_PLANE, *(NODE if with_node else ()), "kubectl")
    for folder in _folders(with_node=with_node):
        if _has(folder, wanted):
            return folder
    folder = _folder(with_node=with_node)
    with locked(folder.parent / f"{folder.name}.lock", "Another process builds Kubernetes"):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_UNFINISHED}*"):  # of builds that were killed
            shutil.rmtree(left)
        if not (folder / _PROGRAM).exists():
            _build(folder / _PROGRAM, _flags(with_node=with_node))
        for name in wanted:
            if not (folder / name).exists():
                (folder / name).symlink_to(_PROGRAM)
    return folder


def kubectl() -> str:
    """Return the kubectl that came with the cluster's programs, else the user's, else build it.

    Raises:
        UnavailableError: It cannot be built.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in (*((Path(assets),) if assets else ()), *_folders(with_node=False), *downloads.kept()):
        if _is_program(folder / "kubectl"):
            return str(folder / "kubectl")
    if installed := shutil.which("kubectl"):
        return installed
    try:
        return str(_built(with_node=False) / "kubectl")
    except UnavailableError as error:
        raise UnavailableError(f"kubectl is needed: install it, or what it is built with: {error}") from error


def _build(program: Path, flags: tuple[str, ...]) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    go = str(programs.go())
    free = shutil.disk_usage(program.parent).free / 2**30
    if free < _NEEDED_GIB:
        raise ClusterError(
            f"{program.parent}: {free:.1f} GiB free, {_NEEDED_GIB} are needed to build Kubernetes: make room, or set "
            "XDG_CACHE_HOME and GOCACHE to folders on another disk"
        )
    environment = {"CGO_ENABLED": "0", "GOFLAGS": _without_vcs()}
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=_UNFINISHED) as folder:
        output = Path(folder) / _PROGRAM
        run_long(
            f"Building Kubernetes {KUBERNETES_VERSION} from its Go modules, once for this machine",
            (go, "build", "-mod=readonly", "-v", *flags, "-o", str(output), "."),
            cwd=_MODULE,
            env=environment | _collector(),
            follow=lambda task: _follow(task, (go, "list", *flags, *_STALE), environment),
        )
        output.replace(program)


def _without_vcs() -> str:
    """Return the user's GOFLAGS; git, which may refuse another user's checkout, has no say in this build."""
    return f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip()


def _collector() -> dict[str, str]:
    """Return how the compiler collects garbage: not at all where memory allows, which saves a fifth of its time."""
    enough = _available_gib() > _COMPILER_GIB * (os.cpu_count() or 1)
    return {"GOGC": "off"} if enough and "GOGC" not in os.environ else {}


def _available_gib() -> float:
    """Return the memory that can be had, by the machine and by the control group; 0 where that is not told."""
    known = re.search(r"MemAvailable: +(\d+) kB", _text(Path("/proc/meminfo")))
    limits = [int(text) for file in _MEMORY_LIMITS if (text := _text(file).strip()).isdigit()]
    return min([int(known[1]) * 1024, *limits]) / 2**30 if known else 0


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _follow(task: Task, listing: tuple[str, ...], environment: dict[str, str]) -> Callable[[str], None]:
    """Count the packages that `go build -v` names, of those that are not in Go's build cache."""
    found = os.environ | environment
    done = subprocess.run(listing, cwd=_MODULE, env=found, capture_output=True, text=True, check=False)  # noqa: S603 - go
    task.unit, task.total = "packages", len(done.stdout.split()) or None

    def count(line: str) -> None:
        if not line.startswith("go: "):
            task.advance(line.strip())

    return count
