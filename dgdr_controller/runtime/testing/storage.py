"""Objects as an API server keeps them: versions, generations, finalizers, and a window of events for each kind."""

import asyncio
import copy
import json
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from dgdr_controller.runtime.resource import Key, Resource
from dgdr_controller.runtime.testing.refusal import Refusal

Body = dict[str, Any]


@dataclass
class Kind:
    """A kind that is served: its objects, and the events that a watch can begin with."""

    resource: Resource[Any]
    status: bool
    objects: dict[Key, Body] = field(default_factory=dict)
    history: deque[tuple[int, bytes, str]] = field(default_factory=deque)
    forgotten: int = 0
    watchers: dict[asyncio.Queue[bytes | None], str] = field(default_factory=dict)
    held: list[bytes] | None = None


class Storage:
    """The objects of all kinds, under one counter of versions.

    Args:
        window: Events of a kind that are kept.

    Attributes:
        kinds: By group and plural.
        version: That of the last change.
    """

    def __init__(self, window: int) -> None:
        self.kinds: dict[tuple[str, str], Kind] = {}
        self.version = 100
        self._window = window

    def serve(self, resource: Resource[Any], *, status: bool) -> None:
        """Know a kind, from now on."""
        self.kinds[resource.group, resource.plural] = Kind(resource, status, forgotten=self.version)

    def kind(self, resource: Resource[Any]) -> Kind:
        """Return a kind that is served."""
        return self.kinds[resource.group, resource.plural]

    def forget_history(self) -> None:
        """Compact: watches cannot begin before now."""
        for kind in self.kinds.values():
            kind.history.clear()
            kind.forgotten = self.version

    def restore(self, version: int) -> None:
        """Be restored from a backup without any object: versions count on from an earlier one."""
        self.version = version
        for kind in self.kinds.values():
            kind.objects.clear()
        self.forget_history()

    def create(self, kind: Kind, namespace: str, body: Body, *, keep: bool = True) -> Body:
        """Create an object, or with ``keep=False`` return what it would be.

        Raises:
            Refusal: One of this name exists.
        """
        metadata = body.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = str(metadata["generateName"]) + uuid.uuid4().hex[:5]
        key = Key(namespace, metadata["name"])
        if key in kind.objects:
            raise Refusal(409, "AlreadyExists", f"{kind.resource} {key.name} already exists")
        created = {name: value for name, value in body.items() if name != "status" or not kind.status}
        created["metadata"] = metadata | ({"namespace": namespace} if namespace else {})
        if not keep:
            return created
        return self.store(kind, key, created, None)

    def change(self, kind: Kind, key: Key, subresource: str, body: Body) -> Body:
        """Replace an object or its status.

        Raises:
            Refusal: There is none, or it is at another version than the body names.
        """
        old = existing(kind, key)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest")
        if subresource == "status":
            new = old | {"status": body.get("status", {})}
        elif kind.status:
            new = body | ({"status": old["status"]} if "status" in old else {})
        else:
            new = body
        return self.store(kind, key, new, old)

    def delete(self, kind: Kind, key: Key, body: Body) -> Body:
        """Delete an object, or mark it where it has finalizers; return what the API server answers.

        Raises:
            Refusal: There is none, or a precondition does not hold.
        """
        old = existing(kind, key)
        for name, value in body.get("preconditions", {}).items():
            if old["metadata"][name] != value:
                raise Refusal(409, "Conflict", f"precondition failed: {name}")
        if old["metadata"].get("finalizers"):
            marked = old | {"metadata": old["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
            return self.store(kind, key, marked, old)
        self.drop(kind, key)
        return {"kind": "Status", "status": "Success", "details": {"name": key.name, "uid": old["metadata"]["uid"]}}

    def store(self, kind: Kind, key: Key, body: Body, old: Body | None) -> Body:
        """Keep an object with a new version; one that does not differ keeps its old one, and nobody is told."""
        new: Body = copy.deepcopy({"apiVersion": kind.resource.api_version, "kind": kind.resource.kind} | body)
        metadata: Body = new["metadata"]
        if old is None:
            metadata |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
            metadata["managedFields"] = [{"manager": "somebody", "fieldsV1": {"f:spec": {}}}]
        else:
            kept = ("uid", "generation", "creationTimestamp", "resourceVersion", "managedFields", "deletionTimestamp")
            metadata |= {name: old["metadata"][name] for name in kept if name in old["metadata"]}
            if new == old:
                return copy.deepcopy(old)
            if new.get("spec") != old.get("spec") or "deletionTimestamp" in metadata.keys() - old["metadata"].keys():
                metadata["generation"] += 1
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        kind.objects[key] = new
        if old is not None and "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self.drop(kind, key)
        else:
            self._tell(kind, "ADDED" if old is None else "MODIFIED", new)
        return copy.deepcopy(new)

    def drop(self, kind: Kind, key: Key) -> None:
        """Remove an object, whatever its finalizers."""
        last = copy.deepcopy(kind.objects.pop(key))
        self.version += 1
        last["metadata"]["resourceVersion"] = str(self.version)
        self._tell(kind, "DELETED", last)

    def _tell(self, kind: Kind, what: str, body: Body) -> None:
        line = event(what, body)
        kind.history.append((self.version, line, body["metadata"].get("namespace", "")))
        while len(kind.history) > self._window:
            kind.forgotten = kind.history.popleft()[0]
        if kind.held is not None:
            kind.held.append(line)
            return
        for queue, namespace in kind.watchers.items():
            if namespace in ("", body["metadata"].get("namespace", "")):
                queue.put_nowait(line)

    def initial(self, kind: Kind, namespace: str) -> list[bytes]:
        """Return what a watch with initial events begins with: the objects there are, then a bookmark."""
        objects = [body for key, body in kind.objects.items() if namespace in ("", key.namespace)]
        return [*(event("ADDED", body) for body in objects), bookmark(kind, self.version, end=True)]


def existing(kind: Kind, key: Key) -> Body:
    """Return an object.

    Raises:
        Refusal: There is none.
    """
    if key not in kind.objects:
        raise Refusal(404, "NotFound", f'{kind.resource} "{key.name}" not found')
    return kind.objects[key]


def later(kind: Kind, namespace: str, since: int) -> list[bytes]:
    """Return the events after a version."""
    return [line for version, line, where in kind.history if version > since and namespace in ("", where)]


def event(what: str, body: Body) -> bytes:
    """Return a line of a watch."""
    return json.dumps({"type": what, "object": body}).encode() + b"\n"


def bookmark(kind: Kind, version: int, *, end: bool = False) -> bytes:
    """Return a bookmark; ``end``: the one after the initial events."""
    metadata: Body = {"resourceVersion": str(version)}
    if end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    body = {"kind": kind.resource.kind, "apiVersion": kind.resource.api_version, "metadata": metadata}
    return event("BOOKMARK", body)
