"""Has requests looked at again when something changes that they wait for, and that no watch reports."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from dgdr_controller.reconciler.observed_state import ClusterState, Subject
from dgdr_controller.runtime import Key

_PERIOD_S = 2.0
"""Between two rounds."""
_PAUSE_S = 0.02
"""Between two questions: fifty a second at most, as client-go's controllers ask, however many objects are awaited. Of
up to a hundred each is noticed within five seconds, of a thousand within half a minute."""

Look = Callable[[str, Subject], Awaitable[object]]
"""Returns what there is now of a subject in a namespace; `UNKNOWN` where nobody says."""
UNKNOWN = object()


class Awaited:
    """Asks for what requests wait for, each subject once a round however many requests wait for it.

    Nothing that matters is kept here: after a restart each request is looked at, and says again what it waits for.

    Args:
        look: Looks at a subject.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._seen: dict[Key, Mapping[Subject, object]] = {}

    def update(self, key: Key, seen: Mapping[Subject, object]) -> None:
        """Note what a request waits for, and what it has seen of that; nothing: it waits no more."""
        if seen:
            self._seen[key] = seen
        else:
            self._seen.pop(key, None)

    async def run(self, enqueue: Callable[[Key], None]) -> None:
        """Look until cancelled, and name the requests for which something has changed."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            for (namespace, subject), keys in self._waiting().items():
                now = await self._look(namespace, subject)
                for key in keys if now is not UNKNOWN else ():
                    seen = self._seen.get(key, {})  # it may have been looked at meanwhile
                    if subject in seen and seen[subject] != now:
                        enqueue(key)
                await asyncio.sleep(_PAUSE_S)

    def _waiting(self) -> Mapping[tuple[str, Subject], list[Key]]:
        waiting: dict[tuple[str, Subject], list[Key]] = defaultdict(list)
        for key, seen in self._seen.items():
            for subject in seen:
                waiting["" if isinstance(subject, ClusterState) else key.namespace, subject].append(key)
        return waiting
