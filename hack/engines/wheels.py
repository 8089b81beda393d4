"""The packages whose parsers are asked: fetched by pip, verified, and unpacked as far as Python reads them."""

import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import cache
from hack.cluster.progress import locked, step

_TIMEOUT_S = 1800
_SUFFIXES = (".py", ".so", "METADATA")
"""What is unpacked; of shared libraries only what ``Wheel.libraries`` names."""


class EngineError(Exception):
    """A parser cannot be asked; one sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the package registry.

    Attributes:
        name: Its name there.
        version: The version; Dynamo pins those of the engines in its own metadata.
        sha256: The hash for each machine, as ``platform.machine()`` names it; "any" where only its sources matter.
        libraries: The shared libraries that are loaded too.
    """

    name: str
    version: str
    sha256: dict[str, str]
    libraries: tuple[str, ...] = ()


DYNAMO = Wheel("ai-dynamo", "1.6.1", {"any": "83f768730104cbbc84029bf436025706632735173933adbb650b99c746517b70"})
RUNTIME = Wheel(
    "ai-dynamo-runtime",
    "1.6.1",
    {
        "x86_64": "3683cafe88ededdff29c9ae6f651367eac33153487ff84e205082483cd6b3095",
        "aarch64": "a9fc474400736f11341312b7b0abf30cea6467fd39c6adfa1a3911d26bb30a81",
    },
    libraries=("dynamo/_core.abi3.so",),
)
VLLM = Wheel("vllm", "0.31.0", {"any": "39132b433967f0962d03d8a5f633b9bee6b32708f566c7d5637b79f8d0ef3433"})
SGLANG = Wheel("sglang", "0.5.21", {"any": "96c029f75dec99baa33a5db3d41b1bebefdd6bcfba3a2f7c807fe1cf49a87c20"})


def sources(wheels: tuple[Wheel, ...]) -> list[Path]:
    """Return a folder for each wheel, to put on Python's path; fetch what is not there yet.

    Raises:
        EngineError: A wheel cannot be had, or is not what its hash promises.
    """
    return [_unpacked(wheel) for wheel in wheels]


def fetched(wheels: tuple[Wheel, ...]) -> bool:
    """Say whether nothing would have to be fetched."""
    return all(_folder(wheel).exists() for wheel in wheels)


def _machine(wheel: Wheel) -> str:
    machine = platform.machine()
    if "any" not in wheel.sha256 and machine not in wheel.sha256:
        raise EngineError(f"{wheel.name} has no wheel for {machine}: ask the parsers on one of {list(wheel.sha256)}")
    return "any" if "any" in wheel.sha256 else machine


def _folder(wheel: Wheel) -> Path:
    return cache() / "engines" / f"{wheel.name}-{wheel.version}-{wheel.sha256[_machine(wheel)][:8]}"


def _unpacked(wheel: Wheel) -> Path:
    folder = _folder(wheel)
    with locked(folder.parent / "lock", "Another process fetches the engines' argument parsers"):
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with (
                tempfile.TemporaryDirectory(dir=folder.parent) as target,
                step(f"Fetching {wheel.name} {wheel.version} for its argument parser"),
            ):
                part = Path(target) / "sources"
                _unpack(_download(wheel, Path(target)), wheel, part)
                shutil.move(part, folder)  # last: an interrupted run leaves nothing that looks finished
    return folder


def _download(wheel: Wheel, target: Path) -> Path:
    """Let pip fetch the wheel: its configuration on this machine says where the registry is."""
    machine = _machine(wheel)
    built_for = "x86_64" if machine == "any" else machine
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"),
        *("--platform", f"manylinux_2_34_{built_for}", "--platform", f"manylinux_2_28_{built_for}"),
        *("--dest", str(target), f"{wheel.name}=={wheel.version}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - our words
    archives = list(target.glob("*.whl"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        raise EngineError(f"pip cannot fetch {wheel.name}=={wheel.version} ({reason}): try again when it can")
    with archives[0].open("rb") as archive:
        found = hashlib.file_digest(archive, "sha256").hexdigest()
    if found != wheel.sha256[machine]:
        raise EngineError(f"{archives[0].name} is not what hack/engines/wheels.py promises (sha256); not used")
    return archives[0]


def _unpack(archive: Path, wheel: Wheel, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        wanted = [
            name
            for name in content.namelist()
            if name.endswith(_SUFFIXES) and (not name.endswith(".so") or name in wheel.libraries)
        ]
        content.extractall(folder, wanted)
