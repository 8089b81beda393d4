"""Turns a DynamoGraphDeployment into pods that serve without GPUs: a real frontend, and simulated engines.

One Deployment for each component, with its replicas and GPUs; a Service for each frontend; the status as Dynamo's
operator writes it (DynamoGraphDeploymentStatus in its deploy/operator/api/v1beta1).
"""

import json

from dgdr_api.names import LABEL_GRAPH
from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Key, Manager, NotFoundError, Result
from hack.dynamo import manifests
from hack.dynamo.kinds import CONFIG_MAPS, DEPLOYMENTS, GRAPHS, SERVICES
from hack.dynamo.manifests import name_of
from hack.dynamo.timing import Timing

TIMINGS = "simulated-timings"
"""ConfigMap of a namespace that says how fast its engines are: for ``gpus-N`` the fields of a ``Timing`` as JSON."""


class GraphReconciler:
    """Follows DynamoGraphDeployments.

    Args:
        manager: Gives what it works with.
        virtual: Whether pods run on a virtual node. Then frontends have no Services: nothing would lead from them to
            pods, and the API server refuses EndpointSlices with the addresses of such pods.
    """

    def __init__(self, manager: Manager, *, virtual: bool = False) -> None:
        self._cache, self._client = manager.cache, manager.client
        self._virtual = virtual

    async def reconcile(self, key: Key) -> Result:
        """Make the objects of a graph, and write down how they are."""
        graph = self._cache.get(GRAPHS, key)
        if graph is None or "deletionTimestamp" in graph["metadata"]:
            return Result.done()
        await self._make(key, graph)
        found = {
            component["name"]: self._cache.get(DEPLOYMENTS, Key(key.namespace, name_of(graph, component)))
            for component in graph["spec"]["components"]
        }
        status = status_of(graph, found)
        if status != graph.get("status"):
            version = graph["metadata"]["resourceVersion"]
            await self._client.replace_status(GRAPHS, key, status, resource_version=version)
        return Result.done()

    async def _make(self, key: Key, graph: Manifest) -> None:
        components = graph["spec"]["components"]
        await self._client.apply(CONFIG_MAPS, manifests.simulation(graph, await self._timings(key.namespace)))
        for component in components:
            await self._client.apply(DEPLOYMENTS, manifests.deployment(graph, component, virtual=self._virtual))
            if component.get("type") == "frontend" and not self._virtual:
                await self._client.apply(SERVICES, manifests.service(graph, component))
        wanted = {name_of(graph, component) for component in components}
        for old in self._cache.metas(DEPLOYMENTS, key.namespace, labels={LABEL_GRAPH: key.name}):
            if old.name not in wanted:
                await self._client.delete(DEPLOYMENTS, old.key, uid=old.uid)

    async def _timings(self, namespace: str) -> dict[int, Timing]:
        """Return the times that a namespace wants of its engines, by the GPUs of one copy of the model."""
        try:
            wanted = await self._client.get(CONFIG_MAPS, Key(namespace, TIMINGS))
        except NotFoundError:
            return {}
        return {int(name.removeprefix("gpus-")): Timing(**json.loads(text)) for name, text in wanted["data"].items()}


def status_of(graph: Manifest, found: dict[str, Manifest | None]) -> Manifest:
    """Return the status of a graph: successful once every replica of every component is available."""
    components = {
        component["name"]: {
            "componentKind": "Deployment",
            "componentName": name_of(graph, component),
            "replicas": component["replicas"],
            "availableReplicas": _available(found[component["name"]]),
        }
        for component in graph["spec"]["components"]
    }
    ready = all(component["availableReplicas"] >= component["replicas"] for component in components.values())
    return {
        "state": "successful" if ready else "pending",
        "observedGeneration": graph["metadata"]["generation"],
        "components": components,
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "reason": "all_resources_are_ready" if ready else "some_resources_are_not_ready",
                "message": "",
            }
        ],
    }


def _available(deployment: Manifest | None) -> int:
    """Return how many pods are available of what a Deployment is to run now: those of its former template may be."""
    status = (deployment or {}).get("status") or {}
    if deployment is None or status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return 0
    former = int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))
    return max(0, int(status.get("availableReplicas", 0)) - former)
