"""Which changes make a reconciler look at which object, and the workers that have it look."""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from dgdr_controller.runtime.cache import Cache
from dgdr_controller.runtime.controller_metrics import ControllerMetrics
from dgdr_controller.runtime.errors import ConflictError, NotLeaderError, RequestError, RuntimeFault, TerminalError
from dgdr_controller.runtime.informer import Handler, Informer
from dgdr_controller.runtime.log import bound, get_logger
from dgdr_controller.runtime.predicates import Change, Predicate
from dgdr_controller.runtime.resource import CachedObject, Key, Resource
from dgdr_controller.runtime.result import Reconciler, Result
from dgdr_controller.runtime.workqueue import LOW_PRIORITY, PriorityQueue, QueueShutDown
from dgdr_controller.runtime.workqueue_metrics import QueueMetrics

T = TypeVar("T")
MapFunction = Callable[[CachedObject], Iterable[Key]]
"""Which objects of the controller's own kind an object of another kind concerns."""
log = get_logger(__name__)


class Controller:
    """Calls a reconciler for every object that may have changed.

    ```python
    controller = Controller(manager.cache, reconciler, name="dgdr")
    manager.add(controller.for_(REQUESTS).owns(JOBS).watches(DEPLOYMENTS, requests_of))
    ```

    Args:
        cache: Where it watches.
        reconciler: Is called, for one key never twice at a time.
        name: For logs and metrics; unique in its manager.
    """

    def __init__(self, cache: Cache, reconciler: Reconciler, *, name: str) -> None:
        self.name = name
        self._cache = cache
        self._reconciler = reconciler
        self._resource: Resource[Any] | None = None
        self._workers = 1
        self._timeout: float | None = None
        self._sources: list[tuple[Informer, Handler]] = []
        self._metrics = ControllerMetrics(name)
        self._queue: PriorityQueue[Key] = PriorityQueue(QueueMetrics(name))

    def for_(self, resource: Resource[T], *predicates: Predicate) -> Self:
        """Reconcile the objects of a kind: the key that the reconciler gets is theirs.

        Args:
            resource: The kind.
            predicates: All of them must pass a change for it to count.

        Raises:
            ValueError: There is a kind already.
        """
        if self._resource is not None:
            raise ValueError(f"controller {self.name} is for {self._resource} already")
        self._resource = resource
        return self.watches(resource, lambda stored: (stored.key,), *predicates)

    def owns(self, resource: Resource[T], *predicates: Predicate) -> Self:
        """Reconcile the object that controls a changed one: the owner reference with ``controller: true``.

        Raises:
            ValueError: ``for_`` has not been called yet.
        """
        owner = self._resource
        if owner is None:
            raise ValueError(f"controller {self.name}: call for_ before owns")

        def owner_of(stored: CachedObject) -> Iterable[Key]:
            found = stored.meta.controller()
            if found is None or found.kind != owner.kind or found.group != owner.group:
                return ()
            return (Key(stored.meta.namespace if owner.namespaced else "", found.name),)

        return self.watches(resource, owner_of, *predicates)

    def watches(self, resource: Resource[T], to_keys: MapFunction, *predicates: Predicate) -> Self:
        """Reconcile what a function names for a changed object, asked about its old and its new state.

        Args:
            resource: The kind.
            to_keys: Which objects of the controller's kind are concerned.
            predicates: All of them must pass a change for it to count.
        """

        def changed(change: Change) -> None:
            if not all(predicate(change) for predicate in predicates):
                return
            priority = LOW_PRIORITY if change.initial else 0
            keys = set(to_keys(change.new))
            if change.old is not None and change.old is not change.new:
                keys.update(to_keys(change.old))
            for key in keys:
                self._queue.add(key, priority=priority)

        self._sources.append((self._cache.informer(resource), changed))
        return self

    def with_options(self, *, workers: int = 1, timeout: float | None = None) -> Self:
        """Choose how it works.

        Args:
            workers: Objects that are reconciled at a time.
            timeout: Seconds after which a reconcile is cancelled and tried again; None: it may take for ever.
        """
        self._workers, self._timeout = workers, timeout
        return self

    def enqueue(self, key: Key, *, after: float = 0.0) -> None:
        """Have an object looked at for a reason that no watch tells of; from the manager's event loop."""
        self._queue.add(key, after=after)

    async def run(self) -> None:
        """Work until cancelled; reconciles that run then are cancelled too."""
        self._metrics.begin(self._workers)
        for informer, changed in self._sources:  # not before: keys would wait in the queue of who does not lead
            informer.subscribe(changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._workers):
                    tasks.create_task(self._work(), name=f"{self.name} worker {number}")
        finally:
            self._queue.shut_down()

    def stop(self) -> None:
        """Begin no further reconcile; ``run`` returns when those that run have ended."""
        self._queue.shut_down()

    async def _work(self) -> None:
        while True:
            try:
                key, priority = await self._queue.get()
            except QueueShutDown:
                return
            begun = self._metrics.started()
            try:
                identity = f"{random.getrandbits(128):032x}"  # only to tell lines of a log apart
                with bound(controller=self.name, namespace=key.namespace, name=key.name, reconcile_id=identity):
                    await self._reconcile(key, priority)
            finally:
                self._metrics.ended(begun)
                self._queue.done(key)

    async def _reconcile(self, key: Key, priority: int) -> None:
        """Call the reconciler and do as it says; whatever it raises costs only this key."""
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                result = await self._reconciler.reconcile(key)
            self._succeeded(key, priority, result)
        except TerminalError as error:
            self._metrics.terminal()
            log.error("Reconcile failed; not retried until something changes", error=error)  # noqa: TRY400
            return
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            self._failed(key, priority, "a task that it awaited was cancelled")
        except TimeoutError as error:
            if limit.expired():
                self._metrics.timed_out()
            self._failed(key, priority, f"not finished after {self._timeout} s" if limit.expired() else str(error))
        except (ConflictError, NotLeaderError) as error:
            self._metrics.failed()
            log.info("Reconcile will be retried", error=error)
            self._queue.add_rate_limited(key, priority=priority)
        except RequestError as error:  # the API server's answer says all; where it was asked does not
            self._metrics.failed()
            self._queue.add_rate_limited(key, priority=priority)
            log.warning("Reconcile failed; it will be retried", retries=self._queue.num_requeues(key), error=error)
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:  # from a library: this process is not its own
            self._metrics.panicked()
            self._failed(key, priority, f"{type(error).__name__} {error}")
        except Exception as error:  # noqa: BLE001 - logged there, with what was raised
            self._crashed(key, priority, error)

    def _succeeded(self, key: Key, priority: int, result: Result) -> None:
        if result.requeue_after is not None:
            self._queue.add(key, priority=priority, after=result.requeue_after)
        self._queue.forget(key)
        self._metrics.succeeded("success" if result.requeue_after is None else "requeue_after")

    def _crashed(self, key: Key, priority: int, error: Exception) -> None:
        if not isinstance(error, RuntimeFault):  # a mistake of the reconciler: what is a panic in Go
            self._metrics.panicked()
        self._failed(key, priority, "")

    def _failed(self, key: Key, priority: int, why: str) -> None:
        self._metrics.failed()
        self._queue.add_rate_limited(key, priority=priority)
        tries = self._queue.num_requeues(key)
        log.error(
            "Reconcile failed; it will be retried", retries=tries, **({"error": why} if why else {}), exc_info=True
        )
