"""A manager in a process of its own: each source gets a copy, in two writes, between which the process may die.

A source with ``block`` blocks the event loop for a minute, as only a bug does; it is told of sooner than usual.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import dgdr_controller.runtime.manager as managers
from dgdr_controller.runtime import (
    Config,
    Controller,
    Key,
    LeaderElection,
    Manager,
    Resource,
    Result,
    decode_dict,
    log,
)

PARTS: Resource[dict[str, Any]] = Resource("", "v1", "configmaps", "ConfigMap", decode=decode_dict)


class Doubling:
    """Copies sources."""

    def __init__(self, manager: Manager) -> None:
        self.cache, self.client = manager.cache, manager.client

    async def reconcile(self, key: Key) -> Result:
        """Make one copy."""
        source = self.cache.get(PARTS, key)
        if source is None or not key.name.startswith("source"):
            return Result.done()
        if "block" in source.get("data", {}):
            time.sleep(60)  # noqa: ASYNC251 - the bug
        copy = {"namespace": key.namespace, "name": key.name.replace("source", "copy")}
        await self.client.apply(PARTS, {"metadata": copy})
        await asyncio.sleep(0.02)
        await self.client.apply(PARTS, {"metadata": copy, "data": {"done": "yes"}})
        return Result.done()


async def main(kubeconfig: Path, namespace: str, port: str) -> None:
    """Run until a signal comes."""
    log.configure()
    managers._READY_LAG_S = 2.0
    election = LeaderElection("doubling", namespace, lease_duration=3, renew_deadline=2, retry_period=0.3)
    address = f"127.0.0.1:{port}"
    manager = Manager(
        Config.from_kubeconfig(kubeconfig), leader_election=election, health_address=address, metrics_address=address
    )
    manager.cache.watch(PARTS, namespace=namespace)
    manager.add(Controller(manager.cache, Doubling(manager), name="doubling").for_(PARTS).with_options(workers=2))
    await manager.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
