"""The programs of a cluster: found in ``KUBEBUILDER_ASSETS``, or built once from Go modules and kept."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import KUBERNETES_VERSION, cache
from hack.cluster.progress import ClusterError, say

_MODULE = Path(__file__).parent / "kubernetes"
_GO = (1, 26)
_NEEDED_GIB = 8


@dataclass(frozen=True, slots=True)
class Binaries:
    """How the components are called.

    Attributes:
        source: Where they come from, for people.
        programs: Beginning of the command line of each component.
    """

    source: str
    programs: dict[str, tuple[str, ...]]

    def command(self, component: str, *arguments: str) -> tuple[str, ...]:
        """Return the whole command line of a component."""
        return (*self.programs[component], *arguments)


CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = ("kubelet", "kube-proxy", "coredns")


def binaries(components: tuple[str, ...]) -> Binaries:
    """Find the programs of these components, or build them.

    Raises:
        ClusterError: There is no way to get them on this machine.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and all((Path(assets) / name).exists() for name in components):
        return Binaries(assets, {name: (str(Path(assets) / name),) for name in components})
    program = _built()
    return Binaries(f"Go modules, Kubernetes {KUBERNETES_VERSION}", {n: (str(program), n) for n in components})


def _built() -> Path:
    """Return the one binary with all components, built when its sources are new."""
    sources = b"".join((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    folder = cache() / "bin" / f"kubernetes-{KUBERNETES_VERSION}-{hashlib.sha256(sources).hexdigest()[:12]}"
    program = folder / "kubernetes"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits for the first one's result
            if not program.exists():
                _build(program)
    return program


def _build(program: Path) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    _check_go()
    free = shutil.disk_usage(program.parent).free / 2**30
    if free < _NEEDED_GIB:
        raise ClusterError(f"{program.parent}: {free:.1f} GiB free, {_NEEDED_GIB} are needed to build Kubernetes")
    say(f"Building Kubernetes {KUBERNETES_VERSION} from Go modules, once for this machine: 8 to 10 min on 2 cores ...")
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X {version}.{key}={value}" for key, value in stamps.items())
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        output = Path(folder) / "kubernetes"
        command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output), "."]
        process = subprocess.Popen(  # noqa: S603 - go, with our arguments
            command, cwd=_MODULE, env=os.environ | {"CGO_ENABLED": "0"}, stderr=subprocess.PIPE, text=True
        )
        _, errors = _wait(process)
        if process.returncode:
            raise ClusterError(f"Kubernetes could not be built:\n{errors.strip()[-2000:]}")
        output.replace(program)


def _wait(process: "subprocess.Popen[str]") -> tuple[str | None, str]:
    """Wait with a line of progress every half minute."""
    begun = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            say(f"  still building, {(time.monotonic() - begun) / 60:.1f} min")
        except BaseException:
            process.kill()
            process.wait()
            raise


def _check_go() -> None:
    wanted = ".".join(map(str, _GO))
    if shutil.which("go") is None:
        raise ClusterError(
            f"Go {wanted} is needed to build Kubernetes (or set KUBEBUILDER_ASSETS, or DGDR_KUBECONFIG for a cluster "
            "that exists)"
        )
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout  # noqa: S607 - looked for above
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < _GO:
        raise ClusterError(f"Go {wanted} or newer is needed to build Kubernetes, this is {said.strip() or 'unknown'}")
