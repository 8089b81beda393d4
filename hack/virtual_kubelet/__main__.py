"""``python -m hack.virtual_kubelet ROOT``: runs the virtual kubelet of a cluster until it is ended."""

import asyncio
import json
import sys
from pathlib import Path

from dgdr_controller.runtime import Config, Controller, Manager
from dgdr_controller.runtime.log import configure
from hack.cluster.layout import Layout
from hack.cluster.node import NAME
from hack.virtual_kubelet import node, process, shortcut
from hack.virtual_kubelet.component import kubeconfig, settings
from hack.virtual_kubelet.kinds import PODS
from hack.virtual_kubelet.layout import NodeFolder
from hack.virtual_kubelet.pod import Node
from hack.virtual_kubelet.reconciler import PodReconciler
from hack.virtual_kubelet.server import LogServer

_WORKERS = 4


async def main(layout: Layout) -> None:
    """Run the virtual kubelet.

    Args:
        layout: The cluster's files.
    """
    process.kill(process.marked(layout))  # of an earlier life: nobody knows any more how they end
    port = json.loads(settings(layout).read_text())["port"]
    config = Config.from_kubeconfig(kubeconfig(layout))
    manager = Manager(config)
    manager.cache.watch(PODS, field_selector=f"spec.nodeName={NAME}")
    folder = NodeFolder(shortcut.ensure(layout))
    own = Node(layout, folder, manager.client, manager.recorder("kubelet"), config.server)
    pods = PodReconciler(manager.cache, own, lambda key: controller.enqueue(key))  # noqa: PLW0108 - made below
    controller = Controller(manager.cache, pods, name="pods").for_(PODS).with_options(workers=_WORKERS)
    manager.add(controller)
    manager.add_server(LogServer(layout.certificates, folder, port, manager.cache, pods.record))
    manager.add(pods.run)
    manager.add(lambda: node.run(manager.client, port))
    await manager.run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(Layout(Path(sys.argv[1]))))
