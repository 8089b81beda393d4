"""The reconciler of requests: reads everything from the cache, asks the phase's module, lets `act` write."""

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from pydantic import ValidationError

from dgdr_api.conditions import Succeeded, Validation, stated
from dgdr_api.defaults import effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import LABEL_NAME, LABEL_NAMESPACE, dgd_name, job_name, output_name
from dgdr_api.preserved import preserved
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.deployment.render.planner_config import prometheus_of
from dgdr_controller.hardware.nodes import NodeGpus, read_node
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, JOBS, NODES, PODS, REQUESTS, ConfigMap, Graph
from dgdr_controller.profiling_job import output
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.api_groups import MULTINODE, ApiGroups
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.observed_state import World
from dgdr_controller.reconciler.phases.deploying import deployed, deploying
from dgdr_controller.reconciler.phases.failed import failed
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.phases.ready import ready
from dgdr_controller.reconciler.service_names import ServiceNames
from dgdr_controller.reconciler.throttle import Pace
from dgdr_controller.runtime import (
    Cache,
    Client,
    EventRecorder,
    Key,
    NotFoundError,
    ObjectMeta,
    Resource,
    Result,
    Stored,
    decode_dict,
)
from dgdr_controller.settings import Settings

PHASES: dict[Phase | None, Callable[[World], Decision]] = {
    None: pending,
    Phase.PENDING: pending,
    Phase.PROFILING: profiling,
    Phase.READY: ready,
    Phase.DEPLOYING: deploying,
    Phase.DEPLOYED: deployed,
    Phase.FAILED: failed,
}
BY_JOB = "job"
"""Index of pods by the UID of the Job that they belong to: one of the same name may have had others."""
_LOOKS_FOR_GPUS = (None, Phase.PENDING)
_COMPOSES = (Phase.PENDING, Phase.PROFILING, Phase.READY)
_RAW_REQUESTS = Resource(REQUESTS.group, REQUESTS.version, REQUESTS.plural, REQUESTS.kind, decode=decode_dict)

_log = logging.getLogger(__name__)


