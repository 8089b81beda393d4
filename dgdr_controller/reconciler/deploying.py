"""Deploying and Deployed: the deployment is made once, by its name, and followed; it is never adopted or replaced."""

from dgdr_api.conditions import DeploymentReady
from dgdr_api.names import ANNOTATION_UID, LABEL_NAME, LABEL_NAMESPACE, dgd_name
from dgdr_api.v1beta1 import DeploymentInfo, Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, How, enter
from dgdr_controller.reconciler.world import World

_SUCCESSFUL = "successful"
_LOOK_AGAIN_S = 30.0


def deploying(world: World) -> Decision:
    """Make the deployment, and wait until it is healthy."""
    results = world.status.profiling_results
    config = results.selected_config if results else None
    name = world.status.dgd_name or dgd_name(world.name)
    if not world.graphs_known:
        return Decision(enter(world, Phase.DEPLOYING, DeploymentReady.not_installed()), after_s=_LOOK_AGAIN_S)
    graph = world.graph
    if graph is None:
        if config is None:  # somebody has edited the status: profile again rather than guess
            return Decision(enter(world, Phase.PENDING, anew=True))
        return Decision(
            enter(world, Phase.DEPLOYING, DeploymentReady.in_progress(name, "")),
            ensure=[Ensure(dict(config), How.CREATE, refused=DeploymentReady)],
            events=[Event("DeploymentCreated", f"DynamoGraphDeployment {name} created successfully")],
        )
    if not is_ours(graph, world):
        return _conflict(world, name)
    if is_healthy(graph):
        return Decision(
            enter(world, Phase.DEPLOYED, DeploymentReady.ready(name), deployment_info=_replicas(graph)),
            events=[Event("DeploymentReady", DeploymentReady.ready(name).message)],
        )
    waiting = DeploymentReady.in_progress(name, graph.status.state)
    return Decision(enter(world, Phase.DEPLOYING, waiting, deployment_info=_replicas(graph)))


def deployed(world: World) -> Decision:
    """Mirror the deployment; one that is deleted is not made again."""
    name = world.status.dgd_name or dgd_name(world.name)
    graph = world.graph
    if not world.graphs_known:
        return Decision(enter(world, Phase.DEPLOYING, DeploymentReady.not_installed()), after_s=_LOOK_AGAIN_S)
    if graph is None or not is_ours(graph, world):
        message = (
            f"DGD {name} was deleted. DGDR will not recreate it. Delete this DGDR and create a new one to redeploy."
        )
        return Decision(
            enter(world, Phase.FAILED, DeploymentReady.deleted(), dgd_name=None, deployment_info=None),
            events=[Event("DeploymentDeleted", message, warning=True)],
        )
    if is_healthy(graph):
        return Decision(enter(world, Phase.DEPLOYED, deployment_info=_replicas(graph)))
    # One that somebody has changed says *successful* of its former spec until Dynamo's operator has looked.
    state = "updating" if graph.status.state == _SUCCESSFUL else graph.status.state
    degraded = DeploymentReady.degraded(state)
    message = f"DynamoGraphDeployment {name} degraded from Ready to {state}"
    return Decision(
        enter(world, Phase.DEPLOYING, degraded, deployment_info=_replicas(graph)),
        events=[Event("DeploymentDegraded", message, warning=True)],
    )


def is_ours(graph: Graph, world: World) -> bool:
    """Say whether a deployment was made for this very request: by its labels and the UID that it carries."""
    labels = graph.metadata.labels
    named = labels.get(LABEL_NAME) == world.name and labels.get(LABEL_NAMESPACE) == world.request.metadata.namespace
    return named and graph.metadata.annotations.get(ANNOTATION_UID) == world.uid


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


def _replicas(graph: Graph) -> DeploymentInfo | None:
    components = graph.status.components.values()
    if not components:
        return None
    return DeploymentInfo(
        replicas=sum(each.replicas for each in components),
        available_replicas=sum(each.available_replicas for each in components),
    )
