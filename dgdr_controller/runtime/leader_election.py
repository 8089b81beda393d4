"""Leader election on a Lease: at most one process writes. Semantics: client-go's ``tools/leaderelection``.

Whether a holder is gone is judged by how long its Lease has not changed, on this machine's own clock that never goes
back; never by times that others wrote.
"""

import asyncio
import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from dgdr_controller.runtime import metrics
from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.errors import AlreadyExistsError, ConflictError, NotFoundError
from dgdr_controller.runtime.leadership import Leadership, boottime
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.resource import Key, Resource

log = get_logger(__name__)
_JITTER = 1.2
_RELEASES = 5


def _identity() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class LeaderElection:
    """How the leader is found. The times are client-go's.

    Attributes:
        name: Name of the Lease.
        namespace: Its namespace; empty: that of the config.
        identity: Name of this process; must be unique.
        lease_duration: Seconds after which others may take a lease that is not renewed.
        renew_deadline: Seconds after which a holder that cannot renew gives up; shorter, to have stopped by then.
        retry_period: Seconds between attempts.

    Raises:
        ValueError: The times do not fit together.
    """

    name: str
    namespace: str = ""
    identity: str = field(default_factory=_identity)
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_duration > self.renew_deadline > self.retry_period * _JITTER > 0:
            raise ValueError("lease_duration > renew_deadline > 1.2 × retry_period > 0 must hold")
        if self.lease_duration < 1:
            raise ValueError("a Lease counts whole seconds")

    @property
    def request_timeout(self) -> float:
        """Seconds for one request: a server that does not answer must not use up the whole deadline."""
        return max(1.0, self.renew_deadline / 2)


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class Lease(msgspec.Struct):
    """The part of a Lease that elections read."""

    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)

    @property
    def holder(self) -> str:
        """Who holds it; empty: nobody."""
        return self.spec.holder_identity or ""


LEASES: Resource[Lease] = Resource(
    "coordination.k8s.io", "v1", "leases", "Lease", decode=msgspec.json.Decoder(Lease).decode
)


class Elector:
    """Gets and keeps a Lease. Runs in one event loop, by a clock that tests can set.

    Args:
        client: Of its own: without fence, with ``options.request_timeout`` and one attempt for each request.
        options: Which Lease, and the times.
        publish: Told whenever the lease was got or renewed, and with None when it is lost.
        clock: Seconds that never go back.
        sleep: Waits.
        rng: Numbers in [0, 1).
    """

    def __init__(
        self,
        client: Client,
        options: LeaderElection,
        publish: Callable[[Leadership | None], None],
        *,
        clock: Callable[[], float] = boottime,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._options = options
        self._publish = publish
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._key = Key(options.namespace, options.name)
        self._seen: Lease | None = None
        self._seen_at = float("-inf")
        self._renewed_at = float("-inf")
        self._slowly = metrics.leader_slowpath.labels(options.name)
        self._gauge = metrics.leader_status.labels(options.name)
        self._gauge.set(0)

    async def run(self) -> None:
        """Get the lease, however long it takes; keep it; return when it is lost."""
        while not await self._attempt():
            await self._sleep(self._options.retry_period * (1 + _JITTER * self._rng()))
        log.info("Acquired the lease", lease=str(self._key), identity=self._options.identity)
        self._gauge.set(1)
        try:
            while True:
                await self._sleep(self._options.retry_period)
                if not await self._attempt() and self._lost():
                    break
        finally:
            self._gauge.set(0)
        log.error("Lost the lease", lease=str(self._key))
        self._publish(None)

    async def release(self) -> None:
        """Let others have the lease at once; only after everything that writes has ended."""
        for _ in range(_RELEASES):
            if not self._holds():
                return
            try:
                await self._put(self._spec(holder="", seconds=1))
            except ConflictError:
                if not await self._look():
                    return
            except Exception as error:  # noqa: BLE001 - nothing depends on it: the lease expires
                log.warning("Cannot release the lease; it expires", lease=str(self._key), error=error)
                return
            else:
                self._seen = None

    def _holds(self) -> bool:
        return self._seen is not None and self._seen.holder == self._options.identity

    def _patience(self) -> float:
        """Return the seconds that an attempt may take: a holder must know in time that it has failed."""
        most = 2 * self._options.request_timeout
        if not self._holds():
            return most
        return min(most, max(0.0, self._renewed_at + self._options.renew_deadline - self._clock()))

    def _lost(self) -> bool:
        """Say whether it is too late: somebody else has it, or the deadline is over."""
        taken = self._seen is not None and not self._holds()
        return taken or self._clock() >= self._renewed_at + self._options.renew_deadline

    async def _attempt(self) -> bool:
        """Get or renew the lease with as few requests as possible; any fault means: not now."""
        begun = self._clock()
        try:
            async with asyncio.timeout(self._patience()):
                got = (self._holds() and await self._renew()) or await self._take()
        except Exception as error:  # noqa: BLE001 - whatever it is must not end the election
            log.warning("Cannot renew the lease yet", lease=str(self._key), error=error)
            return False
        if got and self._seen is not None:
            # From before the request was sent: the server cannot have set the time earlier.
            self._renewed_at = begun
            until = begun + self._options.renew_deadline
            self._publish(Leadership(self._seen.spec.lease_transitions or 0, until))
        return got

    async def _renew(self) -> bool:
        """Write without reading: nobody else may write as long as we do so in time."""
        try:
            await self._put(self._spec(holder=self._options.identity))
        except (ConflictError, NotFoundError):
            return False
        return True

    async def _take(self) -> bool:
        """Read; write if the lease is free, ours, or has not changed for as long as its holder promised."""
        self._slowly.inc()
        if not await self._look():
            try:
                self._saw(await self._client.create(LEASES, self._manifest(self._spec(self._options.identity), "")))
            except AlreadyExistsError:
                return False
            return True
        seen = self._seen
        if seen is None:
            return False
        promised = seen.spec.lease_duration_seconds or self._options.lease_duration
        if seen.holder not in ("", self._options.identity) and self._clock() < self._seen_at + promised:
            return False
        await self._put(self._spec(holder=self._options.identity))
        return True

    async def _look(self) -> bool:
        """Read the lease; say whether there is one."""
        try:
            self._saw(await self._client.get(LEASES, self._key))
        except NotFoundError:
            self._seen = None
            return False
        return True

    def _saw(self, lease: Lease) -> None:
        if self._seen is None or self._seen.metadata.resource_version != lease.metadata.resource_version:
            self._seen, self._seen_at = lease, self._clock()

    async def _put(self, spec: dict[str, Any]) -> None:
        version = self._seen.metadata.resource_version if self._seen else ""
        self._saw(await self._client.update(LEASES, self._manifest(spec, version)))

    def _spec(self, holder: str, seconds: float | None = None) -> dict[str, Any]:
        # The API server wants exactly six digits after the second.
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = self._seen.spec if self._seen else _Spec()
        stays = old.holder_identity == holder or not holder
        first = self._seen is None
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": int(seconds or self._options.lease_duration),
            "acquireTime": (old.acquire_time if stays else None) or now,
            "renewTime": now,
            "leaseTransitions": (old.lease_transitions or 0) + (0 if stays or first else 1),
        }

    def _manifest(self, spec: dict[str, Any], version: str) -> dict[str, Any]:
        metadata = {"namespace": self._key.namespace, "name": self._key.name}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": spec,
        }
