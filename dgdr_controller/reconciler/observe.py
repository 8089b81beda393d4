"""Reads what a phase decides on: what exists around a request, and what the phase needs to see besides."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace

from dgdr_api.defaults import effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.measurements import Measurements
from dgdr_api.names import (
    LABEL_GRAPH,
    LABEL_NAME,
    LABEL_NAMESPACE,
    LABEL_POD,
    LABEL_TRIAL,
    MEASUREMENTS,
    dgd_name,
    job_name,
    output_name,
    results_page_name,
    verification_name,
)
from dgdr_api.preserved import preserved
from dgdr_api.syntax import dns_subdomain
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.deployment.render.planner_config import prometheus_of
from dgdr_controller.hardware.inventory import Inventory
from dgdr_controller.kinds import CONFIG_MAPS, DEPLOYMENTS, JOBS, PODS, ConfigMap, Graph, Job, Named, Pod
from dgdr_controller.profiling_job import output
from dgdr_controller.reconciler.awaited import UNKNOWN
from dgdr_controller.reconciler.cluster_nodes import ClusterNodes
from dgdr_controller.reconciler.discovery import MULTINODE, Discovery
from dgdr_controller.reconciler.lookups import Lookups, NotKnownError
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObjectName, ObservedState, Subject
from dgdr_controller.reconciler.pod_problems import is_scheduled
from dgdr_controller.reconciler.references import references
from dgdr_controller.reconciler.service_names import ServiceNames
from dgdr_controller.runtime import (
    Cache,
    CachedObject,
    Client,
    Key,
    NotFoundError,
    NotSyncedError,
    RequestError,
    Resource,
)
from dgdr_controller.settings import Settings

JOB_LABEL = "batch.kubernetes.io/controller-uid"
"""Label of pods with the UID of the Job that they belong to."""
BY_JOB = "job"
"""Index of pods by the UID of the Job that they belong to: one of the same name may have had others."""
TRIALS = "trials"
"""Index of deployments that a thorough search measures, all under this value."""
BY_REQUEST = "request"
"""Index of ConfigMaps, pods and deployments by the name of the request that they are for."""


class Observer:
    """Observes requests.

    Args:
        cache: What the watches report.
        client: Reads what no watch reports.
        settings: The installation's settings.
        graphs: DynamoGraphDeployments in the version that the cluster serves.
        inventory: What else is known of the cluster's GPUs; None: they are not looked for.
    """

    def __init__(
        self,
        cache: Cache,
        client: Client,
        settings: Settings,
        graphs: Resource[Graph],
        inventory: Inventory | None = None,
    ) -> None:
        self._cache, self._client, self._settings, self._graphs = cache, client, settings, graphs
        self._discovery = Discovery(client)
        self._services = ServiceNames()
        self._lookups = Lookups(client)
        self._nodes = ClusterNodes(cache, inventory)

    async def observe(
        self, request: DynamoGraphDeploymentRequest, generation: int, needs: Callable[[ObservedState], Need]
    ) -> ObservedState:
        """Return what exists around a request.

        Args:
            request: The request.
            generation: Generation of its spec.
            needs: What its phase needs to see besides what the watches report.

        Raises:
            ApiError: The API server does not answer.
        """
        observed = self._watched(request, generation)
        if Need.FRESH_OUTPUT in needs(observed):
            observed = _with_output(observed, await self._published(observed.key))
        if Need.FRESH_PODS in needs(observed):
            observed = replace(
                observed,
                pods=await self._fresh(observed, observed.job, observed.pods),
                verification_pods=await self._fresh(observed, observed.verification, observed.verification_pods),
            )
        if Need.HARDWARE in needs(observed):
            multinode = await self._discovery.serves_any(MULTINODE)
            observed = replace(observed, nodes=self._nodes.recent().gpus, multinode=multinode)
        if Need.RIVALS in needs(observed):
            observed = replace(observed, rivals=self._rivals(observed.key))
        if Need.COMPOSITION in needs(observed):
            observed = replace(observed, base=await self._base(observed), prometheus=await self._prometheus(observed))
        if Need.MEASUREMENTS in needs(observed):
            observed = replace(observed, measurements=await self._measurements(observed.key.namespace))
        if Need.PREREQUISITES in needs(observed):
            observed = await self._with_prerequisites(observed)
        return observed

    async def look(self, namespace: str, subject: Subject) -> object:
        """Return what there is now of something that requests wait for, or `UNKNOWN`."""
        try:
            match subject:
                case ClusterState.GPUS:
                    return self._nodes.now(awaited=True).gpus
                case ClusterState.DYNAMO:
                    return await self._discovery.serves(self._graphs)
                case ClusterState.MULTINODE:
                    return await self._discovery.serves_any(MULTINODE)
                case ObjectName():
                    return await self._lookups.ask(namespace, subject)
        except (RequestError, NotKnownError, NotSyncedError):
            return UNKNOWN

    async def _with_prerequisites(self, observed: ObservedState) -> ObservedState:
        named = (reference.object for reference in references(observed.request, self._settings))
        return replace(
            observed,
            objects=await self._lookups.find(observed.key.namespace, named),
            dynamo=observed.graphs_known or await self._dynamo(),
            several_nodes=self._nodes.recent().several,
        )

    async def _dynamo(self) -> bool | None:
        try:
            return await self._discovery.serves(self._graphs)
        except RequestError:
            return None

    def _watched(self, request: DynamoGraphDeploymentRequest, generation: int) -> ObservedState:
        """Return what the watches report."""
        key = Key(request.metadata.namespace or "", request.metadata.name)
        graph = (request.status and request.status.dgd_name) or dgd_name(key.name)
        trials = self.trials(key)
        job = self._cache.get(JOBS, Key(key.namespace, job_name(key.name)))
        verification = self._cache.get(JOBS, Key(key.namespace, verification_name(key.name)))
        observed = ObservedState(
            request=request,
            generation=generation,
            settings=self._settings,
            now=now(self._client),
            job=job,
            pods=self._pods_of(job),
            results_page=self._page(key) if self._settings.results_page else None,
            verification=verification,
            verification_pods=self._pods_of(verification),
            serving=self._serving(key, graph),
            graphs=self._graphs,
            graph=self._cache.get(self._graphs, Key(key.namespace, graph)),
            trials=trials,
            trial_pods=tuple(pod for trial in trials for pod in self._serving(key, trial.metadata.name)),
            mounted=self._mounted(key),
            graphs_known=self._cache.available(self._graphs),
        )
        return _with_output(observed, self._cache.get(CONFIG_MAPS, Key(key.namespace, output_name(key.name))))

    def _pods_of(self, job: Job | None) -> tuple[Pod, ...]:
        if job is None:
            return ()
        return self._cache.list(PODS, job.metadata.namespace, index=BY_JOB, value=job.metadata.uid)

    def _page(self, key: Key) -> Named | None:
        return self._cache.get(DEPLOYMENTS, Key(key.namespace, results_page_name(key.name)))

    def trials(self, key: Key) -> tuple[Graph, ...]:
        """Return the deployments that are measured for a request."""
        found = self._cache.list(self._graphs, key.namespace, index=BY_REQUEST, value=key.name)
        return tuple(graph for graph in found if LABEL_TRIAL in graph.metadata.labels)

    def _rivals(self, key: Key) -> tuple[Graph, ...]:
        """Return the trials of other requests of which not all pods have a node: they want GPUs, too."""
        found = self._cache.list(self._graphs, index=TRIALS, value=TRIALS)
        others = (graph for graph in found if (graph.metadata.namespace, graph.metadata.labels[LABEL_NAME]) != key)
        return tuple(
            graph
            for graph in others
            if not is_scheduled(
                self._serving(Key(graph.metadata.namespace, graph.metadata.labels[LABEL_NAME]), graph.metadata.name)
            )
        )

    def _serving(self, key: Key, graph: str) -> tuple[Pod, ...]:
        """Return the pods of a deployment of the request; those of its Job have the request's label, too."""
        found = self._cache.list(PODS, key.namespace, index=BY_REQUEST, value=key.name)
        return tuple(pod for pod in found if pod.metadata.labels.get(LABEL_GRAPH) == graph)

    def _mounted(self, key: Key) -> tuple[ConfigMap, ...]:
        """Return the ConfigMaps that were made for the request's deployment; those of its Job have other names."""
        found = self._cache.list(CONFIG_MAPS, key.namespace, index=BY_REQUEST, value=key.name)
        return tuple(config_map for config_map in found if not config_map.metadata.name.startswith("dgdr-"))

    async def _published(self, key: Key) -> ConfigMap | None:
        """Read the output from the API server itself: a request does not fail because a watch is late."""
        try:
            return await self._client.get(CONFIG_MAPS, Key(key.namespace, output_name(key.name)))
        except NotFoundError:
            return None

    async def _fresh(self, observed: ObservedState, job: Job | None, known: tuple[Pod, ...]) -> tuple[Pod, ...]:
        """Read the pods of a Job from the API server itself; those that it has deleted may still be known here."""
        if job is None:
            return ()
        selector = f"{JOB_LABEL}={job.metadata.uid}"
        return await self._client.list(PODS, observed.key.namespace, label_selector=selector) or known

    async def _base(self, observed: ObservedState) -> str | None:
        """Read the deployment that the plan is put into: a ConfigMap of the user, which no watch reports."""
        try:
            base = preserved(observed.request.metadata.annotations).base
        except InvalidRequestError:
            return None  # Pending reports it
        if base is None or dns_subdomain(base.name):  # or that
            return None
        try:
            found = await self._client.get(CONFIG_MAPS, Key(observed.key.namespace, base.name))
        except NotFoundError:
            return None
        return found.data.get(base.key)

    async def _measurements(self, namespace: str) -> Measurements | None:
        """Read what was measured at this site: a ConfigMap of the user, which no watch reports."""
        try:
            found = await self._client.get(CONFIG_MAPS, Key(namespace, MEASUREMENTS))
        except NotFoundError:
            return None
        return Measurements.read(found.data, f"ConfigMap {MEASUREMENTS}") if found.data else None

    async def _prometheus(self, observed: ObservedState) -> bool | None:
        if not effective(observed.request).planner:
            return None
        return await self._services.resolves(prometheus_of(observed.request.spec, self._settings))


def _with_output(observed: ObservedState, found: ConfigMap | None) -> ObservedState:
    """Add what was published; nothing is read from a ConfigMap that does not belong to this request."""
    if found is None or observed.owns(found.metadata):
        return replace(observed, output_map=found, foreign_output=None, output=output.read(found) if found else None)
    return replace(observed, output_map=None, foreign_output=found, output=None)


def now(client: Client) -> dt.datetime:
    """Return the API server's time in UTC, in whole seconds as Kubernetes writes it."""
    return client.transport.server_time.now().replace(microsecond=0)


def by_labels(cached: CachedObject) -> Iterable[Key]:
    """Return the request that an object's labels name: deployments and ConfigMaps may have other owners."""
    name, namespace = cached.meta.label(LABEL_NAME), cached.meta.label(LABEL_NAMESPACE)
    return [Key(namespace, name)] if name and namespace else []


def by_pod_label(cached: CachedObject) -> Iterable[Key]:
    """Return the request that a pod is for: of its Job, or of its deployment."""
    name = cached.meta.label(LABEL_POD)
    return [Key(cached.meta.namespace, name)] if name else []
