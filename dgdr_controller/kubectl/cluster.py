"""Objects of one namespace: read, changed and followed, typed as the controller reads them."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from pydantic import ValidationError

from dgdr_api.errors import located
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.errors import PluginError, status_error
from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Resource

T = TypeVar("T")
_OK = 300
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_FIELD_MANAGER = "kubectl"
"""As ``kubectl apply --server-side`` names itself: both may apply the same file in turn."""


class Answer(Protocol):
    """What the API server answers."""

    @property
    def code(self) -> int:
        """HTTP's code."""

    @property
    def body(self) -> bytes:
        """An object, or a Status."""

    @property
    def message(self) -> str:
        """The message of a Status."""


class Connection(Protocol):
    """A connection to an API server."""

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request."""

    def lines(self, path: str, **options: Any) -> AsyncIterator[str]:
        """Yield the lines of an answer as they come."""


class Cluster:
    """One namespace of a cluster.

    Args:
        connection: How it is reached.
        namespace: The namespace.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.connection = connection
        self.namespace = namespace

    async def get(self, resource: Resource[T], name: str) -> T:
        """Return an object.

        Raises:
            NotFoundError: There is none.
            PluginError: It cannot be read.
        """
        return _decoded(resource, await self._send("GET", resource, name))

    async def list(self, resource: Resource[T], labels: Mapping[str, str] | None = None) -> list[T]:
        """Return the objects that have these labels.

        Raises:
            PluginError: They cannot be read.
        """
        selector = ",".join(f"{name}={value}" for name, value in (labels or {}).items())
        body = await self._send("GET", resource, "", params={"labelSelector": selector} if selector else None)
        return [_decoded(resource, bytes(item)) for item in msgspec.json.decode(body, type=_List).items]

    async def patch(self, resource: Resource[T], name: str, change: Manifest) -> T:
        """Change an object by a merge patch; return what it has become.

        Raises:
            NotFoundError: There is none.
            ConflictError: The patch names the resourceVersion that was read, and the object has changed since.
            PluginError: It cannot be changed.
        """
        body = await self._send("PATCH", resource, name, content=json.dumps(change), headers={"Content-Type": _MERGE})
        return _decoded(resource, body)

    async def apply(self, manifest: Manifest, name: str) -> None:
        """Apply a request, in the version that it is written in, as ``kubectl apply --server-side`` does.

        Raises:
            PluginError: It is rejected.
        """
        version = str(manifest.get("apiVersion")).rpartition("/")[2]
        resource = Resource(REQUESTS.group, version, REQUESTS.plural, REQUESTS.kind, decode=msgspec.json.decode)
        await self._send(
            "PATCH",
            resource,
            name,
            content=json.dumps(manifest),
            params={"fieldManager": _FIELD_MANAGER},
            headers={"Content-Type": _APPLY},
        )

    def log(self, pod: str, container: str, *, follow: bool) -> AsyncIterator[str]:
        """Yield the lines that a container has written, and with `follow` those that it writes.

        Raises:
            PluginError: There is no log, or it breaks off.
        """
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return self.connection.lines(path, params={"container": container, "follow": str(follow).lower()})

    async def _send(self, method: str, resource: Resource[Any], name: str, **options: Any) -> bytes:
        answer = await self.connection.request(method, resource.path(self.namespace, name), **options)
        if answer.code >= _OK:
            raise status_error(answer.code, answer.message, resource, name, self.namespace)
        return answer.body


class _List(msgspec.Struct):
    """A list of objects, each as it came."""

    items: list[msgspec.Raw]


def _decoded(resource: Resource[T], body: bytes) -> T:
    try:
        return resource.decode(body)
    except ValidationError as error:
        first = located(error.errors(include_url=False, include_input=False)[0])
        raise PluginError(
            f"{resource.kind} is of another version than this plugin reads ({first}): install the plugin of the "
            "controller's version"
        ) from error
    except msgspec.MsgspecError as error:
        raise PluginError(f"{resource.kind} cannot be read: {error}") from error
