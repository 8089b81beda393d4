from dataclasses import replace

import msgspec
import pytest

from dgdr_api.names import ANNOTATION_REPLACE, ANNOTATION_UID, LABEL_NAME
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler.decision import WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.deployments import annotated, asked_for, foreign, manifest
from test.builders.observed_state import after, graph_of, said
from test.builders.results import results_of


def test_deployment_is_made_from_the_status(deploying_state: ObservedState) -> None:
    decision = deploying(deploying_state)
    (ensured,) = decision.ensure
    assert ensured.mode is WriteMode.CREATE
    assert ensured.manifest == manifest(deploying_state)
    assert "ownerReferences" not in ensured.manifest["metadata"]
    assert ensured.manifest["metadata"]["labels"][LABEL_NAME] == "qwen"
    assert said(decision, "DeploymentReady")[:2] == ("False", "DeploymentInProgress")


def test_deploying_waits_without_dynamo_and_says_so(deploying_state: ObservedState) -> None:
    observed = replace(deploying_state, graphs_known=False)
    decision = deploying(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady")[1] == "WaitingForDynamo"
    assert decision.after_s is not None
    assert not decision.ensure
    assert deploying(after(observed, decision, graphs_known=True)).ensure


def test_edited_status_is_not_guessed_from(deploying_state: ObservedState) -> None:
    bare = deploying_state.status.model_copy(update={"profiling_results": None})
    observed = replace(deploying_state, request=deploying_state.request.model_copy(update={"status": bare}))
    decision = deploying(observed)
    assert decision.status.phase is Phase.PENDING
    assert not decision.ensure


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": {}},
        {"annotations": {ANNOTATION_UID: "another"}},
        {"labels": {}},
        {"labels": {LABEL_NAME: "qwen", "dgdr.nvidia.com/namespace": "other"}},
    ],
)
def test_deployment_of_another_owner_is_a_conflict_and_never_touched(
    deploying_state: ObservedState, changes: dict[str, dict[str, str]]
) -> None:
    observed = replace(deploying_state, graph=foreign(deploying_state, **changes))
    decision = deploying(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady")[1] == "NameConflict"
    assert not decision.ensure
    assert not decision.remove
    assert [event.reason for event in decision.events] == ["NameConflict"]
    assert decision.after_s is not None
    again = deploying(after(observed, decision))
    assert not again.events
    assert again.status == decision.status
    assert deploying(after(observed, decision, graph=None)).ensure


def predecessors(observed: ObservedState) -> Graph:
    """Make a deployment that an earlier request of the name has left, with marks of others."""
    graph = foreign(observed, annotations={ANNOTATION_UID: "uid-before", "nvidia.com/by": "operator"})
    return msgspec.structs.replace(graph, metadata=msgspec.structs.replace(graph.metadata, resource_version="42"))


@pytest.mark.parametrize("asked", ["", "another-dgd"])
def test_deployment_of_an_earlier_request_stays_and_both_ways_out_are_told(
    deploying_state: ObservedState, asked: str
) -> None:
    observed = annotated(deploying_state, **{ANNOTATION_REPLACE: asked})
    decision = deploying(replace(observed, graph=predecessors(deploying_state)))
    assert said(decision, "DeploymentReady")[1:] == (
        "NameConflict",
        (
            "DynamoGraphDeployment qwen-dgd was made for an earlier request of this name and still runs; delete it, or set "
            "annotation dgdr.nvidia.com/replace-dgd to qwen-dgd to change it in place (since 2026-01-02 03:04 UTC)"
        ),
    )
    assert not decision.ensure


def test_deployment_of_an_earlier_request_is_changed_in_place_if_somebody_says_so(
    deploying_state: ObservedState,
) -> None:
    observed = annotated(deploying_state, **{ANNOTATION_REPLACE: "qwen-dgd"})
    decision = deploying(replace(observed, graph=predecessors(deploying_state)))
    (ensured,) = decision.ensure
    assert ensured.mode is WriteMode.REPLACE
    metadata, wanted = ensured.manifest["metadata"], manifest(deploying_state)
    assert ensured.manifest["spec"] == wanted["spec"]
    assert metadata["resourceVersion"] == "42"
    assert metadata["annotations"] == wanted["metadata"]["annotations"] | {"nvidia.com/by": "operator"}
    assert [event.reason for event in decision.events] == ["DeploymentReplaced"]


def test_deployment_that_is_being_deleted_is_waited_for(deploying_state: ObservedState) -> None:
    graph = predecessors(deploying_state)
    ending = msgspec.structs.replace(graph.metadata, deletion_timestamp=deploying_state.now)
    observed = annotated(deploying_state, **{ANNOTATION_REPLACE: "qwen-dgd"})
    decision = deploying(replace(observed, graph=msgspec.structs.replace(graph, metadata=ending)))
    assert not decision.ensure
    assert said(decision, "DeploymentReady")[1] == "WaitingForCleanup"


def test_time_before_a_deployment_was_changed_does_not_count(deploying_state: ObservedState) -> None:
    observed = annotated(deploying_state, **{ANNOTATION_REPLACE: "qwen-dgd"})
    conflict = deploying(replace(deploying_state, graph=predecessors(deploying_state)))
    later = after(replace(observed, graph=predecessors(deploying_state)), conflict, s=9 * 3600)
    later = annotated(later, **{ANNOTATION_REPLACE: "qwen-dgd"})
    replaced = deploying(later)
    assert said(replaced, "DeploymentReady")[0] == "Unknown"
    followed = deploying(after(later, replaced, s=1, graph=graph_of(manifest(deploying_state), "pending")))
    assert said(followed, "DeploymentReady")[1] == "DeploymentInProgress"


def test_deployment_of_somebody_else_is_never_changed(deploying_state: ObservedState) -> None:
    observed = annotated(deploying_state, **{ANNOTATION_REPLACE: "qwen-dgd"})
    assert not deploying(replace(observed, graph=foreign(deploying_state, labels={}))).ensure


@pytest.mark.parametrize(
    ("state", "generation", "observed", "healthy"),
    [
        ("successful", 1, 1, True),
        ("successful", 2, 2, True),
        ("successful", 2, 1, False),
        ("successful", 1, 0, False),
        ("pending", 1, 1, False),
        ("failed", 1, 1, False),
        ("", 1, 0, False),
    ],
)
def test_deploying_is_deployed_when_the_present_spec_is_successful(
    deploying_state: ObservedState, state: str, generation: int, observed: int, *, healthy: bool
) -> None:
    graph = graph_of(manifest(deploying_state), state, generation=generation, observed=observed)
    decision = deploying(replace(deploying_state, graph=graph))
    assert decision.status.phase is (Phase.DEPLOYED if healthy else Phase.DEPLOYING)
    assert said(decision, "Succeeded")[0] == str(healthy)
    assert not decision.ensure
    assert [event.reason for event in decision.events] == (["DeploymentReady"] if healthy else [])


@pytest.mark.parametrize("replaced", [False, True])
def test_deployment_that_is_deleted_before_it_is_healthy_is_not_made_again(
    deploying_state: ObservedState, *, replaced: bool
) -> None:
    observed = replace(deploying_state, graph=graph_of(manifest(deploying_state), "pending"))
    gone = after(observed, deploying(observed), graph=foreign(deploying_state, annotations={}) if replaced else None)
    decision = deploying(gone)
    assert decision.status.phase is Phase.FAILED
    assert not decision.ensure
    assert said(decision, "DeploymentReady")[1] == "DeploymentDeleted"
    assert [event.reason for event in decision.events] == ["DeploymentDeleted"]


def test_deployment_that_goes_with_dynamos_crd_is_not_made_again_when_that_comes_back(
    deployed_state: ObservedState,
) -> None:
    observed = replace(deployed_state, graph=None, graphs_known=False)
    back = after(observed, deployed(observed), graphs_known=True)
    assert back.status.phase is Phase.DEPLOYING
    assert deploying(back).status.phase is Phase.FAILED
    assert not deploying(back).ensure


@pytest.mark.parametrize("phase", [Phase.DEPLOYING, Phase.DEPLOYED])
def test_deployment_that_lost_its_labels_is_still_the_one_that_was_made(
    deploying_state: ObservedState, phase: Phase
) -> None:
    observed = replace(deploying_state, graph=graph_of(manifest(deploying_state), "pending"))
    observed = after(observed, deploying(observed))
    found = manifest(deploying_state)
    bare = graph_of(found | {"metadata": found["metadata"] | {"labels": {}, "annotations": {}}})
    decision = (deploying if phase is Phase.DEPLOYING else deployed)(replace(observed, graph=bare))
    assert decision.status.phase is Phase.DEPLOYED


def test_deployment_of_another_candidate_is_told_of_and_replaced_once_it_is_gone(ready_state: ObservedState) -> None:
    by_hand = graph_of(manifest(ready_state))
    observed = replace(ready_state, graph=by_hand)
    shown = ready(observed)
    assert shown.status.deployment_info is not None
    assert shown.status.deployment_info.uid == "dgd-1"
    other = results_of().candidates[1]
    asked = asked_for(after(observed, shown), other.id)
    observed = after(asked, ready(asked))
    decision = deploying(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady")[1] == "OtherCandidateDeployed"
    assert other.id in said(decision, "DeploymentReady")[2]
    assert [event.reason for event in decision.events] == ["OtherCandidateDeployed"]
    assert not deploying(after(observed, decision)).events
    (ensured,) = deploying(after(observed, decision, graph=None)).ensure
    assert ensured.manifest["metadata"]["annotations"]["dgdr.nvidia.com/candidate"] == other.id


def test_degraded_is_said_until_it_is_healthy_again(deployed_state: ObservedState) -> None:
    observed = replace(deployed_state, graph=graph_of(manifest(deployed_state), "failed"))
    observed = after(observed, deployed(observed))
    decision = deploying(replace(observed, graph=graph_of(manifest(deployed_state), "pending")))
    assert said(decision, "DeploymentReady")[1] == "DeploymentDegraded"


def test_replicas_are_summed_over_components(deploying_state: ObservedState) -> None:
    components = {
        "Frontend": {"replicas": 1, "availableReplicas": 1},
        "worker": {"replicas": 4, "availableReplicas": 2},
    }
    graph = graph_of(manifest(deploying_state), "pending", components=components)
    info = deploying(replace(deploying_state, graph=graph)).status.deployment_info
    assert info is not None
    assert (info.replicas, info.available_replicas) == (5, 3)
