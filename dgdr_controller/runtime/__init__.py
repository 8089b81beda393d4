'''A controller runtime: knows how to watch, queue, reconcile, lead and stop; knows nothing of what is reconciled.

A whole controller, which keeps one ConfigMap equal to the data of each Widget:

```python
import asyncio

from dgdr_controller.runtime import Config, Controller, Key, LeaderElection, Manager, Resource, Result, decode_dict

WIDGETS = Resource("example.com", "v1", "widgets", "Widget", decode=decode_dict)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", decode=decode_dict)


class Mirror:
    """Keeps a ConfigMap of the same name equal to a Widget's spec."""

    def __init__(self, manager: Manager) -> None:
        self.cache, self.client = manager.cache, manager.client

    async def reconcile(self, key: Key) -> Result:
        widget = self.cache.get(WIDGETS, key)
        if widget is None:
            return Result.done()
        owner = {"apiVersion": WIDGETS.api_version, "kind": WIDGETS.kind, "name": key.name, "controller": True}
        metadata = {"namespace": key.namespace, "name": key.name}
        metadata["ownerReferences"] = [owner | {"uid": widget["metadata"]["uid"]}]
        await self.client.apply(CONFIG_MAPS, {"metadata": metadata, "data": widget["spec"]})
        return Result.done()


async def main() -> None:
    manager = Manager(Config.load(), leader_election=LeaderElection("mirror"))
    controller = Controller(manager.cache, Mirror(manager), name="mirror")
    manager.add(controller.for_(WIDGETS).owns(CONFIG_MAPS).with_options(workers=4))
    await manager.run()


if __name__ == "__main__":
    asyncio.run(main())
```

Layers, each usable alone: `transport` and `client` → `reflector` and `cache` → `workqueue` → `controller` → `manager`.
'''

from dgdr_controller.runtime.cache import Cache
from dgdr_controller.runtime.client import Client, Manifest, PatchType, Propagation
from dgdr_controller.runtime.config import Config
from dgdr_controller.runtime.controller import Controller
from dgdr_controller.runtime.errors import (
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    ConfigError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotLeaderError,
    NotSyncedError,
    NotWatchedError,
    RequestError,
    RuntimeFault,
    ServerError,
    TerminalError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from dgdr_controller.runtime.events import EventRecorder, Reference
from dgdr_controller.runtime.informer import by_label, by_owner
from dgdr_controller.runtime.leader_election import LeaderElection
from dgdr_controller.runtime.manager import Manager
from dgdr_controller.runtime.predicates import (
    Change,
    ChangeType,
    annotations_changed,
    any_of,
    generation_changed,
    labels_changed,
    negate,
    not_own_write,
)
from dgdr_controller.runtime.resource import CachedObject, Key, ObjectMeta, OwnerReference, Resource, decode_dict
from dgdr_controller.runtime.result import Reconciler, Result

__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "BadRequestError",
    "Cache",
    "CachedObject",
    "Change",
    "ChangeType",
    "Client",
    "Config",
    "ConfigError",
    "ConflictError",
    "Controller",
    "EventRecorder",
    "ExpiredError",
    "ForbiddenError",
    "InvalidError",
    "Key",
    "LeaderElection",
    "Manager",
    "Manifest",
    "NotFoundError",
    "NotLeaderError",
    "NotSyncedError",
    "NotWatchedError",
    "ObjectMeta",
    "OwnerReference",
    "PatchType",
    "Propagation",
    "Reconciler",
    "Reference",
    "RequestError",
    "Resource",
    "Result",
    "RuntimeFault",
    "ServerError",
    "TerminalError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "annotations_changed",
    "any_of",
    "by_label",
    "by_owner",
    "decode_dict",
    "generation_changed",
    "labels_changed",
    "negate",
    "not_own_write",
]
