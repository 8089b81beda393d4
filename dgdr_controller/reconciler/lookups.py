"""Objects that others make and that no watch reports: each is asked for by its name, when a request needs it.

A watch would take the right to list the Secrets of all namespaces, and memory for every one of them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import ValidationError
from msgspec.json import Decoder

from dgdr_controller.kinds import CLAIMS, CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Claim, Named
from dgdr_controller.reconciler.observed_state import ObjectName
from dgdr_controller.runtime import Client, ForbiddenError, Key, NotFoundError, RequestError, Resource
from dgdr_controller.runtime.log import get_logger

_FRESH_S = 5.0
"""How long an answer is as good as a new one: many requests name the same objects."""
_MOST = 10_000
"""Answers that are remembered."""
_CONFIG_MAPS = Resource(
    CONFIG_MAPS.group, CONFIG_MAPS.version, CONFIG_MAPS.plural, CONFIG_MAPS.kind, decode=Decoder(Named).decode
)
_READ: Mapping[str, Resource[Any]] = {
    resource.kind: resource for resource in (CLAIMS, SECRETS, SERVICE_ACCOUNTS, _CONFIG_MAPS)
}
Found = Claim | Named | None
"""An object; None: there is none."""

log = get_logger(__name__)


class NotKnownError(Exception):
    """The API server does not say whether an object exists."""


class Lookups:
    """Reads objects, and remembers the answers for some seconds. Of all but claims only metadata is read.

    Args:
        client: The API server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, ObjectName], tuple[float, Found]] = {}
        self._forbidden: set[str] = set()

    async def find(self, namespace: str, names: Iterable[ObjectName]) -> dict[ObjectName, Found]:
        """Return the objects of these names; one of which nothing is known is left out."""
        found: dict[ObjectName, Found] = {}
        for name in dict.fromkeys(names):
            at, known = self._known.get((namespace, name), (float("-inf"), None))
            if asyncio.get_running_loop().time() - at < _FRESH_S:
                found[name] = known
                continue
            try:
                found[name] = await self.ask(namespace, name)
            except NotKnownError:
                if (namespace, name) in self._known:  # what was so is more likely than its opposite
                    found[name] = known
        return found

    async def ask(self, namespace: str, name: ObjectName) -> Found:
        """Ask the API server for an object now.

        Raises:
            NotKnownError: It does not say.
        """
        resource = _READ[name.kind]
        found: Found
        try:
            found = await self._client.get(resource, Key(namespace, name.name), metadata_only=resource is not CLAIMS)
        except NotFoundError:
            found = None
        except (RequestError, ValidationError) as error:
            self._log(namespace, name, error)
            raise NotKnownError(str(error)) from error
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[namespace, name] = asyncio.get_running_loop().time(), found
        return found

    def _log(self, namespace: str, name: ObjectName, error: Exception) -> None:
        """Say once for each kind that it may not be read: that is how an installation is, and no fault."""
        if not isinstance(error, ForbiddenError):
            log.warning("Cannot look for an object", kind=name.kind, name=name.name, namespace=namespace, error=error)
        elif name.kind not in self._forbidden:
            self._forbidden.add(name.kind)
            log.info("Not allowed to look for objects of a kind; requests that need them are not told", kind=name.kind)
