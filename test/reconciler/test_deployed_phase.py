from dataclasses import replace

import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.deploying import deploying
from test.builders.deployments import foreign, manifest
from test.builders.observed_state import after, graph_of, said


def test_healthy_deployment_changes_nothing(deployed_state: ObservedState) -> None:
    decision = deployed(deployed_state)
    assert decision.status == deployed_state.status
    assert not decision.events


def test_degraded_one_goes_back_to_deploying_and_forth_again(deployed_state: ObservedState) -> None:
    observed = replace(deployed_state, graph=graph_of(manifest(deployed_state), "failed"))
    decision = deployed(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady") == ("False", "DeploymentDegraded", "Deployment degraded to failed")
    assert [event.reason for event in decision.events] == ["DeploymentDegraded"]
    healed = after(observed, decision, graph=deployed_state.graph)
    assert deploying(healed).status.phase is Phase.DEPLOYED


@pytest.mark.parametrize("gone", [True, False])
def test_deployment_that_is_deleted_or_replaced_fails_and_is_not_made_again(
    deployed_state: ObservedState, *, gone: bool
) -> None:
    observed = replace(deployed_state, graph=None if gone else foreign(deployed_state, annotations={}))
    decision = deployed(observed)
    assert decision.status.phase is Phase.FAILED
    assert not decision.ensure
    assert decision.status.dgd_name is None
    assert said(decision, "DeploymentReady")[1] == "DeploymentDeleted"
    assert said(decision, "Succeeded")[2].startswith("Deployment failed: Deployment was deleted by user")


def test_deployment_is_not_taken_for_deleted_while_dynamo_is_not_known(deployed_state: ObservedState) -> None:
    decision = deployed(replace(deployed_state, graph=None, graphs_known=False))
    assert decision.status.phase is not Phase.FAILED
    assert said(decision, "DeploymentReady")[1] == "WaitingForDynamo"
