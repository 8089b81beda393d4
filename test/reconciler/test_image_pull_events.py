"""Images that pods cannot pull, told as events of the request: of the deployment's pods, and of the profiling pod."""

from dataclasses import replace

import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deploying import deploying
from test.builders.deployments import manifest
from test.builders.observed_state import after, container, graph_of, pod_of, said


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_image_that_a_pod_of_the_deployment_cannot_pull_is_a_warning(
    deploying_state: ObservedState, reason: str
) -> None:
    waiting = {"reason": reason, "message": "manifest unknown"}
    pulling = pod_of("qwen-dgd-worker-0", created_ago=60, containerStatuses=[container("main", waiting=waiting)])
    runs = pod_of("qwen-dgd-frontend-0", created_ago=60, containerStatuses=[container("main", running={})])
    observed = replace(deploying_state, graph=graph_of(manifest(deploying_state), "pending"), serving=(runs, pulling))
    decision = deploying(observed)
    assert decision.status.phase is Phase.DEPLOYING
    (event,) = decision.events
    assert (event.reason, event.warning) == ("ImagePullFailed", True)
    assert event.message.startswith(
        f"pod qwen-dgd-worker-0 cannot start: {reason} of registry/main:1: manifest unknown"
    )
    assert said(decision, "DeploymentReady")[1] == "ImagePullFailed"
    assert not deploying(after(observed, decision)).events


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_container_that_is_still_made_is_no_event(deploying_state: ObservedState, reason: str) -> None:
    waits = pod_of(created_ago=60, containerStatuses=[container("main", waiting={"reason": reason})])
    graph = graph_of(manifest(deploying_state), "pending")
    assert not deploying(replace(deploying_state, graph=graph, serving=(waits,))).events
