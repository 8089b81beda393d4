"""Which API groups the cluster serves: some of what can be deployed depends on other operators."""

import time
from collections.abc import Callable

import msgspec

from dgdr_controller.runtime import Client

MULTINODE = frozenset({"grove.io", "leaderworkerset.x-k8s.io"})
"""Groups of the operators that run an engine over several nodes, of which Dynamo's takes either."""

_FRESH_S = 30.0


class _Group(msgspec.Struct):
    name: str


class _Groups(msgspec.Struct):
    groups: list[_Group]


class Discovery:
    """Asks the API server, and remembers the answer for half a minute."""

    def __init__(self, client: Client, now: Callable[[], float] = time.monotonic) -> None:
        self._client, self._now = client, now
        self._known: frozenset[str] = frozenset()
        self._asked = float("-inf")

    async def serves_any(self, groups: frozenset[str]) -> bool:
        """Say whether the cluster serves one of these groups.

        Raises:
            ApiError: The API server does not answer.
        """
        if self._now() - self._asked > _FRESH_S:
            found = msgspec.json.decode(await self._client.get_raw("/apis"), type=_Groups)
            self._known, self._asked = frozenset(group.name for group in found.groups), self._now()
        return bool(self._known & groups)
