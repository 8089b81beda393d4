"""The request's DynamoGraphDeployment, as Ready, Deploying and Deployed see it: found, owned, healthy, gone."""

import json
from collections.abc import Iterator

from dgdr_api.conditions import DeploymentReady
from dgdr_api.names import dgd_name
from dgdr_api.v1beta1 import DeploymentInfo, Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, WriteMode, enter, since
from dgdr_controller.reconciler.observed_state import ObservedState

SUCCESSFUL = "successful"
"""State that Dynamo's operator gives a deployment that serves."""
_PORT = 8000
"""Where Dynamo's frontend listens."""
POLL_S = 30.0
"""When to look again at what no watch reports."""


def name_of(observed: ObservedState) -> str:
    """Return the deployment's name."""
    return observed.status.dgd_name or dgd_name(observed.name)


def missing(observed: ObservedState) -> Decision | None:
    """Return what follows where the deployment is not to be seen, though it was made: it is not made again."""
    if not observed.graphs_known:
        return Decision(
            enter(observed, Phase.DEPLOYING, since(observed, DeploymentReady.not_installed())), after_s=POLL_S
        )
    made = observed.status.deployment_info is not None and observed.status.deployment_info.uid is not None
    there = observed.graph is not None and (is_the_created_one(observed) or observed.owns(observed.graph.metadata))
    return None if there or not made else deleted(observed)


def is_the_created_one(observed: ObservedState) -> bool:
    """Say whether the deployment is the very one that was made, whatever somebody has done to its labels."""
    made = observed.status.deployment_info
    return observed.graph is not None and made is not None and made.uid == observed.graph.metadata.uid


def deleted(observed: ObservedState) -> Decision:
    """Leave it at that: who deletes a deployment does not want it made again."""
    message = (
        f"DGD {name_of(observed)} was deleted. DGDR will not recreate it. "
        "Delete this DGDR and create a new one to redeploy."
    )
    return Decision(
        enter(observed, Phase.FAILED, DeploymentReady.deleted(), dgd_name=None, deployment_info=None),
        events=[Event("DeploymentDeleted", message, warning=True)],
    )


def is_healthy(graph: Graph) -> bool:
    """Say whether Dynamo's operator calls the deployment successful, and means its present spec."""
    return graph.status.state == SUCCESSFUL and graph.status.observed_generation >= graph.metadata.generation


def endpoint_of(graph: Graph, manifest: Manifest) -> str:
    """Return the URL of a deployment's frontend, whose Service is called as Dynamo's operator calls it.

    Args:
        graph: The deployment.
        manifest: What it was made from.
    """
    frontend = next(_frontends(manifest), "frontend").lower()
    return f"http://{graph.metadata.name}-{frontend}.{graph.metadata.namespace}.svc:{_PORT}"


def _frontends(manifest: Manifest) -> Iterator[str]:
    """Yield the names of a deployment's frontends, in both versions."""
    spec = manifest["spec"]
    yield from (c["name"] for c in spec.get("components") or () if c.get("type") == "frontend")
    yield from (name for name, s in (spec.get("services") or {}).items() if s.get("componentType") == "frontend")


def transfer_ownership(observed: ObservedState, graph: Graph) -> list[Ensure]:
    """Let what the deployment mounts go with the deployment, which outlives the request."""
    results = observed.status.profiling_results
    mounted = json.dumps(results.selected_config if results else None)
    owner = {"apiVersion": observed.graphs.api_version, "kind": observed.graphs.kind, "name": graph.metadata.name}
    return [
        Ensure(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": config_map.metadata.name,
                    "namespace": config_map.metadata.namespace,
                    "resourceVersion": config_map.metadata.resource_version,
                    # No controller: that of the request made it, and proves so by its annotation.
                    "ownerReferences": [owner | {"uid": graph.metadata.uid}],
                },
            },
            WriteMode.OWN,
        )
        for config_map in observed.mounted
        if f'"{config_map.metadata.name}"' in mounted
        and observed.owns(config_map.metadata)
        and graph.metadata.uid not in {o.uid for o in config_map.metadata.owner_references}
    ]


def info(graph: Graph) -> DeploymentInfo:
    """Return what the status shows of a deployment."""
    components = (graph.status.components or graph.status.services).values()
    return DeploymentInfo(
        uid=graph.metadata.uid,
        replicas=sum(component.replicas for component in components) if components else None,
        available_replicas=sum(component.available_replicas for component in components) if components else None,
    )
