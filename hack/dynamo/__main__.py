"""``python -m hack.dynamo KUBECONFIG``: runs the stand-in until it is ended."""

import asyncio
import sys
from pathlib import Path

from dgdr_controller.runtime import Client, Config, Controller, Manager
from dgdr_controller.runtime.log import configure
from hack.dynamo.kinds import DEPLOYMENTS, GRAPHS, NODES
from hack.dynamo.operator import GraphReconciler
from hack.virtual_kubelet.node import TYPE_LABEL, VIRTUAL


async def main(kubeconfig: Path) -> None:
    """Run the operator."""
    config = Config.from_kubeconfig(kubeconfig)
    async with Client(config) as client:
        virtual = bool(await client.list(NODES, label_selector=f"{TYPE_LABEL}={VIRTUAL}"))
    manager = Manager(config, metrics_address="", health_address="")
    manager.cache.watch(GRAPHS, optional=True)
    manager.add(
        Controller(manager.cache, GraphReconciler(manager, virtual=virtual), name="dynamo")
        .for_(GRAPHS)
        .owns(DEPLOYMENTS)
    )
    await manager.run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(Path(sys.argv[1])))
