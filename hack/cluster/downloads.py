"""The control plane's programs from the network: envtest's archive (etcd, API server) and Kubernetes' own releases."""

import hashlib
import io
import os
import platform
import re
import tarfile
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import yaml

from hack.cluster.layout import KUBERNETES_VERSION, cache
from hack.cluster.progress import ClusterError, locked, say, step

_INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
_RELEASES = "https://dl.k8s.io/release"
_TIMEOUT_S = 5.0
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this machine's architecture, as Go and images call it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def control_plane(components: tuple[str, ...]) -> Path | None:
    """Return a folder, named by its version, with these components; None where the network does not give them.

    The newest patch release up to the version that is built otherwise: envtest has not every one, and a later one is
    nothing that anybody has tried.

    ``DGDR_ENVTEST_INDEX`` and ``DGDR_KUBERNETES_RELEASES`` lead to mirrors.

    Raises:
        ClusterError: What was received is not what its index promises.
    """
    minor = KUBERNETES_VERSION.rpartition(".")[0]
    newest = kept()[:1]
    if newest and all((newest[0] / name).exists() for name in components):
        return newest[0]
    try:
        return _download(minor, components)
    except (
        OSError,
        HTTPException,
        KeyError,
        TypeError,
        yaml.YAMLError,
    ) as error:  # or a proxy answers
        say(f"The control plane cannot be downloaded ({error}): it is built")
        return None


def kept() -> list[Path]:
    """Return the folders with what was downloaded before, the newest version first."""
    minor = KUBERNETES_VERSION.rpartition(".")[0]
    return sorted((cache() / "bin").glob(f"envtest/v{minor}.*"), key=_patch, reverse=True)


def _download(minor: str, components: tuple[str, ...]) -> Path | None:
    index = yaml.safe_load(_get(os.environ.get("DGDR_ENVTEST_INDEX", _INDEX)))["releases"]
    system = f"linux-{architecture()}"
    version = _newest(index, minor, system)
    if version is None:
        return None
    archive = index[version][_archive_name(version, system)]
    folder = cache() / "bin" / "envtest" / version
    with locked(folder.parent / "lock", "Another process downloads Kubernetes"):
        folder.mkdir(exist_ok=True)
        with step(f"Downloading etcd and API server {version}"):
            _unpack(_verified(archive["selfLink"], "sha512", archive["hash"]), folder)
        for name in (*components, "kubectl"):
            if not (folder / name).exists():
                _download_program(folder / name, version, system)
    return folder


def _newest(index: Mapping[str, Mapping[str, object]], minor: str, system: str) -> str | None:
    """Return the newest version with an archive for this system, up to the one that is built otherwise."""
    fitting = [
        Path(version)
        for version, archives in index.items()
        if re.fullmatch(rf"v{re.escape(minor)}\.\d+", version)
        and _patch(Path(version)) <= _patch(Path(KUBERNETES_VERSION))
        and _archive_name(version, system) in archives
    ]
    return max(fitting, key=_patch).name if fitting else None


def _archive_name(version: str, system: str) -> str:
    return f"envtest-{version}-{system}.tar.gz"


def _download_program(program: Path, version: str, system: str) -> None:
    releases = os.environ.get("DGDR_KUBERNETES_RELEASES", _RELEASES)
    url = f"{releases}/{version}/bin/{system.replace('-', '/')}/{program.name}"
    with step(f"Downloading {program.name} {version}"):
        _write(program, _verified(url, "sha256", _get(f"{url}.sha256").decode().split()[0]))


def _patch(folder: Path) -> int:
    return int(folder.name.rpartition(".")[2])


def _get(url: str) -> bytes:
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise ClusterError(f"{url}: only https is downloaded from")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - checked above
        return bytes(answer.read())


def _verified(url: str, algorithm: str, digest: str) -> bytes:
    content = _get(url)
    if hashlib.new(algorithm, content).hexdigest() != digest:
        raise ClusterError(f"{url} is not what its index promises ({algorithm}); try again, or set KUBEBUILDER_ASSETS")
    return content


def _unpack(archive: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile() and (file := tar.extractfile(member)):
                _write(folder / Path(member.name).name, file.read())


def _write(program: Path, content: bytes) -> None:
    """Write under a temporary name first: an interrupted download leaves nothing that looks finished."""
    part = program.with_name(f"{program.name}.part")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(program)
