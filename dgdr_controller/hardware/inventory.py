"""What is known of the cluster's GPUs beyond its nodes: looked for in the background, so that no request waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.json import Decoder

from dgdr_api.dgd import GPU_RESOURCES
from dgdr_controller.hardware import exporters
from dgdr_controller.hardware.dcgm import Measured
from dgdr_controller.hardware.metrics import LAST_UPDATE, SCRAPE_FAILURES
from dgdr_controller.runtime import Client, RequestError, Resource
from dgdr_controller.runtime.log import get_logger

log = get_logger(__name__)

_FRESH_S = 60.0
"""How old what exporters said may be."""
_USED_FRESH_S = 5.0
"""How old the number of used GPUs may be, where it is counted fast: somebody may wait for a free one."""
_REST = 20
"""Times as long as counting took, in which it is not done again: in a cluster with many pods it takes seconds."""
_BUSY = "status.phase!=Succeeded,status.phase!=Failed"
_MOST_PAGES = 200
"""Of 500 pods: where there are more, nobody counts who uses GPUs."""


class _Resources(Struct, frozen=True):
    requests: dict[str, str] = {}


class _Container(Struct, frozen=True):
    resources: _Resources = _Resources()


class _Spec(Struct, frozen=True, rename="camel"):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class _Pod(Struct, frozen=True):
    spec: _Spec = _Spec()


_PODS = Resource("", "v1", "pods", "Pod", decode=Decoder(_Pod).decode)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was found.

    Attributes:
        measured: By node what its DCGM exporter says, or why it says nothing.
        used: By node how many GPUs its pods have requested; None: not known.
    """

    measured: Mapping[str, Measured | str] = field(default_factory=dict)
    used: Mapping[str, int] | None = None


class Inventory:
    """Looks again when what it knows is too old and somebody asks: without requests nothing is looked at.

    Args:
        client: The API server.
        now: A clock.
    """

    def __init__(self, client: Client, now: Callable[[], float] | None = None) -> None:
        self._client, self._now = client, now or (lambda: asyncio.get_running_loop().time())
        self._asked = asyncio.Event()
        self._found: Snapshot | None = None
        self._measured_at = float("-inf")
        self._count_again_at = float("-inf")

    def snapshot(self) -> Snapshot | None:
        """Return what was found last; None before the first look has ended, which takes seconds."""
        if self._now() >= self._count_again_at or self._is_old():
            self._asked.set()
        return self._found

    def _is_old(self) -> bool:
        return self._now() - self._measured_at > _FRESH_S

    async def run(self) -> None:
        """Look at once, and whenever somebody asks, until cancelled."""
        while True:
            measured = self._found.measured if self._found else {}
            if self._is_old():
                measured = await self._measured()
                self._measured_at = self._now()
            begun = self._now()
            self._found = Snapshot(measured, await self._used())
            took = self._now() - begun
            self._count_again_at = self._now() + min(max(_USED_FRESH_S, _REST * took), _FRESH_S)
            LAST_UPDATE.set_to_current_time()
            self._asked.clear()
            await self._asked.wait()

    async def _measured(self) -> Mapping[str, Measured | str]:
        try:
            found = await exporters.ask(await exporters.find(self._client))
        except RequestError as error:
            log.warning("DCGM exporters cannot be looked for", error=str(error))
            return self._found.measured if self._found else {}
        SCRAPE_FAILURES.inc(sum(isinstance(answer, str) for answer in found.values()))
        return found

    async def _used(self) -> Mapping[str, int] | None:
        """Count the GPUs that pods have requested, by node."""
        used: Counter[str] = Counter()
        token = ""
        try:
            for _ in range(_MOST_PAGES):
                page = await self._client.page(_PODS, field_selector=_BUSY, token=token)
                for raw in page.items:
                    spec = _PODS.decode(bytes(raw)).spec
                    if spec.node_name:
                        used[spec.node_name] += sum(map(_gpus, spec.containers))
                token = page.token
                if not token:
                    return {node: count for node, count in used.items() if count}
        except RequestError as error:
            log.warning("Pods cannot be counted", error=str(error))
        return None


def _gpus(container: _Container) -> int:
    requested = (container.resources.requests.get(resource, "0") for resource in GPU_RESOURCES.values())
    return sum(int(quantity) for quantity in requested if quantity.isdecimal())
