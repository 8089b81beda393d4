"""Fetch the results page's plotting library from the npm registry: ``python3 -m hack.assets``.

It is verified by the integrity that is written here, and never committed. Only npm is asked where the registry is: its
configuration on this machine holds.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.progress import ClusterError
from hack.setup.programs import npm

VENDOR = Path(__file__).parent.parent / "dgdr_controller" / "results" / "static" / "vendor"
_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the npm registry, and which of its files are taken.

    Attributes:
        name: Its name.
        version: Its version.
        sha512: The integrity of its archive, as `npm view NAME@VERSION dist.integrity` says it.
        files: Name here for each path in the archive.
    """

    name: str
    version: str
    sha512: str
    files: dict[str, str]


# D3 alone draws the chart: Observable Plot would need it too, and is 210 KB more for marks that have no keyboard focus.
D3 = Package(
    "d3",
    "7.9.2",
    "ZKb/mONPVKzaO5UlcWcwN8bS4ezvQaYu+bsou+XgNABdGC800kwH651ADTbbTxMPHW13UlvbQafdmJQDk1w7Mg==",
    {"package/dist/d3.min.js": "d3.min.js", "package/LICENSE": "d3.LICENSE"},
)


class AssetError(Exception):
    """A package cannot be had; one sentence says why and what to do."""


def fetch(package: Package = D3, folder: Path = VENDOR) -> None:
    """Put the files of a package into a folder, unless those of this version are there.

    Raises:
        AssetError: They cannot be had, or are not what the integrity promises.
    """
    stamp = folder / f"{package.name}.sha512"
    present = all((folder / name).exists() for name in package.files.values())
    if present and stamp.exists() and stamp.read_text() == package.sha512:
        return
    with tempfile.TemporaryDirectory() as target:
        contents = _unpack(_pack(package, Path(target)), package)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        _replace(folder / name, content)
    _replace(stamp, package.sha512.encode())  # last: an interrupted run leaves nothing that looks finished


def _pack(package: Package, target: Path) -> Path:
    """Let npm fetch the archive, and check it."""
    wanted = f"{package.name}@{package.version}"
    try:
        command = [*npm(), "pack", wanted, "--silent", "--pack-destination", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - our words
    except ClusterError as error:
        raise AssetError(f"npm is not installed and cannot be fetched: {error}") from error
    except subprocess.TimeoutExpired:
        raise AssetError(f"npm got no answer within {_TIMEOUT_S} s: run the command again") from None
    archives = list(target.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        raise AssetError(f"npm cannot fetch {wanted} ({reason}): check `npm config list`, and run the command again")
    if base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode() != package.sha512:
        raise AssetError(f"{package.name}@{package.version} is not what hack/assets.py promises (sha512); not used")
    return archives[0]


def _unpack(archive: Path, package: Package) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        found = {}
        for path, name in package.files.items():
            file = tar.extractfile(path)
            if file is None:
                raise AssetError(f"{package.name}@{package.version}: {path} is no file")
            found[name] = file.read()
    return found


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def main() -> int:
    """Fetch; end with one sentence where that fails."""
    try:
        fetch()
    except (AssetError, OSError) as error:
        print(f"The plotting library of the results page is missing: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
