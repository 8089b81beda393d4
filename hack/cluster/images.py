"""Images without a registry: OCI archives made here and loaded into the node's containerd."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.downloads import architecture
from hack.cluster.fakes.dcgm_exporter import DCGM_IMAGE
from hack.cluster.layout import cache
from hack.cluster.node import PAUSE_IMAGE
from hack.cluster.progress import ClusterError, locked, step
from hack.setup import programs

_UNFINISHED = "tmp"


@dataclass(frozen=True, slots=True)
class Program:
    """A static Go program that is an image.

    Attributes:
        image: Name of the image.
        folder: Folder of its source, next to this file.
    """

    image: str
    folder: str

    @property
    def source(self) -> Path:
        """Its module."""
        return Path(__file__).parent / self.folder


PROGRAMS = (Program(PAUSE_IMAGE, "pause"), Program(DCGM_IMAGE, "dcgm"))


def archive() -> Path:
    """Return an archive of the images that every node has, built once: one archive, because each costs a call.

    Raises:
        ClusterError: A program cannot be built.
    """
    files = [path for program in PROGRAMS for path in sorted(program.source.iterdir())]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (Path(__file__), *files))).hexdigest()
    made = cache() / "images" / f"node-{digest[:12]}.tar"
    if not made.exists():
        _make_once(made)
    return made


def _make_once(made: Path) -> None:
    """Build unless another process has done so by the time this one may."""
    go = str(programs.go())
    with locked(made.parent / "node.lock", "Another process builds the node's images"):
        if made.exists():
            return
        for left in made.parent.glob(f"{_UNFINISHED}*"):  # of builds that were killed
            shutil.rmtree(left)
        with step("Building the node's images"):
            _make(made, go)


def _make(made: Path, go: str) -> None:
    """Build into a temporary name, so that an interrupted build leaves nothing that looks finished."""
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=_UNFINISHED) as folder:
        built = {program: Path(folder) / program.folder for program in PROGRAMS}
        for program, path in built.items():
            _build(program, path, go)
        temporary = Path(folder) / made.name
        temporary.write_bytes(oci_archive({program.image: path for program, path in built.items()}))
        temporary.replace(made)


def _build(program: Program, path: Path, go: str) -> None:
    built = subprocess.run(  # noqa: S603 - go, with our arguments
        [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(path), "."],
        cwd=program.source,
        env=os.environ | {"CGO_ENABLED": "0", "GOOS": "linux"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise ClusterError(f"the program {program.folder} could not be built: {built.stderr.strip()}")


def oci_archive(programs: dict[str, Path]) -> bytes:
    """Return an OCI archive (image-spec, "OCI Image Layout") of images, each one static program and its entrypoint."""
    blobs: dict[str, bytes] = {}
    manifests = [_image(image, program, blobs) for image, program in programs.items()]
    index = {"schemaVersion": 2, "manifests": manifests}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    return _tar(files | {f"blobs/sha256/{digest}": content for digest, content in blobs.items()})


def _image(image: str, program: Path, blobs: dict[str, bytes]) -> dict[str, object]:
    """Add the blobs of an image; return its entry in the index."""

    def blob(media_type: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{digest}",
            "size": len(content),
        }

    layer = blob("layer.v1.tar", _tar({program.name: program.read_bytes()}, mode=0o755))
    config = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": [layer],
    }
    names = {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}
    return blob("manifest.v1+json", json.dumps(manifest).encode()) | {"annotations": names}


def _tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = mode, len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()
