"""Deployed: mirror the deployment's health."""

from dgdr_api.conditions import DeploymentReady
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.decision import Decision, Event, enter
from dgdr_controller.reconciler.observed_state import ObservedState


def deployed(observed: ObservedState) -> Decision:
    """Mirror the deployment."""
    graph = observed.graph
    if absent := dgd.missing(observed):
        return absent
    if graph is None:
        return dgd.deleted(observed)
    if dgd.is_healthy(graph):
        status = enter(observed, Phase.DEPLOYED, deployment_info=dgd.info(graph))
        return Decision(status, ensure=dgd.transfer_ownership(observed, graph))
    # One that somebody has changed says *successful* of its former spec until Dynamo's operator has looked.
    state = "updating" if graph.status.state == dgd.SUCCESSFUL else graph.status.state
    degraded = DeploymentReady.degraded(state)
    message = f"DynamoGraphDeployment {dgd.name_of(observed)} degraded from Ready to {state}"
    return Decision(
        enter(observed, Phase.DEPLOYING, degraded, deployment_info=dgd.info(graph)),
        events=[Event("DeploymentDegraded", message, warning=True)],
    )
