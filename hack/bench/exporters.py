"""``make bench-exporters``: how long requests take with DCGM exporters that never answer, beside without them.

Exporters are pods of a real API server whose address is a port of this machine that takes connections and is silent;
without them, the nodes are the same.
Requests come one after the other; a time is from the creation of a request to that of its Job.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from dgdr_controller.runtime import Client, Config, Key, NotFoundError, Resource, decode_dict
from hack.bench.controller_process import NAMESPACE, REQUESTS, Objects, controller, install, request
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.users import used

_PORT = 9400
_MOST_RATIO = 1.2
_PODS: Objects = Resource("", "v1", "pods", "Pod", decode_dict)
_NODES: Objects = Resource("", "v1", "nodes", "Node", decode_dict, namespaced=False)
_JOBS: Objects = Resource("batch", "v1", "jobs", "Job", decode_dict)
_LABELS = {"app": "nvidia-dcgm-exporter"}
_KNOWN_S = 15.0
"""When the controller has given every exporter up for the first time."""


def main() -> int:
    """Measure and print a line for each round; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exporters", type=int, default=60, help="how many (default 60)")
    parser.add_argument("--requests", type=int, default=200, help="in each round (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="with and without exporters, in turns (default 3)")
    asked = parser.parse_args()
    cluster = Local(layout("bench-exporters"))
    with used(cluster, Level.CONTROL_PLANE):
        return asyncio.run(_measured(cluster.kubeconfig, asked.exporters, asked.requests, asked.rounds))


async def _measured(kubeconfig: Path, exporters: int, requests: int, rounds: int) -> int:
    times: dict[int, list[float]] = {0: [], exporters: []}
    async with Client(Config.from_kubeconfig(kubeconfig)) as client:
        await install(client)
        for number in range(rounds):
            for silent in times:
                async with _silent(client, exporters, silent) as asked:
                    with controller(kubeconfig) as running:
                        await running.ready()
                        await asyncio.sleep(_KNOWN_S)
                        found = [await _one(client, f"e{silent}-{number}-{n}") for n in range(requests)]
                    times[silent] += found
                    print(f"{silent:>3} exporters, asked {asked.count} times: {_line(found)}", flush=True)
    ratio = _p99(times[exporters]) / _p99(times[0])
    missed = ratio > _MOST_RATIO
    print(f"p99 with {exporters} silent exporters: {ratio:.2f} of that without (bar {_MOST_RATIO}){' MISSED' * missed}")
    return int(missed)


async def _one(client: Client, name: str) -> float:
    """Create a request; return the seconds until its Job exists. Both are deleted."""
    begun = time.monotonic()
    made = request(0)
    await client.create(REQUESTS, made | {"metadata": made["metadata"] | {"name": name}})
    job = Key(NAMESPACE, f"profile-{name}")
    while True:
        try:
            await client.get(_JOBS, job)
            break
        except NotFoundError:
            await asyncio.sleep(0.002)
    took = time.monotonic() - begun
    await client.delete(REQUESTS, Key(NAMESPACE, name))
    return took


def _line(found: list[float]) -> str:
    return f"median {statistics.median(found) * 1000:.0f} ms, p99 {_p99(found) * 1000:.0f} ms"


def _p99(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]


class _Listener:
    """Takes connections and says nothing.

    Attributes:
        count: Connections so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._open: list[asyncio.StreamWriter] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a connection until the other side gives it up."""
        self.count += 1
        self._open.append(writer)
        with contextlib.suppress(OSError):
            while await reader.read(1024):
                pass
        writer.close()


@contextlib.asynccontextmanager
async def _silent(client: Client, nodes: int, count: int) -> AsyncIterator[_Listener]:
    """Have nodes with GPUs, and on so many of them an exporter, each at an address of its own."""
    listener = _Listener()
    addresses = [f"127.42.{n // 250}.{n % 250 + 1}" for n in range(count)]
    for number in range(nodes):
        await _node(client, f"silent-{number}")
    servers = [await asyncio.start_server(listener.take, address, _PORT) for address in addresses]
    try:
        for number, address in enumerate(addresses):
            await _exporter(client, f"silent-{number}", address)
        yield listener
    finally:
        for server in servers:
            server.close()
        for number in range(count):
            await client.delete(_PODS, Key(NAMESPACE, f"silent-{number}"))
        for number in range(nodes):
            await client.delete(_NODES, Key("", f"silent-{number}"))


async def _node(client: Client, name: str) -> None:
    gpus = {"nvidia.com/gpu": "8", "pods": "110"}
    await client.create(_NODES, {"metadata": {"name": name}})
    ready = [{"type": "Ready", "status": "True"}]
    await client.patch(_NODES, Key("", name), {"status": {"allocatable": gpus, "capacity": gpus, "conditions": ready}},
                       subresource="status")  # fmt: skip


async def _exporter(client: Client, name: str, address: str) -> None:
    container = {"name": "exporter", "image": "none", "ports": [{"name": "metrics", "containerPort": _PORT}]}
    spec = {"nodeName": name, "containers": [container], "terminationGracePeriodSeconds": 0}
    await client.create(_PODS, {"metadata": {"name": name, "namespace": NAMESPACE, "labels": _LABELS}, "spec": spec})
    status = {"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}
    await client.patch(_PODS, Key(NAMESPACE, name), status, subresource="status")


if __name__ == "__main__":
    sys.exit(main())
