"""Claims that hold a model: its files, and weights that take no space on the disk."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from hack.cluster.api import Client


@contextlib.contextmanager
def claim_of(api: Client, namespace: str, folder: str, files: Mapping[str, str], weights_gib: int) -> Iterator[str]:
    """Make a claim with a model, until the block ends; yield its name.

    Args:
        api: The administrator's client.
        namespace: Namespace of the claim.
        folder: Where the model is in it.
        files: Texts by name.
        weights_gib: Size of the file of the weights.
    """
    with tempfile.TemporaryDirectory() as root:
        model = Path(root) / folder
        model.mkdir(parents=True)
        for name, content in files.items():
            (model / name).write_text(content)
        with (model / "model.safetensors").open("wb") as file:
            file.truncate(weights_gib * 2**30)
        for path in (Path(root), *(Path(root) / part for part in Path(folder).parents), model):
            path.chmod(0o755)  # the profiler runs as user 1000
        size = {"storage": f"{weights_gib + 6}Gi"}
        volume = {"capacity": size, "accessModes": ["ReadOnlyMany"], "hostPath": {"path": root}}
        volume |= {"claimRef": {"name": "weights", "namespace": namespace}, "storageClassName": ""}
        api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume})
        wanted = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": size}, "volumeName": namespace}
        metadata = {"name": "weights", "namespace": namespace}
        wanted |= {"storageClassName": ""}
        api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted})
        yield "weights"
        api.request("DELETE", f"/api/v1/persistentvolumes/{namespace}")
