"""Claims on folders of this machine: that hold a model, or that files are kept in."""

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
        weights_gib: Size of the file of the weights, which takes no space on the disk.
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
        with _claim(api, namespace, "weights", root, "ReadOnlyMany", weights_gib + 6) as name:
            yield name


@contextlib.contextmanager
def empty_claim(api: Client, namespace: str) -> Iterator[tuple[str, Path]]:
    """Make a claim that anybody may write to, until the block ends; yield its name and the folder that it is."""
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o777)
        with _claim(api, namespace, "output", root, "ReadWriteMany", 1) as name:
            yield name, Path(root)


@contextlib.contextmanager
def _claim(api: Client, namespace: str, name: str, root: str, mode: str, gib: int) -> Iterator[str]:
    common = {"accessModes": [mode], "storageClassName": ""}
    size, volume = {"storage": f"{gib}Gi"}, f"{namespace}-{name}"
    kept = common | {"capacity": size, "hostPath": {"path": root}, "claimRef": {"name": name, "namespace": namespace}}
    api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": kept})
    wanted = common | {"resources": {"requests": size}, "volumeName": volume}
    metadata = {"name": name, "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted})
    yield name
    api.request("DELETE", f"/api/v1/persistentvolumes/{volume}")
