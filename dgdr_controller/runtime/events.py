"""Events that ``kubectl describe`` shows: the same one counts up, similar ones are merged, a flood is dropped.

Numbers are client-go's (``tools/record``): more than ten similar events in ten minutes become one; an object may have
25 events at once and one more every five minutes.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from dgdr_controller.runtime.client import Client
from dgdr_controller.runtime.errors import AlreadyExistsError, NotFoundError, NotLeaderError, RequestError
from dgdr_controller.runtime.log import get_logger
from dgdr_controller.runtime.resource import Key, ObjectMeta, Resource, decode_dict

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
log = get_logger(__name__)

EVENTS: Resource[dict[str, object]] = Resource("", "v1", "events", "Event", decode=decode_dict)
"""Core events: ``kubectl describe`` shows count and age of these; those of events.k8s.io are the same objects."""
_REMEMBERED = 4096
_QUEUED = 1000
_TRIES = 12
_PAUSE_S = 10.0
_SIMILAR, _SIMILAR_S = 10, 600.0
_BURST, _REFILL_S = 25, 300.0
_LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an event is about."""

    api_version: str
    kind: str
    key: Key
    uid: str
    resource_version: str = ""

    @classmethod
    def to(cls, resource: Resource[T], meta: ObjectMeta) -> "Reference":
        """Refer to an object of a kind."""
        return cls(resource.api_version, resource.kind, meta.key, meta.uid, meta.resource_version)


@dataclass(slots=True)
class _Series:
    """The event object that a repeated event counts up in."""

    name: str
    first: str
    count: int = 0
    written: bool = False


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class _Similar:
    since: float
    messages: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Pending:
    reference: Reference
    type: str
    reason: str
    message: str
    at: str
    series: _Series


class EventRecorder:
    """Writes events about objects, in the background: recording neither waits nor fails.

    Args:
        client: Writes them.
        component: Who says so; shown as *From*.
        instance: Which process of it.
        wall: The time of day; by default the API server's.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        instance: str = "",
        wall: Callable[[], datetime] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance or component
        self._wall = wall or client.transport.server_time.now
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue(_QUEUED)

    def normal(self, about: Reference, reason: str, message: str) -> None:
        """Say that something went as it should.

        Args:
            about: The object.
            reason: One word in CamelCase.
            message: A sentence; at most 1,024 characters are kept.
        """
        self._record(about, "Normal", reason, message)

    def warning(self, about: Reference, reason: str, message: str) -> None:
        """Say that something is wrong; arguments as for ``normal``."""
        self._record(about, "Warning", reason, message)

    async def run(self) -> None:
        """Write what is recorded until cancelled."""
        while True:
            pending = await self._queue.get()
            try:
                await self._write(pending)
            except Exception:  # an event is never worth a controller
                log.exception("Lost an event", reason=pending.reason, object=str(pending.reference.key))
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until all is written, but not longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            log.warning("Lost events: no time left to write them", count=self._queue.qsize())

    def _record(self, about: Reference, kind: str, reason: str, message: str) -> None:
        if not self._allowed(about):
            return
        message = message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
        same: tuple[str, ...] = (about.uid, str(about.key), kind, reason)
        message, same = self._merged(same, message)
        at = self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        series = _recall(self._series, same, lambda: _Series(self._name(about, same, at), at))
        series.count += 1
        try:
            self._queue.put_nowait(_Pending(about, kind, reason, message, at, series))
        except asyncio.QueueFull:
            log.warning("Dropped an event: too many wait", reason=reason, object=str(about.key))

    def _allowed(self, about: Reference) -> bool:
        """Take a token from the object's bucket."""
        now = self._clock()
        bucket = _recall(self._buckets, about.uid or str(about.key), lambda: _Bucket(_BURST, now))
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) / _REFILL_S)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _merged(self, same: tuple[str, ...], message: str) -> tuple[str, tuple[str, ...]]:
        """Return message and identity of an event: its own, or after many similar ones that of all of them."""
        now = self._clock()
        similar = _recall(self._similar, same, lambda: _Similar(now))
        if now - similar.since > _SIMILAR_S:
            similar.since, similar.messages = now, set()
        similar.messages.add(message)
        if len(similar.messages) > _SIMILAR:
            return f"(combined from similar events): {message}", same
        return message, (*same, message)

    def _name(self, about: Reference, same: tuple[str, ...], at: str) -> str:
        digest = hashlib.sha256("\0".join((*same, at, self._instance)).encode()).hexdigest()[:16]
        return f"{about.key.name[:200]}.{digest}"

    async def _write(self, pending: _Pending) -> None:
        """Write one event; try for two minutes if the server does not answer."""
        for _ in range(_TRIES):
            try:
                await self._send(pending)
            except NotLeaderError:
                return
            except RequestError as error:
                if not error.transient:
                    log.warning(
                        "An event is refused", reason=pending.reason, object=str(pending.reference.key), error=error
                    )
                    return
                await asyncio.sleep(_PAUSE_S)
            else:
                return
        log.warning(
            "Lost an event: the API server does not answer", reason=pending.reason, object=str(pending.reference.key)
        )

    async def _send(self, pending: _Pending) -> None:
        series, namespace = pending.series, pending.reference.key.namespace or "default"
        if series.written:
            change = {"count": series.count, "lastTimestamp": pending.at, "message": pending.message}
            try:
                await self._client.patch(EVENTS, Key(namespace, series.name), change)
            except NotFoundError:  # it has expired: the API server keeps events for an hour
                series.written = False
            else:
                return
        try:
            await self._client.create(EVENTS, self._manifest(pending, namespace))
        except AlreadyExistsError:
            log.debug("An event was written although no answer came", event_name=series.name)
        series.written = True

    def _manifest(self, pending: _Pending, namespace: str) -> dict[str, Any]:
        about = pending.reference
        involved = {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "name": about.key.name,
            "namespace": about.key.namespace,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        }
        return {
            "metadata": {"namespace": namespace, "name": pending.series.name},
            "involvedObject": {name: value for name, value in involved.items() if value},
            "type": pending.type,
            "reason": pending.reason,
            "message": pending.message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": pending.series.first,
            "lastTimestamp": pending.at,
            "count": pending.series.count,
        }


def _recall(memory: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """Return what is remembered, made if it is not; the least recently used is forgotten."""
    if key in memory:
        memory.move_to_end(key)
        return memory[key]
    if len(memory) >= _REMEMBERED:
        memory.popitem(last=False)
    return memory.setdefault(key, make())
