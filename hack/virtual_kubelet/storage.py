"""A pod's volumes on the disk: provided before its containers start, and kept up to date."""

import os
from pathlib import Path

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Client, RequestError
from hack.virtual_kubelet import sources, volumes
from hack.virtual_kubelet.layout import NodeFolder
from hack.virtual_kubelet.sources import Sources
from hack.virtual_kubelet.tokens import Tokens
from hack.virtual_kubelet.volumes import File, MountError

_SUPPORTED = "configMap, secret, emptyDir, hostPath, downwardAPI and projected"


class Storage:
    """The volumes of one pod.

    Args:
        client: Reads what they refer to, as the node.
        node: Where files of this node are.
    """

    def __init__(self, client: Client, node: NodeFolder) -> None:
        self._client = client
        self._node = node
        self._tokens = Tokens(client)
        self.sources = Sources()

    async def provide(self, pod: Manifest) -> dict[str, str]:
        """Make the volumes, or bring their contents up to date; return their folders by name.

        Raises:
            MountError: One cannot be provided; another try may succeed.
        """
        try:
            self.sources = await sources.read(self._client, pod)
            await self._tokens.renew(pod)
        except RequestError as error:
            raise MountError(str(error)) from error
        try:
            return {volume["name"]: str(self._provide(volume, pod)) for volume in pod["spec"].get("volumes", [])}
        except OSError as error:
            raise MountError(str(error)) from error

    def _provide(self, volume: Manifest, pod: Manifest) -> Path:
        folder: Path = self._node.pod(pod).volumes / volume["name"]
        if "hostPath" in volume:
            return self._host_path(volume)
        if "emptyDir" not in volume and not volumes.has_files(volume):
            (kind,) = set(volume) - {"name"}
            raise MountError(f'volume "{volume["name"]}": a virtual node has no {kind} volumes, only {_SUPPORTED}')
        folder.mkdir(parents=True, exist_ok=True)
        if "emptyDir" not in volume:
            write(folder, volumes.files(volume, pod, self.sources, self._tokens.text))
        return folder

    def _host_path(self, volume: Manifest) -> Path:
        source = volume["hostPath"]
        kind, path = source.get("type", ""), self._node.host(source["path"])
        if kind in {"", "DirectoryOrCreate"}:
            path.mkdir(parents=True, exist_ok=True)
        elif kind != "Directory" or not path.is_dir():
            raise MountError(f'hostPath "{source["path"]}" is not a {kind} under {self._node.root / "host"}')
        return path


def write(folder: Path, files: dict[str, File]) -> None:
    """Make a folder hold these files and no others; each file changes as a whole."""
    for path, file in files.items():
        target = folder / path
        if target.exists() and target.read_bytes() == file.content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"..{target.name}")
        part.write_bytes(file.content)
        part.chmod(file.mode)
        part.replace(target)
    wanted = {folder / path for path in files}
    for parent, _, names in os.walk(folder):
        for found in {Path(parent) / name for name in names} - wanted:
            found.unlink()
