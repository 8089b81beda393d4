"""A controller as a process of this machine, beside a real API server, for benchmarks. No webhook runs here."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import AlreadyExistsError, Client, Resource, decode_dict
from hack.bench.processes import pss_mb
from hack.cluster.api import opener
from hack.cluster.layout import CHECKOUT

NAMESPACE = "default"
SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_CRDS = ("config/crd/bases/nvidia.com_dynamographdeploymentrequests.yaml", "hack/dynamo/crd.yaml")
_LIMIT_S = 900.0
_LOOK_S = 0.25

Objects = Resource[dict[str, Any]]
REQUESTS: Objects = Resource(
    "nvidia.com", "v1beta1", "dynamographdeploymentrequests", "DynamoGraphDeploymentRequest", decode_dict
)
_DEFINITIONS: Objects = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", decode_dict, namespaced=False
)


async def install(client: Client) -> None:
    """Install the CRDs, and wait until they are served."""
    for name in _CRDS:
        manifest = yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))
        manifest["spec"].pop("conversion", None)  # no webhook runs here
        with contextlib.suppress(AlreadyExistsError):
            await client.create(_DEFINITIONS, manifest)

    async def served() -> bool:
        with contextlib.suppress(Exception):
            await client.list(REQUESTS, NAMESPACE)
            return True
        return False

    await until(served)


def request(number: int) -> Manifest:
    """Return a request like the sample, which is not to be deployed."""
    spec = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))["spec"] | {"autoApply": False}
    metadata = {"name": f"r-{number}", "namespace": NAMESPACE}
    return {"apiVersion": REQUESTS.api_version, "kind": REQUESTS.kind, "metadata": metadata, "spec": spec}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not within a quarter of an hour.
    """
    async with asyncio.timeout(_LIMIT_S):
        while not await holds():  # noqa: ASYNC110 - another process is looked at
            await asyncio.sleep(_LOOK_S)


class ControllerProcess:
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

        await until(is_ready)

    def mb(self) -> float:
        """Return its memory in MB: pages that it shares count in part."""
        return pss_mb(self._process.pid)

    def cpu_s(self) -> float:
        """Return the seconds that it has computed."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def controller(kubeconfig: Path) -> Iterator[ControllerProcess]:
    """Run a controller; where something fails, the end of its log is printed."""
    port = _free_port()
    options = ("--no-leader-election", "--metrics-address=", f"--health-address=127.0.0.1:{port}")
    command = (sys.executable, "-m", "dgdr_controller", "manager", f"--kubeconfig={kubeconfig}", *options)
    with tempfile.TemporaryFile() as log, _started(command, log) as process:
        try:
            yield ControllerProcess(process, port)
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
