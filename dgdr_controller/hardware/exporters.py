"""DCGM exporters of a cluster: found by their labels, and asked at once, within bounds."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp
from msgspec import Struct
from msgspec.json import Decoder

from dgdr_controller.hardware.dcgm import Measured, read
from dgdr_controller.kinds import Meta
from dgdr_controller.runtime import Client, Resource

_SELECTORS = ("app=nvidia-dcgm-exporter", "app=dcgm-exporter", "app.kubernetes.io/name=dcgm-exporter")
"""Labels of NVIDIA's GPU Operator and of the exporter's own chart."""
_PORT = 9400
_PORT_NAME = "metrics"
_TIMEOUT_S, _TOTAL_S = 3.0, 10.0
_AT_ONCE = 32
_LONGEST = 4 * 2**20


class _Port(Struct, frozen=True, rename="camel"):
    container_port: int = 0
    name: str = ""


class _Container(Struct, frozen=True):
    ports: tuple[_Port, ...] = ()


class _Spec(Struct, frozen=True, rename="camel"):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class _Status(Struct, frozen=True, rename={"pod_ip": "podIP"}):
    phase: str = ""
    pod_ip: str = ""


class _Pod(Struct, frozen=True):
    metadata: Meta
    spec: _Spec = _Spec()
    status: _Status = _Status()


_PODS = Resource("", "v1", "pods", "Pod", decode=Decoder(_Pod).decode)


@dataclass(frozen=True, slots=True, order=True)
class Exporter:
    """A pod that exports what it measures of its node's GPUs.

    Attributes:
        name: Namespace and name, as messages show it.
        node: The node that it runs on, which is the one that it measures.
        url: Where its metrics are.
    """

    name: str
    node: str
    url: str


async def find(client: Client) -> list[Exporter]:
    """Return the exporters that run.

    Raises:
        RequestError: The API server does not answer.
    """
    found = {_exporter(pod) for selector in _SELECTORS for pod in await client.list(_PODS, label_selector=selector)}
    return sorted(exporter for exporter in found if exporter is not None)


def _exporter(pod: _Pod) -> Exporter | None:
    if pod.status.phase != "Running" or not pod.status.pod_ip or not pod.spec.node_name:
        return None
    ports = [port for container in pod.spec.containers for port in container.ports]
    number = next((port.container_port for port in ports if port.name == _PORT_NAME), _PORT)
    host = f"[{pod.status.pod_ip}]" if ":" in pod.status.pod_ip else pod.status.pod_ip
    return Exporter(
        f"{pod.metadata.namespace}/{pod.metadata.name}", pod.spec.node_name, f"http://{host}:{number}/metrics"
    )


async def ask(exporters: Iterable[Exporter]) -> Mapping[str, Measured | str]:
    """Ask exporters what they measure; return by node what they say, or why there is nothing to be had.

    Takes at most ten seconds, whatever they do.
    """
    asked = sorted(exporters)
    turns = asyncio.Semaphore(_AT_ONCE)
    limits = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=limits, connector=connector, trust_env=False) as session:
        tasks = [asyncio.create_task(_ask(session, exporter, turns)) for exporter in asked]
        if tasks:
            await asyncio.wait(tasks, timeout=_TOTAL_S)
        for task in tasks:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    found: dict[str, Measured | str] = {}
    for exporter, answer in zip(asked, answers, strict=True):
        message = _failed(exporter, answer) if isinstance(answer, BaseException) else answer
        if exporter.node not in found or isinstance(found[exporter.node], str):
            found[exporter.node] = message
    return found


def _failed(exporter: Exporter, error: BaseException) -> str:
    late = isinstance(error, asyncio.CancelledError)
    return f"{exporter.name}: {f'no answer within {_TOTAL_S:g} s' if late else error}"


async def _ask(session: aiohttp.ClientSession, exporter: Exporter, turns: asyncio.Semaphore) -> Measured | str:
    async with turns:
        try:
            async with session.get(exporter.url, allow_redirects=False) as answer:
                if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
                    return f"{exporter.name} answers with status {answer.status}"
                text = await answer.content.read(_LONGEST + 1)
                while len(text) <= _LONGEST and (more := await answer.content.read(_LONGEST + 1 - len(text))):
                    text += more
        except TimeoutError:
            return f"{exporter.name} does not answer within {_TIMEOUT_S:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"{exporter.name} cannot be reached: {error}"
    if len(text) > _LONGEST:
        return f"{exporter.name} answers with more than {_LONGEST} bytes"
    try:
        return read(text.decode("utf-8", "replace"))
    except ValueError as error:
        return f"{exporter.name}: {error}"
