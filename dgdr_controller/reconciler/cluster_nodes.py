"""The cluster's nodes as requests see them. Requests are many and look often: they share what was read a moment ago."""

import asyncio
from dataclasses import dataclass, replace

from dgdr_controller.hardware.inventory import Inventory
from dgdr_controller.hardware.nodes import NodeGpus, read_node, with_measured
from dgdr_controller.kinds import NODES
from dgdr_controller.runtime import Cache

_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Nodes:
    """What was read.

    Attributes:
        gpus: Nodes with GPUs; None: their exporters are still asked for the first time.
        several: Whether there are several nodes, with GPUs or without.
    """

    gpus: tuple[NodeGpus, ...] | None
    several: bool


class ClusterNodes:
    """Reads the nodes.

    Args:
        cache: What the watches report.
        inventory: What else is known of the cluster's GPUs; None: they are not looked for.
    """

    def __init__(self, cache: Cache, inventory: Inventory | None) -> None:
        self._cache, self._inventory = cache, inventory
        self._known: Nodes | None = None
        self._at = 0.0

    def now(self) -> Nodes:
        """Return the nodes as they are now."""
        self._at = asyncio.get_running_loop().time()
        self._known = Nodes(self._gpus(), len(self._cache.metas(NODES)) > 1)
        return self._known

    def recent(self) -> Nodes:
        """Return the nodes as they were within the last second."""
        if self._known is None or asyncio.get_running_loop().time() - self._at > _FRESH_S:
            return self.now()
        return self._known

    def _gpus(self) -> tuple[NodeGpus, ...] | None:
        if self._inventory is None:
            return ()
        found = self._inventory.snapshot()
        if found is None:
            return None
        nodes = filter(None, map(read_node, self._cache.list(NODES)))
        return tuple(
            replace(
                with_measured(node, found.measured.get(node.node)),
                used=None if found.used is None else found.used.get(node.node, 0),
            )
            for node in nodes
        )
