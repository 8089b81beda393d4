"""``python -m hack.dynamo KUBECONFIG``: runs the stand-in until it is ended."""

import asyncio
import sys
from pathlib import Path

from dgdr_controller.runtime import Config, Controller, Manager
from dgdr_controller.runtime.log import configure
from hack.dynamo.kinds import DEPLOYMENTS, GRAPHS
from hack.dynamo.operator import GraphReconciler


async def main(kubeconfig: Path) -> None:
    """Run the operator."""
    manager = Manager(Config.from_kubeconfig(kubeconfig), metrics_address="", health_address="")
    manager.cache.watch(GRAPHS, optional=True)
    Controller(manager, GraphReconciler(manager), name="dynamo").for_(GRAPHS).owns(DEPLOYMENTS)
    await manager.run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(Path(sys.argv[1])))