class RequestReconciler:
    """Takes requests from ``kubectl apply`` to a deployment."""

    def __init__(
        self,
        cache: Cache,
        client: Client,
        events: EventRecorder,
        settings: Settings,
        graphs: Resource[Graph] = GRAPHS,
    ) -> None:
        """Keep what it works with; all state that matters is in the API server.

        Args:
            cache: What exists.
            client: Writes.
            events: Tells people.
            settings: The installation's.
            graphs: DynamoGraphDeployments in the version that the cluster serves.
        """
        self._cache = cache
        self._client = client
        self._events = events
        self._settings = settings
        self._graphs = graphs
        self._groups = ApiGroups(client)
        self._names = ServiceNames()
        self._pace = Pace(lambda: asyncio.get_running_loop().time())

    async def reconcile(self, key: Key) -> Result:
        """Take one step with a request."""
        meta = self._cache.meta(REQUESTS, key)
        if meta is None or meta.deletion_timestamp:
            self._pace.forget(key)
            return Result.done()
        try:
            world = self._observe(key, meta)
        except ValidationError as error:
            return await self._unreadable(key, meta, error)
        if world is None:
            return Result.done()
        phase = world.request.status.phase if world.request.status else None
        if phase in _COMPOSES and (phase is Phase.PENDING or (world.output is not None and world.output.is_final)):
            world = replace(world, base=await self._base(world), prometheus=await self._prometheus(world))
        if phase in _LOOKS_FOR_GPUS:
            world = replace(world, multinode=await self._groups.serves_any(MULTINODE))
        decision = PHASES[phase](world)
        if phase is Phase.PROFILING and decision.status.phase is Phase.FAILED:
            world = _with_output(world, await self._published(key))
            decision = PHASES[phase](world)
        if decision.is_progress and decision.status != world.request.status:
            if left := self._pace.left(key):
                return Result.after(left)
            self._pace.tell(key)
        return await act(self._client, self._events, meta, world, decision)

    def _observe(self, key: Key, meta: ObjectMeta) -> World | None:
        """Read everything around a request."""
        request = self._cache.get(REQUESTS, key)
        if request is None:
            return None
        name = request.status.dgd_name if request.status else None
        job = self._cache.get(JOBS, Key(key.namespace, job_name(key.name)))
        output_map = self._cache.get(CONFIG_MAPS, Key(key.namespace, output_name(key.name)))
        world = World(
            request=request,
            generation=meta.generation,
            settings=self._settings,
            now=_now(),
            job=job,
            pods=self._cache.list(PODS, key.namespace, index=BY_JOB, value=job.metadata.uid) if job else (),
            graphs=self._graphs,
            graph=self._cache.get(self._graphs, Key(key.namespace, name or dgd_name(key.name))),
            mounted=self._mounted(key),
            graphs_known=self._cache.available(self._graphs),
            nodes=self._nodes() if request.status is None or request.status.phase in _LOOKS_FOR_GPUS else (),
        )
        return _with_output(world, output_map)

    async def _prometheus(self, world: World) -> bool | None:
        wanted = effective(world.request).planner
        return await self._names.resolves(prometheus_of(world.request.spec, self._settings)) if wanted else None

    async def _base(self, world: World) -> str | None:
        """Read the deployment that the plan is put into: a ConfigMap of the user, which no watch tells of."""
        try:
            wanted = preserved(world.request.metadata.annotations).base
        except InvalidRequestError:
            return None  # Pending says so
        if wanted is None:
            return None
        try:
            found = await self._client.get(CONFIG_MAPS, Key(world.request.metadata.namespace or "", wanted.name))
        except NotFoundError:
            return None
        return found.data.get(wanted.key)

    def _mounted(self, key: Key) -> tuple[ConfigMap, ...]:
        """Return the ConfigMaps that were made for the request's deployment; those of its Job have other names."""
        found = self._cache.list(CONFIG_MAPS, key.namespace, labels={LABEL_NAME: key.name})
        return tuple(each for each in found if each.metadata.name.startswith("planner-"))

    async def _published(self, key: Key) -> ConfigMap | None:
        """Read the output from the API server itself: nothing is given up by what a watch has not told yet."""
        try:
            return await self._client.get(CONFIG_MAPS, Key(key.namespace, output_name(key.name)))
        except NotFoundError:
            return None

    def _nodes(self) -> tuple[NodeGpus, ...]:
        return tuple(filter(None, map(read_node, self._cache.list(NODES))))

    async def _unreadable(self, key: Key, meta: ObjectMeta, error: ValidationError) -> Result:
        """Say that the request is written in a way that this version does not know (no webhook was in between)."""
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        before = self._told(key)
        conditions = stated(before.conditions or (), [Validation.failed(problems)], meta.generation, _now())
        conditions = stated(conditions, [Succeeded.of(Phase.FAILED, conditions)], meta.generation, _now())
        change = {"phase": Phase.FAILED, "observed_generation": meta.generation, "conditions": conditions}
        status = before.model_copy(update=change)
        if status != before:
            _log.warning("request %s cannot be read: %s", key, problems)
            content = status.model_dump(mode="json", exclude_none=True)
            await self._client.replace_status(REQUESTS, key, content, resource_version=meta.resource_version)
        return Result.done()

    def _told(self, key: Key) -> DgdrStatus:
        """Return the status of a request that cannot be read as a whole; an empty one where that is the reason."""
        found = self._cache.get(_RAW_REQUESTS, key) or {}
        try:
            return DgdrStatus.model_validate_json(json.dumps(found.get("status") or {}), by_alias=True, by_name=False)
        except ValidationError:
            return DgdrStatus()


def _with_output(world: World, found: ConfigMap | None) -> World:
    """Add what was published; of a ConfigMap that is not of this request nothing is read."""
    ours = found is not None and world.owns(found.metadata)
    return replace(world, output_map=found, output=output.read(found) if found is not None and ours else None)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def by_labels(stored: Stored) -> Iterable[Key]:
    """Return the request that an object's labels name: deployments and ConfigMaps are not owned by it, or not only."""
    name, namespace = stored.meta.label(LABEL_NAME), stored.meta.label(LABEL_NAMESPACE)
    return [Key(namespace, name)] if name and namespace else []
