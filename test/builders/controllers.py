"""A controller of widgets, and the manager that runs it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from dgdr_controller.runtime import Key, Manager, Resource, Result
from dgdr_controller.runtime.testing import until

Widgets = Resource[dict[str, Any]]


class Reconciler:
    """Counts, and does what the test says."""

    def __init__(self, act: Callable[[Key], Awaitable[Result]] | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self.act = act

    async def reconcile(self, key: Key) -> Result:
        self.calls[key.name] += 1
        return await self.act(key) if self.act else Result.done()


def widget(name: str, size: int = 1, owner: str = "", **other: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": name, "namespace": "ns"}, "spec": {"size": size}} | other
    if owner:
        body["metadata"]["ownerReferences"] = [
            {"apiVersion": "example.com/v1alpha7", "kind": "Widget", "name": owner, "uid": "u", "controller": True},
        ]
    return body


@asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[None]:
    task = asyncio.ensure_future(manager.run())
    await until(lambda: manager._unsynced() == "" or task.done())
    try:
        yield
    finally:
        manager.stop()
        await task
