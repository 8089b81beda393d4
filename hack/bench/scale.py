"""``make bench-scale``: the controller's memory, CPU and times with many requests, on a real API server.

A controller of its own process sees requests come all at once, then their results; started again, it finds them all
finished. The results are those of a real plan. Kubelet and publisher are played: no pod runs.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output, pack
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.runtime import AlreadyExistsError, Client, Config, Key, Resource, decode_dict
from hack.bench.processes import pss_mb
from hack.cluster.api import opener
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.users import used

_NAMESPACE = "default"
_CRDS = ("config/crd/bases/nvidia.com_dynamographdeploymentrequests.yaml", "hack/dynamo/crd.yaml")
_SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_AT_ONCE = 16
_LIMIT_S = 900.0
_LOOK_S = 0.25
_SETTLE_S = 10.0

_MOST_JOBS_S = 30.0
_MOST_CPU_MS = 8.0
_MOST_SYNC_S = 4.0
_MOST_MB = 110.0

Objects = Resource[dict[str, Any]]
_REQUESTS: Objects = Resource(
    "nvidia.com", "v1beta1", "dynamographdeploymentrequests", "DynamoGraphDeploymentRequest", decode_dict
)
_DEFINITIONS: Objects = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", decode_dict, namespaced=False
)
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
        await _install(client)
        with _controller(kubeconfig) as running:
            await running.ready()
            cpu, start = running.cpu_s(), time.monotonic()
            await _for_all(range(count), lambda n: client.create(_REQUESTS, _request(n)))
            await _until(lambda: _all(client, _JOBS, count))
            show("all Jobs exist after", time.monotonic() - start, "s", _MOST_JOBS_S)
            show("CPU of the controller for a request", (running.cpu_s() - cpu) / count * 1000, "ms", _MOST_CPU_MS)
            jobs = await client.list(_JOBS, _NAMESPACE)
            await _for_all(jobs, lambda job: _finish(client, job, packed))
            await _until(lambda: _in_phase(client, "Ready", count))
            print(f"{'memory after all have become ready':<52} {running.mb():>8.1f} MB", flush=True)
        with _controller(kubeconfig) as running:
            start = time.monotonic()
            await running.ready()
            show("started again: all caches are in sync after", time.monotonic() - start, "s", _MOST_SYNC_S)
            await asyncio.sleep(_SETTLE_S)
            show("memory with all of them finished", running.mb(), "MB", _MOST_MB)
    return int(any(missed))


def _results() -> bytes:
    """Plan the sample; return its results as the profiler writes them."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "dgdr_controller", "plan", "-f", str(_SAMPLE), "-o", folder)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own program
        return (Path(folder) / "results.json").read_bytes()


async def _install(client: Client) -> None:
    for name in _CRDS:
        manifest = yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))
        manifest["spec"].pop("conversion", None)  # no webhook runs here
        with contextlib.suppress(AlreadyExistsError):
            await client.create(_DEFINITIONS, manifest)

    async def served() -> bool:
        with contextlib.suppress(Exception):
            await client.list(_REQUESTS, _NAMESPACE)
            return True
        return False

    await _until(served)


def _request(number: int) -> Manifest:
    spec = yaml.safe_load(_SAMPLE.read_text(encoding="utf-8"))["spec"] | {"autoApply": False}
    metadata = {"name": f"r-{number}", "namespace": _NAMESPACE}
    return {"apiVersion": _REQUESTS.api_version, "kind": _REQUESTS.kind, "metadata": metadata, "spec": spec}


async def _finish(client: Client, job: Mapping[str, Any], packed: str) -> None:
    """Write what publisher and kubelet write for a Job that succeeds."""
    metadata, pod = job["metadata"], job["spec"]["template"]["spec"]
    env = {variable["name"]: variable.get("value", "") for variable in pod["initContainers"][0]["env"]}
    run = RunStatus(status=RunState.SUCCESS, phase="Done", message="done", exit_code=0)
    content = output.data(Output(metadata["uid"], env["DGDR_INPUTS"], run, packed))
    name = metadata["name"].replace("profile-", "dgdr-output-", 1)
    named = {"metadata": {"name": name, "namespace": _NAMESPACE}}
    await client.apply(_CONFIG_MAPS, named | content, field_manager="dgdr-publisher")
    selector = f"batch.kubernetes.io/job-name={metadata['name']}"
    for found in await client.list(_PODS, _NAMESPACE, label_selector=selector):
        key = Key(_NAMESPACE, found["metadata"]["name"])
        await client.patch(_PODS, key, {"status": {"phase": "Succeeded"}}, subresource="status")


async def _all(client: Client, resource: Objects, count: int) -> bool:
    return len(await client.list(resource, _NAMESPACE)) == count


async def _in_phase(client: Client, phase: str, count: int) -> bool:
    phases = Counter(found.get("status", {}).get("phase") for found in await client.list(_REQUESTS, _NAMESPACE))
    if failed := phases["Failed"]:
        raise RuntimeError(f"{failed} requests have failed")
    return phases[phase] == count


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while not await holds():  # noqa: ASYNC110 - another process is looked at
            await asyncio.sleep(_LOOK_S)


async def _for_all(items: Iterable[Any], act: Callable[[Any], Awaitable[object]]) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Any) -> None:
        async with turns:
            await act(item)

    await asyncio.gather(*map(one, items))


class _Controller:
    """A controller as a process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self._url = f"http://127.0.0.1:{port}/readyz"

    async def ready(self) -> None:
        """Wait until it has synced its caches and reconciles."""

        async def is_ready() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"the controller ended with exit code {self._process.returncode}")
            with contextlib.suppress(urllib.error.URLError, OSError):
                (await asyncio.to_thread(opener().open, self._url, None, 5.0)).close()
                return True
            return False

        await _until(is_ready)

    def mb(self) -> float:
        return pss_mb(self._process.pid)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _controller(kubeconfig: Path) -> Iterator[_Controller]:
    port = _free_port()
    options = ("--no-leader-election", "--metrics-address=", f"--health-address=127.0.0.1:{port}")
    command = (sys.executable, "-m", "dgdr_controller", "manager", f"--kubeconfig={kubeconfig}", *options)
    with tempfile.TemporaryFile() as log, _started(command, log) as process:
        try:
            yield _Controller(process, port)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-3000:].decode())
            raise
        finally:
            process.terminate()
            process.wait()


def _started(command: Sequence[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    # Without the webhook nobody notes who has made a request, so that no rights can be asked for.
    settings = {"DGDR_WEBHOOK__ADDRESS": "", "DGDR_RIGHTS__MODE": "open"}
    return subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)  # noqa: S603 - our own program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
