"""Deploying and Deployed: the deployment is made once, by its name, and followed; it is never adopted or replaced."""

import json
from collections.abc import Mapping
from typing import Any

from dgdr_api.conditions import DeploymentReady
from dgdr_api.names import ANNOTATION_CANDIDATE, dgd_name
from dgdr_api.v1beta1 import DeploymentInfo, Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, How, enter, start_over
from dgdr_controller.reconciler.observed_state import World

_SUCCESSFUL = "successful"
_LOOK_AGAIN_S = 30.0


def deploying(world: World) -> Decision:
    """Make the deployment, and wait until it is healthy."""
    graph, name = world.graph, _name(world)
    if absent := _absent(world):
        return absent
    if graph is None:
        return _make(world)
    if conflict := _conflict(world, graph):
        return conflict
    handed_over = hand_over(world, graph)
    if is_healthy(graph):
        return Decision(
            enter(world, Phase.DEPLOYED, DeploymentReady.ready(name), deployment_info=info(graph)),
            ensure=handed_over,
            events=[Event("DeploymentReady", DeploymentReady.ready(name).message)],
        )
    told = world.condition(DeploymentReady.TYPE)
    was_healthy = told is not None and told.reason == DeploymentReady.degraded("").reason
    state = graph.status.state
    waiting = DeploymentReady.degraded(state) if was_healthy else DeploymentReady.in_progress(name, state)
    return Decision(enter(world, Phase.DEPLOYING, waiting, deployment_info=info(graph)), ensure=handed_over)


def hand_over(world: World, graph: Graph) -> list[Ensure]:
    """Let what the deployment mounts go with the deployment, which outlives the request."""
    results = world.status.profiling_results
    mounted = json.dumps(results.selected_config if results else None)
    owner = {"apiVersion": world.graphs.api_version, "kind": world.graphs.kind, "name": graph.metadata.name}
    return [
        Ensure(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": each.metadata.name,
                    "namespace": each.metadata.namespace,
                    "labels": each.metadata.labels,
                    "annotations": each.metadata.annotations,
                    # No controller: that of the request made it, and proves so by its annotation.
                    "ownerReferences": [owner | {"uid": graph.metadata.uid}],
                },
                "data": each.data,
            },
            How.APPLY,
        )
        for each in world.mounted
        if f'"{each.metadata.name}"' in mounted
        and world.owns(each.metadata)
        and graph.metadata.uid not in {o.uid for o in each.metadata.owner_references}
    ]


def deployed(world: World) -> Decision:
    """Mirror the deployment."""
    graph = world.graph
    if absent := _absent(world):
        return absent
    if graph is None:
        return _deleted(world)
    if is_healthy(graph):
        status = enter(world, Phase.DEPLOYED, deployment_info=info(graph))
        return Decision(status, ensure=hand_over(world, graph))
    # One that somebody has changed says *successful* of its former spec until Dynamo's operator has looked.
    state = "updating" if graph.status.state == _SUCCESSFUL else graph.status.state
    degraded = DeploymentReady.degraded(state)
    message = f"DynamoGraphDeployment {_name(world)} degraded from Ready to {state}"
    return Decision(
        enter(world, Phase.DEPLOYING, degraded, deployment_info=info(graph)),
        events=[Event("DeploymentDegraded", message, warning=True)],
    )


def _name(world: World) -> str:
    return world.status.dgd_name or dgd_name(world.name)


def _absent(world: World) -> Decision | None:
    """Return what follows where the deployment is not to be seen, though it was made: it is not made again."""
    if not world.graphs_known:
        return Decision(enter(world, Phase.DEPLOYING, DeploymentReady.not_installed()), after_s=_LOOK_AGAIN_S)
    made = world.status.deployment_info is not None and world.status.deployment_info.uid is not None
    there = world.graph is not None and (_is_the_made_one(world) or world.owns(world.graph.metadata))
    return None if there or not made else _deleted(world)


def _is_the_made_one(world: World) -> bool:
    """Say whether the deployment is the very one that was made, whatever somebody has done to its labels."""
    made = world.status.deployment_info
    return world.graph is not None and made is not None and made.uid == world.graph.metadata.uid


def _deleted(world: World) -> Decision:
    """Leave it at that: who deletes a deployment does not want it made again."""
    message = (
        f"DGD {_name(world)} was deleted. DGDR will not recreate it. Delete this DGDR and create a new one to redeploy."
    )
    return Decision(
        enter(world, Phase.FAILED, DeploymentReady.deleted(), dgd_name=None, deployment_info=None),
        events=[Event("DeploymentDeleted", message, warning=True)],
    )


def _make(world: World) -> Decision:
    """Make it, from the status."""
    results, name = world.status.profiling_results, _name(world)
    config = results.selected_config if results else None
    if config is None:  # somebody has edited the status: profile again rather than guess
        return start_over(world)
    return Decision(
        enter(world, Phase.DEPLOYING, DeploymentReady.in_progress(name, "")),
        ensure=[Ensure(dict(config), How.CREATE, refused=DeploymentReady)],
        events=[Event("DeploymentCreated", f"DynamoGraphDeployment {name} created successfully")],
        after_s=0.0,  # what it mounts is handed over to it at once
    )


def is_healthy(graph: Graph) -> bool:
    """Say whether Dynamo's operator calls the deployment successful, and means its present spec."""
    return graph.status.state == _SUCCESSFUL and graph.status.observed_generation >= graph.metadata.generation


def _conflict(world: World, graph: Graph) -> Decision | None:
    """Return what is said of a deployment that was there before: of somebody else's, or of another candidate."""
    name, (ours, theirs) = _name(world), (_candidate(_annotations(world)), _candidate(graph.metadata.annotations))
    if not (world.owns(graph.metadata) or _is_the_made_one(world)):
        conflict = DeploymentReady.name_conflict(name)
    elif ours and theirs and ours != theirs:
        conflict = DeploymentReady.other_candidate(name, theirs, ours)
    else:
        return None
    told = world.condition(DeploymentReady.TYPE)
    news = told is None or told.reason != conflict.reason
    return Decision(
        enter(world, Phase.DEPLOYING, conflict),
        events=[Event(conflict.reason, conflict.message, warning=True)] if news else (),
        after_s=_LOOK_AGAIN_S,
    )


def _candidate(annotations: Mapping[str, Any]) -> str:
    return str(annotations.get(ANNOTATION_CANDIDATE, ""))


def _annotations(world: World) -> Mapping[str, Any]:
    """Return the annotations of the deployment that the status says is to be made."""
    results = world.status.profiling_results
    metadata = (results.selected_config or {}).get("metadata") if results else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def info(graph: Graph) -> DeploymentInfo:
    """Return what the status shows of a deployment."""
    components = (graph.status.components or graph.status.services).values()
    return DeploymentInfo(
        uid=graph.metadata.uid,
        replicas=sum(each.replicas for each in components) if components else None,
        available_replicas=sum(each.available_replicas for each in components) if components else None,
    )
