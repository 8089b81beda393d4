"""The contents of a pod's volumes, as files: pure logic."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet import fields
from hack.virtual_kubelet.sources import CONFIG_MAP, SECRET, Sources

_MODE = 0o644

Token = Callable[[Manifest], str]
"""Returns the token for a ``serviceAccountToken`` source."""


class MountError(Exception):
    """A volume cannot be provided; the message says why, as a FailedMount event has it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a volume.

    Attributes:
        content: Its bytes.
        mode: Its permissions.
    """

    content: bytes
    mode: int = _MODE


def has_files(volume: Manifest) -> bool:
    """Say whether a volume's contents come from the API server."""
    return any(kind in volume for kind in ("configMap", "secret", "downwardAPI", "projected"))


def files(volume: Manifest, pod: Manifest, sources: Sources, token: Token) -> dict[str, File]:
    """Return the files of a volume by their paths in it.

    Args:
        volume: Entry of the pod's ``volumes``, of a kind that has files.
        pod: The pod, with its address.
        sources: What it refers to.
        token: Returns tokens of its ServiceAccount.

    Raises:
        MountError: What it refers to does not exist.
    """
    (kind,) = set(volume) & {"configMap", "secret", "downwardAPI", "projected"}
    source = volume[kind]
    parts = source.get("sources", []) if kind == "projected" else [{kind: _with_name(source)}]
    mode = source.get("defaultMode", _MODE)
    found: dict[str, File] = {}
    for part in parts:
        for path, content, own in _of_source(part, pod, sources, token):
            found[path] = File(content, mode if own is None else own)
    return found


def _with_name(source: Manifest) -> Manifest:
    """Return a Secret volume as a projection has it: its name is called otherwise."""
    return source | {"name": source["secretName"]} if "secretName" in source else source


def _of_source(
    part: Manifest, pod: Manifest, sources: Sources, token: Token
) -> Iterator[tuple[str, bytes, int | None]]:
    """Yield path, content and mode of the files of one source."""
    if "configMap" in part:
        yield from _of_object(CONFIG_MAP, part["configMap"], pod, sources)
    elif "secret" in part:
        yield from _of_object(SECRET, part["secret"], pod, sources)
    elif "downwardAPI" in part:
        for item in part["downwardAPI"].get("items", []):
            yield _safe(item["path"]), _field(pod, item), item.get("mode")
    elif "serviceAccountToken" in part:
        yield _safe(part["serviceAccountToken"]["path"]), token(part["serviceAccountToken"]).encode(), 0o600
    else:
        raise MountError(f"a virtual node cannot project {', '.join(part)}")


def _field(pod: Manifest, item: Manifest) -> bytes:
    try:
        return fields.read(pod, item.get("fieldRef", {}).get("fieldPath", "")).encode()
    except fields.FieldError as error:
        raise MountError(f"downwardAPI {item['path']}: {error}") from error


def _of_object(kind: str, source: Manifest, pod: Manifest, sources: Sources) -> Iterator[tuple[str, bytes, int | None]]:
    data, name = sources.find(kind, source["name"]), source["name"]
    optional = source.get("optional", False)
    if data is None:
        if not optional:
            raise MountError(f'{kind} "{name}" not found')
        return
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] in data:
            yield _safe(item["path"]), data[item["key"]], item.get("mode")
        elif not optional:
            raise MountError(f"{kind} {pod['metadata']['namespace']}/{name} has no key {item['key']}")


def _safe(path: str) -> str:
    """Return a path that stays in its volume.

    Raises:
        MountError: It does not; the API server refuses such paths too.
    """
    if path.startswith("/") or ".." in path.split("/"):
        raise MountError(f"{path}: a path in a volume must be relative and must not contain ..")
    return path


def mounts(container: Manifest, paths: Mapping[str, str]) -> dict[str, str]:
    """Return where the mount paths of a container lead.

    Args:
        container: Entry of the pod's ``containers`` or ``initContainers``.
        paths: Folders of the volumes by name.
    """
    found = {}
    for mount in container.get("volumeMounts", []):
        inside = _safe(mount.get("subPath", ""))
        found[mount["mountPath"].rstrip("/")] = f"{paths[mount['name']]}/{inside}".rstrip("/")
    return found
