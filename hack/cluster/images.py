"""Images without a registry: OCI archives made here and loaded into the node's containerd."""

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
from pathlib import Path

from hack.cluster.layout import cache
from hack.cluster.node import PAUSE_IMAGE
from hack.cluster.progress import ClusterError

_PAUSE_SOURCE = Path(__file__).parent / "pause"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def pause_archive() -> Path:
    """Return an archive of the image that holds a pod's namespaces: one static program, built once."""
    source = (_PAUSE_SOURCE / "main.go").read_bytes()
    archive = cache() / "images" / f"pause-{hashlib.sha256(source).hexdigest()[:12]}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    program = archive.with_suffix(".bin")
    built = subprocess.run(  # noqa: S603 - go, with our arguments
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), "."],  # noqa: S607 - any Go will do
        cwd=_PAUSE_SOURCE,
        env=os.environ | {"CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise ClusterError(f"the pause program could not be built: {built.stderr.strip()}")
    content = oci_archive(PAUSE_IMAGE, program, "/pause")
    program.unlink()
    temporary = archive.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(archive)
    return archive


def oci_archive(image: str, program: Path, path: str) -> bytes:
    """Return an OCI archive (image-spec, "OCI Image Layout") of one static program that is the image's entrypoint."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo(path.lstrip("/"))
        info.mode, info.size = 0o755, program.stat().st_size
        with program.open("rb") as file:
            tar.addfile(info, file)
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{digest}",
            "size": len(content),
        }

    layer_entry = blob("layer.v1.tar", layer.getvalue())
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [path]},
        "rootfs": {"type": "layers", "diff_ids": [layer_entry["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": [layer_entry],
    }
    names = {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}
    index = {
        "schemaVersion": 2,
        "manifests": [blob("manifest.v1+json", json.dumps(manifest).encode()) | {"annotations": names}],
    }
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    files |= {f"blobs/sha256/{digest}": content for digest, content in blobs.items()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def load(socket: Path, archive: Path) -> None:
    """Load an image archive into containerd's images for Kubernetes.

    Raises:
        ClusterError: containerd refuses it.
    """
    done = subprocess.run(  # noqa: S603 - ctr, with our arguments
        ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", str(archive)],  # noqa: S607 - comes with containerd
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"{archive} could not be loaded: {done.stderr.strip()}")
