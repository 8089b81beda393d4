"""Deploying and Deployed: the deployment is made once, by its name, and followed; it is never adopted or replaced."""

from dgdr_api.conditions import DeploymentReady
from dgdr_api.names import dgd_name
from dgdr_api.v1beta1 import DeploymentInfo, Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, How, enter
from dgdr_controller.reconciler.world import World

_SUCCESSFUL = "successful"
_LOOK_AGAIN_S = 30.0


def deploying(world: World) -> Decision:
    """Make the deployment, and wait until it is healthy."""
    graph, name = world.graph, _name(world)
    if absent := _absent(world):
        return absent
    if graph is None:
        return _make(world)
    if not world.owns(graph.metadata):
        return _conflict(world, name)
    if is_healthy(graph):
        return Decision(
            enter(world, Phase.DEPLOYED, DeploymentReady.ready(name), deployment_info=_info(graph)),
            events=[Event("DeploymentReady", DeploymentReady.ready(name).message)],
        )
    waiting = DeploymentReady.in_progress(name, graph.status.state)
    return Decision(enter(world, Phase.DEPLOYING, waiting, deployment_info=_info(graph)))


def deployed(world: World) -> Decision:
    """Mirror the deployment."""
    graph = world.graph
    if absent := _absent(world):
        return absent
    if graph is None:
        return _deleted(world)
    if is_healthy(graph):
        return Decision(enter(world, Phase.DEPLOYED, deployment_info=_info(graph)))
    # One that somebody has changed says *successful* of its former spec until Dynamo's operator has looked.
    state = "updating" if graph.status.state == _SUCCESSFUL else graph.status.state
    degraded = DeploymentReady.degraded(state)
    message = f"DynamoGraphDeployment {_name(world)} degraded from Ready to {state}"
    return Decision(
        enter(world, Phase.DEPLOYING, degraded, deployment_info=_info(graph)),
        events=[Event("DeploymentDegraded", message, warning=True)],
    )


def _name(world: World) -> str:
    return world.status.dgd_name or dgd_name(world.name)


def _absent(world: World) -> Decision | None:
    """Return what follows where the deployment is not to be seen, though it was made: it is not made again."""
    if not world.graphs_known:
        return Decision(enter(world, Phase.DEPLOYING, DeploymentReady.not_installed()), after_s=_LOOK_AGAIN_S)
    made = world.status.deployment_info is not None and world.status.deployment_info.uid is not None
    there = world.graph is not None and world.owns(world.graph.metadata)
    return None if there or not made else _deleted(world)


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
        return Decision(enter(world, Phase.PENDING, anew=True))
    return Decision(
        enter(world, Phase.DEPLOYING, DeploymentReady.in_progress(name, "")),
        ensure=[Ensure(dict(config), How.CREATE, refused=DeploymentReady)],
        events=[Event("DeploymentCreated", f"DynamoGraphDeployment {name} created successfully")],
    )


def is_healthy(graph: Graph) -> bool:
    """Say whether Dynamo's operator calls the deployment successful, and means its present spec."""
    return graph.status.state == _SUCCESSFUL and graph.status.observed_generation >= graph.metadata.generation


def _conflict(world: World, name: str) -> Decision:
    conflict = DeploymentReady.name_conflict(name)
    told = world.condition(DeploymentReady.TYPE)
    news = told is None or told.reason != conflict.reason
    return Decision(
        enter(world, Phase.DEPLOYING, conflict),
        events=[Event(conflict.reason, conflict.message, warning=True)] if news else (),
        after_s=_LOOK_AGAIN_S,
    )


def _info(graph: Graph) -> DeploymentInfo:
    components = graph.status.components.values()
    return DeploymentInfo(
        uid=graph.metadata.uid,
        replicas=sum(each.replicas for each in components) if components else None,
        available_replicas=sum(each.available_replicas for each in components) if components else None,
    )
