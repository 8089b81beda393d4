"""``make bench-scale``: the controller's memory, CPU and times with many requests, on a real API server.

A controller of its own process sees requests come all at once, then their results; started again, it finds them all
finished. The results are those of a real plan. Kubelet and publisher are played: no pod runs.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.runtime import Client, Config, Key, Resource, decode_dict
from hack.bench.controller_process import NAMESPACE, REQUESTS, SAMPLE, Objects, controller, install, request, until
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.users import used

_AT_ONCE = 16
_SETTLE_S = 10.0

_MOST_JOBS_S = 30.0
_MOST_CPU_MS = 8.0
_MOST_SYNC_S = 4.0
_MOST_MB = 110.0

_JOBS: Objects = Resource("batch", "v1", "jobs", "Job", decode_dict)
_PODS: Objects = Resource("", "v1", "pods", "Pod", decode_dict)
_CONFIG_MAPS: Objects = Resource("", "v1", "configmaps", "ConfigMap", decode_dict)


def main() -> int:
    """Measure and print a table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="how many (default 1000)")
    asked = parser.parse_args()
    cluster = Local(layout("bench-scale"))
    with used(cluster, Level.CONTROL_PLANE):
        return asyncio.run(_measured(cluster.kubeconfig, asked.requests))


async def _measured(kubeconfig: Path, count: int) -> int:
    packed = pack(_results())
    print(f"{count} requests, each with {len(packed) / 1024:.0f} KiB of results", flush=True)
    missed = []

    def show(what: str, value: float, unit: str, bar: float) -> None:
        missed.append(value > bar)
        print(f"{what:<52} {value:>8.1f} {unit:<3} bar {bar:g} {unit}{' MISSED' * missed[-1]}", flush=True)

    async with Client(Config.from_kubeconfig(kubeconfig)) as client:
        await install(client)
        with controller(kubeconfig) as running:
            await running.ready()
            cpu, start = running.cpu_s(), time.monotonic()
            await _for_all(range(count), lambda n: client.create(REQUESTS, request(n)))
            await until(lambda: _all(client, _JOBS, count))
            show("all Jobs exist after", time.monotonic() - start, "s", _MOST_JOBS_S)
            show("CPU of the controller for a request", (running.cpu_s() - cpu) / count * 1000, "ms", _MOST_CPU_MS)
            jobs = await client.list(_JOBS, NAMESPACE)
            await _for_all(jobs, lambda job: _finish(client, job, packed))
            await until(lambda: _in_phase(client, "Ready", count))
            print(f"{'memory after all have become ready':<52} {running.mb():>8.1f} MB", flush=True)
        with controller(kubeconfig) as running:
            start = time.monotonic()
            await running.ready()
            show("started again: all caches are in sync after", time.monotonic() - start, "s", _MOST_SYNC_S)
            await asyncio.sleep(_SETTLE_S)
            show("memory with all of them finished", running.mb(), "MB", _MOST_MB)
    return int(any(missed))


def _results() -> bytes:
    """Plan the sample; return its results as the profiler writes them."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "dgdr_controller", "plan", "-f", str(SAMPLE), "-o", folder)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own program
        return (Path(folder) / "results.json").read_bytes()


async def _finish(client: Client, job: Mapping[str, Any], packed: str) -> None:
    """Write what publisher and kubelet write for a Job that succeeds."""
    metadata, pod = job["metadata"], job["spec"]["template"]["spec"]
    env = {variable["name"]: variable.get("value", "") for variable in pod["initContainers"][0]["env"]}
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="done", exit_code=0)
    content = output.data(Output(metadata["uid"], env["DGDR_INPUTS"], run, packed))
    name = metadata["name"].replace("profile-", "dgdr-output-", 1)
    named = {"metadata": {"name": name, "namespace": NAMESPACE}}
    await client.apply(_CONFIG_MAPS, named | content, field_manager="dgdr-publisher")
    selector = f"batch.kubernetes.io/job-name={metadata['name']}"
    for found in await client.list(_PODS, NAMESPACE, label_selector=selector):
        key = Key(NAMESPACE, found["metadata"]["name"])
        await client.patch(_PODS, key, {"status": {"phase": "Succeeded"}}, subresource="status")


async def _all(client: Client, resource: Objects, count: int) -> bool:
    return len(await client.list(resource, NAMESPACE)) == count


async def _in_phase(client: Client, phase: str, count: int) -> bool:
    phases = Counter(found.get("status", {}).get("phase") for found in await client.list(REQUESTS, NAMESPACE))
    if failed := phases["Failed"]:
        raise RuntimeError(f"{failed} requests have failed")
    return phases[phase] == count


async def _for_all(items: Iterable[Any], act: Callable[[Any], Awaitable[object]]) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Any) -> None:
        async with turns:
            await act(item)

    await asyncio.gather(*map(one, items))


if __name__ == "__main__":
    sys.exit(main())
