"""What probes and lifecycle hooks do: an HTTP request, a connection, a command."""

import asyncio
import contextlib
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.launch import Launch

_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is asked.

    Attributes:
        container: Its spec.
        address: Its pod's address.
        launch: How its process was started.
    """

    container: Manifest
    address: str
    launch: Launch


async def failure(handler: Manifest, target: Target, seconds: float) -> str:
    """Do what a probe or hook says; return why it has failed, empty when it has succeeded.

    Args:
        handler: The probe or hook: ``httpGet``, ``tcpSocket``, ``exec`` or ``sleep``.
        target: Whom it asks.
        seconds: How long it may take.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _perform(handler, target)
    except TimeoutError:
        return f"no success within {seconds:g} s"
    except aiohttp.ClientConnectorError as error:
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    except (OSError, aiohttp.ClientError, ValueError) as error:
        return str(error) or type(error).__name__


async def _perform(handler: Manifest, target: Target) -> str:
    if "httpGet" in handler:
        return await _http_get(handler["httpGet"], target)
    if "tcpSocket" in handler:
        action = handler["tcpSocket"]
        _, writer = await asyncio.open_connection(action.get("host") or target.address, port(action["port"], target))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ""
    if "exec" in handler:
        return await _execute(handler["exec"]["command"], target)
    if "sleep" in handler:
        await asyncio.sleep(handler["sleep"]["seconds"])
        return ""
    return f"a virtual node does not support {', '.join(set(handler) & {'grpc'}) or 'this handler'}"


async def _http_get(action: Manifest, target: Target) -> str:
    host, path = action.get("host") or target.address, action.get("path", "/")
    scheme = action.get("scheme", "HTTP").lower()
    url = f"{scheme}://{host}:{port(action['port'], target)}/{path.lstrip('/')}"
    headers = {"User-Agent": "kube-probe/virtual"} | {h["name"]: h["value"] for h in action.get("httpHeaders", [])}
    # As the kubelet: certificates of probed containers are not verified, proxies are not used.
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.get(url, headers=headers) as answer,
    ):
        text = await answer.text(errors="replace")
    if answer.status < HTTPStatus.BAD_REQUEST:
        return ""
    return f"HTTP probe failed with statuscode: {answer.status}: {text[:_SHOWN]}"


async def _execute(command: list[str], target: Target) -> str:
    launch = target.launch.with_command(command)
    child = await asyncio.create_subprocess_exec(
        *launch.command,
        env=launch.environment,
        cwd=launch.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    return "" if child.returncode == 0 else output.decode(errors="replace")[:_SHOWN] or f"exit {child.returncode}"


def port(wanted: int | str, target: Target) -> int:
    """Return the number of a port that may be given by its name.

    Raises:
        ValueError: The container has no port of this name.
    """
    if isinstance(wanted, int) or wanted.isdecimal():
        return int(wanted)
    for known in target.container.get("ports", []):
        if known.get("name") == wanted:
            return int(known["containerPort"])
    raise ValueError(f"the container has no port named {wanted}")
