"""Certificates of a CA of our own: kept in a Secret, trusted through bundles that are injected."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dgdr_controller.admission.certificates.injection import Injection, Targets
from dgdr_controller.admission.certificates.lifetimes import Lifetimes
from dgdr_controller.admission.certificates.rotation import Material, due
from dgdr_controller.admission.certificates.secret import CertificateSecret
from dgdr_controller.runtime import Client, Config, Key
from dgdr_controller.runtime.reflector_state import Backoff, Pause
from dgdr_controller.runtime.transport import Transport

_DEFAULT = Lifetimes()
_TIMEOUT_S = 10.0
_LONGEST_S, _SHORTEST_S = 30.0, 0.1
"""How long a look at the Secret may be ago: another replica may have renewed what it holds."""


def _now() -> datetime:
    return datetime.now(UTC)


class SelfManaged:
    """Serving certificates that nobody else has to look after.

    Every replica has one, whether it leads or not: the Secret says who was first. Each pass is a function of what the
    API server says: it reads the Secret, renews what is due, and writes the bundle where it differs.

    Args:
        config: Where the API server is. It is asked by a client of our own, whose writes no lease fences: conversion
            is needed before caches are filled, and that is before anybody leads.
        secret: Namespace and name of the Secret.
        targets: Where the bundle is written.
        names: DNS names to serve under; by default those of the Service.
        lifetimes: How long certificates live.
        clock: The time.
    """

    def __init__(
        self,
        config: Config,
        *,
        secret: Key,
        targets: Targets,
        names: Sequence[str] = (),
        lifetimes: Lifetimes = _DEFAULT,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        service = f"{targets.service.name}.{targets.service.namespace}.svc"
        self._names = tuple(names) or (service, f"{service}.cluster.local")
        self._lifetimes = lifetimes
        self._clock = clock
        self._client = Client(Transport(config, timeout=_TIMEOUT_S))
        self._secret = CertificateSecret(self._client, secret)
        self._injection = Injection(self._client, targets)
        self._backoff = Backoff(lambda: asyncio.get_running_loop().time())
        self._longest = min(_LONGEST_S, lifetimes.lateness.total_seconds())
        self._due: datetime | None = None

    async def open(self) -> None:
        """Watch where the bundle is written."""
        await self._injection.start()

    async def close(self) -> None:
        """Watch no more."""
        await self._injection.stop()
        await self._client.close()

    async def current(self) -> Material:
        """Return what to serve with, after who calls us was told to trust it.

        Raises:
            SecretError: The Secret is missing, or RBAC does not let us.
            RequestError: The API server says no otherwise, or does not answer.
        """
        seen = self._injection.look()
        material = await self._secret.renew(self._names, self._clock, self._lifetimes)
        await self._injection.inject(seen, material.bundle)
        self._due = due(material, self._lifetimes)
        return material

    async def changed(self) -> None:
        """Return when something is due, or was changed by somebody else, or may have been."""
        if self._injection.mended:  # two that undo what the other one does must not go on at full speed
            await asyncio.sleep(min(self._longest, self._backoff.seconds(Pause.BACKOFF)))
        left = (self._due - self._clock()).total_seconds() if self._due else 0.0
        pause = max(_SHORTEST_S, min(self._longest, left))
        if self._injection.behind:
            pause = min(pause, self._backoff.seconds(Pause.BACKOFF))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._injection.changed.wait()
        self._injection.changed.clear()
