"""An etcd of a local cluster that is small and gets full, asked over its JSON gateway."""

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

from hack.cluster.layout import Layout
from hack.cluster.local import Local
from hack.cluster.supervisor import Component

_SMALL = "etcd-small"
_URL = "--listen-client-urls="
_TRIES = 100
_PAUSE_S = 0.1


async def limit(own: Local, quota_bytes: int) -> "Etcd":
    """Have a cluster's etcd refuse writes when its database is larger than this; return how it is asked."""
    command = next(
        component["command"]
        for component in json.loads(own.layout.plan.read_text())["components"]
        if component["name"] == "etcd"
    )
    await asyncio.to_thread(own.hold, "etcd")
    small = Component(_SMALL, (*command, f"--quota-backend-bytes={quota_bytes}"))
    await asyncio.to_thread(own.add, small)
    etcd = Etcd(own.layout, next(part.removeprefix(_URL) for part in command if part.startswith(_URL)))
    await etcd.ready()
    return etcd


@dataclass(frozen=True, slots=True)
class Etcd:
    """An etcd.

    Attributes:
        layout: Of its cluster.
        url: Where it listens.
    """

    layout: Layout
    url: str

    async def ready(self) -> None:
        """Wait until it answers."""
        for _ in range(_TRIES):
            try:
                await self._ask("maintenance/status")
            except aiohttp.ClientError:
                await asyncio.sleep(_PAUSE_S)
            else:
                return
        raise TimeoutError("etcd does not answer")

    async def size(self) -> int:
        """Return the bytes of its database."""
        return int((await self._ask("maintenance/status"))["dbSize"])

    async def is_full(self) -> bool:
        """Say whether it refuses writes."""
        return bool(await self._alarms())

    async def make_room(self) -> None:
        """Drop what has been deleted, give its room back, and take writes again."""
        revision = (await self._ask("maintenance/status"))["header"]["revision"]
        await self._ask("kv/compaction", revision=revision, physical=True)
        await self._ask("maintenance/defragment")
        for alarm in await self._alarms():
            await self._ask("maintenance/alarm", action="DEACTIVATE", **alarm)

    async def _alarms(self) -> list[dict[str, Any]]:
        return list((await self._ask("maintenance/alarm", action="GET")).get("alarms", []))

    async def _ask(self, what: str, **body: Any) -> Any:
        pki = self.layout.certificates
        tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(pki / "etcd.crt", pki / "etcd.key")
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), raise_for_status=True) as session,
            session.post(f"{self.url}/v3/{what}", json=body) as answer,
        ):
            return await answer.json(content_type=None)
