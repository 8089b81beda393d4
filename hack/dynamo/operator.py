"""Turns a DynamoGraphDeployment into pods that hold its GPUs and do nothing: what a request sees of the operator.

One Deployment for each component, with its replicas and GPUs; the status as Dynamo's operator writes it
(dynamo-api-facts §3.7).
"""

from typing import Any

import msgspec

from dgdr_controller.runtime import Key, Manager, Resource, Result
from hack.cluster.node import PAUSE_IMAGE

Manifest = dict[str, Any]


def _decode(raw: bytes) -> Manifest:
    return msgspec.json.decode(raw, type=dict[str, Any])


GRAPHS = Resource("nvidia.com", "v1beta1", "dynamographdeployments", "DynamoGraphDeployment", decode=_decode)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", decode=_decode)
_GRAPH = "nvidia.com/dynamo-graph-deployment-name"
_COMPONENT = "nvidia.com/dynamo-component"


class GraphReconciler:
    """Follows DynamoGraphDeployments."""

    def __init__(self, manager: Manager) -> None:
        """Keep what it works with."""
        self._cache, self._client = manager.cache, manager.client

    async def reconcile(self, key: Key) -> Result:
        """Make the Deployments of a graph, and write down how they are."""
        graph = self._cache.get(GRAPHS, key)
        if graph is None or "deletionTimestamp" in graph["metadata"]:
            return Result.done()
        for component in graph["spec"]["components"]:
            await self._client.apply(DEPLOYMENTS, deployment(graph, component))
        found = {
            component["name"]: self._cache.get(DEPLOYMENTS, Key(key.namespace, name_of(graph, component)))
            for component in graph["spec"]["components"]
        }
        status = status_of(graph, found)
        if status != graph.get("status"):
            version = graph["metadata"]["resourceVersion"]
            await self._client.replace_status(GRAPHS, key, status, resource_version=version)
        return Result.done()


def name_of(graph: Manifest, component: Manifest) -> str:
    """Return the name of a component's Deployment."""
    return f"{graph['metadata']['name']}-{component['name'].lower()}"


def deployment(graph: Manifest, component: Manifest) -> Manifest:
    """Return the Deployment of a component: its replicas and GPUs, and containers that do nothing."""
    metadata = graph["metadata"]
    labels = {_GRAPH: metadata["name"], _COMPONENT: component["name"]}
    template = component["podTemplate"]
    limits = template["spec"]["containers"][0].get("resources", {}).get("limits", {})
    container = {"name": "main", "image": PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": {"limits": limits}}
    owner = {"apiVersion": GRAPHS.api_version, "kind": GRAPHS.kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "metadata": {
            "name": name_of(graph, component),
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner | {"controller": True}],
        },
        "spec": {
            "replicas": component["replicas"],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": template.get("metadata", {}).get("labels", {}) | labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def status_of(graph: Manifest, found: dict[str, Manifest | None]) -> Manifest:
    """Return the status of a graph: successful once every replica of every component is available."""
    components = {
        component["name"]: {
            "componentKind": "Deployment",
            "componentName": name_of(graph, component),
            "replicas": component["replicas"],
            "availableReplicas": ((found[component["name"]] or {}).get("status") or {}).get("availableReplicas", 0),
        }
        for component in graph["spec"]["components"]
    }
    ready = all(each["availableReplicas"] >= each["replicas"] for each in components.values())
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
