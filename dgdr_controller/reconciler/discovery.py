"""Which API groups the cluster serves: some of what can be deployed depends on other operators."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from dgdr_controller.runtime import Client, Resource

MULTINODE = frozenset({"grove.io", "leaderworkerset.x-k8s.io"})
"""Groups of the operators that run an engine over several nodes, of which Dynamo's takes either."""

_FRESH_S = 30.0
_MISSING_S = 2.0
"""As long as a group is missing somebody may wait for it."""


class _Group(msgspec.Struct):
    name: str


class _Groups(msgspec.Struct):
    groups: list[_Group]


class Discovery:
    """Asks the API server, and remembers the answer for half a minute; that something is missing, for two seconds."""

    def __init__(self, client: Client, now: Callable[[], float] | None = None) -> None:
        self._client, self._now = client, now or (lambda: asyncio.get_running_loop().time())
        self._known: frozenset[str] = frozenset()
        self._asked = float("-inf")
        self._kinds: dict[Resource[Any], tuple[float, bool]] = {}

    async def serves_any(self, groups: frozenset[str]) -> bool:
        """Say whether the cluster serves one of these groups.

        Raises:
            ApiError: The API server does not answer.
        """
        age = self._now() - self._asked
        if age > (_FRESH_S if self._known & groups else _MISSING_S):
            found = msgspec.json.decode(await self._client.get_raw("/apis"), type=_Groups)
            self._known, self._asked = frozenset(group.name for group in found.groups), self._now()
        return bool(self._known & groups)

    async def serves(self, resource: Resource[Any]) -> bool:
        """Say whether the cluster serves a kind.

        Raises:
            ApiError: The API server does not answer.
        """
        asked, known = self._kinds.get(resource, (float("-inf"), False))
        if self._now() - asked > (_FRESH_S if known else _MISSING_S):
            known = await self._client.serves(resource)
            self._kinds[resource] = self._now(), known
        return known
