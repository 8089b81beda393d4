"""ConfigMaps and Secrets that a pod refers to, read with the node's own rights: the API server allows no others."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Client, Key, NotFoundError
from hack.virtual_kubelet.kinds import CONFIG_MAPS, SECRETS

CONFIG_MAP, SECRET = "configmap", "secret"


@dataclass(frozen=True, slots=True)
class Sources:
    """What a pod's references lead to.

    Attributes:
        data: Contents by kind and name; an object that does not exist is absent.
    """

    data: Mapping[tuple[str, str], Mapping[str, bytes]] = field(default_factory=dict)

    def find(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of an object; None if it does not exist."""
        return self.data.get((kind, name))


async def read(client: Client, pod: Manifest) -> Sources:
    """Read all that a pod refers to.

    Raises:
        RequestError: The API server does not answer, or refuses.
    """
    namespace, data = pod["metadata"]["namespace"], {}
    for kind, name in sorted(set(references(pod))):
        try:
            found = await client.get(CONFIG_MAPS if kind == CONFIG_MAP else SECRETS, Key(namespace, name))
        except NotFoundError:
            continue
        data[kind, name] = _contents(kind, found)
    return Sources(data)


def _contents(kind: str, found: Manifest) -> dict[str, bytes]:
    if kind == SECRET:
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def references(pod: Manifest) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a pod refers to."""
    spec = pod["spec"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        for source in container.get("envFrom", []):
            yield from _of(source, "configMapRef", "secretRef")
        for variable in container.get("env", []):
            yield from _of(variable.get("valueFrom", {}), "configMapKeyRef", "secretKeyRef")
    for volume in spec.get("volumes", []):
        yield from _of_volume(volume)


def _of(source: Manifest, config_map: str, secret: str) -> Iterator[tuple[str, str]]:
    if config_map in source:
        yield CONFIG_MAP, source[config_map]["name"]
    if secret in source:
        yield SECRET, source[secret]["name"]


def _of_volume(volume: Manifest) -> Iterator[tuple[str, str]]:
    if "configMap" in volume:
        yield CONFIG_MAP, volume["configMap"]["name"]
    if "secret" in volume:
        yield SECRET, volume["secret"]["secretName"]
    for source in volume.get("projected", {}).get("sources", []):
        yield from _of(source, "configMap", "secret")
