from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.candidate import Mode, Outcome, Parallelism, Role, Verdict, Worker
from dgdr_api.conditions import ConfigurationWarning, RequestWarning, SLAWarning
from dgdr_api.names import ANNOTATION_DEPLOY, ANNOTATION_GENERATED, ANNOTATION_UID, LABEL_NAME
from dgdr_api.v1beta1 import Features, Phase
from dgdr_controller.kinds import CONFIG_MAPS, ConfigMap, Graph
from dgdr_controller.manifest import load_documents
from dgdr_controller.profiling_job.output import pack
from dgdr_controller.profiling_job.protocol import Results
from dgdr_controller.reconciler.decision import Decision, WriteMode
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.observed_state import after, graph_of, published_of, said
from test.builders.results import candidate_of, results_of

STATUS_BYTES = 64 * 1024


def generated(observed: ObservedState, results: Results) -> Decision:
    told = published_of(observed, results)
    return generate(replace(observed, **told), told["output"])


def annotated(observed: ObservedState, **annotations: str) -> ObservedState:
    metadata = observed.request.metadata.model_copy(update={"annotations": annotations})
    return replace(observed, request=observed.request.model_copy(update={"metadata": metadata}))


def asked_for(observed: ObservedState, candidate: str) -> ObservedState:
    return annotated(observed, **{ANNOTATION_DEPLOY: candidate})


def switched_on(observed: ObservedState) -> ObservedState:
    spec = observed.request.spec.model_copy(update={"auto_apply": True})
    return replace(observed, generation=2, request=observed.request.model_copy(update={"spec": spec}))


def manifest(observed: ObservedState) -> dict[str, Any]:
    results = observed.status.profiling_results
    assert results is not None
    assert results.selected_config is not None
    return dict(results.selected_config)


# From results to the status


def test_the_chosen_candidate_is_written_everywhere_the_same(profiling_world: ObservedState) -> None:
    decision = generated(profiling_world, results_of())
    observed = after(profiling_world, decision)
    assert decision.status.phase is Phase.DEPLOYING
    assert decision.status.dgd_name == "qwen-dgd" == manifest(observed)["metadata"]["name"]
    assert load_documents(decision.annotations[ANNOTATION_GENERATED] or "") == [manifest(observed)]
    assert manifest(observed)["metadata"]["annotations"][ANNOTATION_UID] == observed.uid
    assert decision.after_s == 0
    assert decision.status.profiling_phase is None
    assert said(decision, "ProfilingComplete")[2].startswith("vllm aggregated, ")
    results = decision.status.profiling_results
    assert results is not None
    assert results.start_time is not None
    assert results.completion_time == observed.now


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1", "v1alpha1-profiling"])
def test_deployment_is_found_where_v1alpha1_has_it(profiling_world: ObservedState, version: str) -> None:
    observed = annotated(profiling_world, **{"dgdr.nvidia.com/defaults": version})
    status = generated(observed, results_of()).status
    assert status.profiling_results is not None
    expected = None if version == "v1beta1" else status.profiling_results.selected_config
    assert status.generated_deployment == expected


def test_the_selected_one_is_first_and_no_more_than_twelve_are_shown(profiling_world: ObservedState) -> None:
    found = [candidate_of(1, context_length=10_000 + n) for n in range(20)]
    results = results_of(found, selected=15)
    decision = generated(profiling_world, results)
    shown = decision.status.profiling_results
    assert shown is not None
    assert shown.pareto is not None
    assert [point.id for point in shown.pareto] == [found[15].id, *(found[n].id for n in range(11))]


def test_a_selected_one_off_the_front_is_shown_too_and_losers_are_not(profiling_world: ObservedState) -> None:
    found = [candidate_of(1), candidate_of(2), candidate_of(4)]
    decision = generated(profiling_world, results_of(found, selected=2, pareto=[1]))
    shown = decision.status.profiling_results
    assert shown is not None
    assert [point.id for point in shown.pareto or ()] == [found[2].id, found[1].id]


def test_warnings_become_conditions_one_of_each_type(profiling_world: ObservedState) -> None:
    warnings = [
        RequestWarning(type=SLAWarning.TYPE, message="first"),
        ConfigurationWarning.note("second"),
        RequestWarning(type=SLAWarning.TYPE, message="third"),
    ]
    decision = generated(profiling_world, results_of(warnings=warnings))
    assert said(decision, "SLAWarning") == ("True", "SLAWarning", "first; third")
    assert said(decision, "ConfigurationWarning")[2].startswith("second")
    assert [event.reason for event in decision.events] == ["SpecGenerated", "SLAWarning", "ConfigurationWarning"]
    assert [event.warning for event in decision.events] == [False, True, True]


def test_images_of_another_version_are_a_warning(profiling_world: ObservedState) -> None:
    spec = profiling_world.request.spec.model_copy(update={"image": "nvcr.io/nvidia/ai-dynamo/x:1.0.0"})
    observed = replace(profiling_world, request=profiling_world.request.model_copy(update={"spec": spec}))
    assert "1.0.0" in said(generated(observed, results_of()), "ConfigurationWarning")[2]


def test_warnings_of_a_type_that_is_not_known_are_left_to_the_results(profiling_world: ObservedState) -> None:
    decision = generated(profiling_world, results_of(warnings=[RequestWarning(type="Other", message="x")]))
    assert "Other" not in {c.type for c in decision.status.conditions or ()}


def long_model(count: int) -> Results:
    """Return results whose deployments are large: a model with a long path."""
    found = [candidate_of(1, context_length=10_000 + n) for n in range(count)]
    return results_of(found).model_copy(update={"model": "/models/" + "ü" * 3000})


def test_the_status_stays_short_and_keeps_what_was_chosen(profiling_world: ObservedState) -> None:
    decision = generated(profiling_world, long_model(12))
    assert len(decision.status.model_dump_json(exclude_none=True, by_alias=True).encode()) <= STATUS_BYTES
    shown = decision.status.profiling_results
    assert shown is not None
    assert shown.selected_config
    points = shown.pareto or ()
    assert len(points) == 12
    kept = [point.config is not None for point in points]
    assert kept == sorted(kept, reverse=True), "the least interesting ones lose theirs first"
    assert points[-1].throughput_per_gpu


@pytest.mark.parametrize("packed", ["", "junk", pack(b"{}")])
def test_results_that_cannot_be_read_fail(profiling_world: ObservedState, packed: str) -> None:
    told = published_of(profiling_world, results_of())
    decision = generate(profiling_world, replace(told["output"], packed=packed))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "SpecGenerated")[:2] == ("False", "GenerationFailed")
    assert said(decision, "Succeeded")[2].startswith("Spec generation failed: the published results cannot be read")


def test_results_without_a_choice_fail(profiling_world: ObservedState) -> None:
    decision = generated(profiling_world, results_of(selected=None))
    assert decision.status.phase is Phase.FAILED
    assert not decision.annotations


# Ready


def test_ready_stays_ready_and_succeeded(ready_world: ObservedState) -> None:
    decision = ready(ready_world)
    assert decision.status == ready_world.status
    assert not decision.annotations
    assert decision.after_s is None
    assert said(decision, "Succeeded")[:2] == ("True", "SpecGenerated")
    assert "nvidia.com/generated-dgd-spec" in said(decision, "SpecGenerated")[2]


def test_switching_auto_apply_on_deploys_what_was_chosen(ready_world: ObservedState) -> None:
    observed = switched_on(ready_world)
    decision = ready(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert manifest(after(observed, decision)) == manifest(ready_world)
    assert said(decision, "Succeeded")[0] == "False"


@pytest.mark.parametrize("asked", ["recommended", "the other"])
def test_the_annotation_deploys_the_candidate_that_it_names(ready_world: ObservedState, asked: str) -> None:
    other = results_of().candidates[1]
    observed = asked_for(ready_world, other.id if asked == "the other" else asked)
    decision = ready(observed)
    assert decision.status.phase is Phase.DEPLOYING
    shown = decision.status.profiling_results
    assert shown is not None
    assert shown.pareto is not None
    assert shown.pareto[0].gpus == (4 if asked == "the other" else 2)
    assert shown.completion_time == (ready_world.status.profiling_results or shown).completion_time
    assert load_documents(decision.annotations[ANNOTATION_GENERATED] or "") == [manifest(after(observed, decision))]


def test_an_id_that_no_candidate_has_is_not_answered_with_another_deployment(ready_world: ObservedState) -> None:
    decision = ready(asked_for(ready_world, "vllm-agg-typo"))
    assert decision.status.phase is Phase.READY
    assert said(decision, "SpecGenerated")[:2] == ("True", "CandidateNotOffered")
    assert "vllm-agg-typo" in said(decision, "SpecGenerated")[2]
    assert [event.reason for event in decision.events] == ["CandidateNotOffered"]
    again = ready(after(asked_for(ready_world, "vllm-agg-typo"), decision))
    assert again.status == decision.status
    assert not again.events


def test_candidate_that_cannot_be_deployed_is_not_deployed_on_demand(ready_world: ObservedState) -> None:
    good = candidate_of(2)
    bad = candidate_of(
        2, workers=(Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=1, dp=2), count=1, batch=8,
                           max_num_tokens=8192),),
        verdict=Verdict(outcome=Outcome.NOT_RENDERABLE, reason="attention data parallelism"),
    )  # fmt: skip
    assert bad.mode is Mode.AGGREGATED
    told = published_of(ready_world, results_of([good, bad], pareto=[0]))
    decision = ready(asked_for(replace(ready_world, **told), bad.id))
    assert decision.status.phase is Phase.READY
    assert bad.id in said(decision, "SpecGenerated")[2]


def test_an_annotation_that_is_taken_back_is_forgotten(ready_world: ObservedState) -> None:
    asked = asked_for(ready_world, "vllm-agg-typo")
    back = annotated(after(asked, ready(asked)))
    assert ready(back).status == ready_world.status


def test_an_id_that_is_there_before_the_results_are_is_looked_up_then(profiling_world: ObservedState) -> None:
    spec = profiling_world.request.spec.model_copy(update={"auto_apply": False})
    observed = replace(profiling_world, request=profiling_world.request.model_copy(update={"spec": spec}))
    assert generated(asked_for(observed, "vllm-agg-typo"), results_of()).status.phase is Phase.READY
    other = results_of().candidates[1]
    decision = generated(asked_for(observed, other.id), results_of())
    assert decision.status.phase is Phase.DEPLOYING
    assert decision.status.profiling_results is not None
    assert (decision.status.profiling_results.pareto or ())[0].id == other.id


def test_candidate_that_was_chosen_is_the_only_one_to_be_had_without_the_output(ready_world: ObservedState) -> None:
    other = results_of().candidates[1]
    decision = ready(asked_for(replace(ready_world, output=None, output_map=None), other.id))
    assert decision.status.phase is Phase.READY


def test_a_candidate_is_never_answered_with_another_one_even_when_deployments_are_automatic(
    ready_world: ObservedState, profiling_world: ObservedState
) -> None:
    automatic = ready_world.request.spec.model_copy(update={"auto_apply": True})
    observed = replace(ready_world, request=ready_world.request.model_copy(update={"spec": automatic}))
    decision = ready(asked_for(replace(observed, output=None, output_map=None), results_of().candidates[1].id))
    assert decision.status.phase is Phase.READY
    assert said(decision, "SpecGenerated")[:2] == ("True", "CandidatesGone")
    early = generated(asked_for(profiling_world, "vllm-agg-typo"), results_of())
    assert early.status.phase is Phase.READY


def test_candidate_that_was_chosen_is_deployed_without_the_output(ready_world: ObservedState) -> None:
    decision = ready(asked_for(replace(ready_world, output=None, output_map=None), "recommended"))
    assert decision.status.phase is Phase.DEPLOYING


# Deploying


def test_the_deployment_is_made_from_the_status(deploying_world: ObservedState) -> None:
    decision = deploying(deploying_world)
    (ensured,) = decision.ensure
    assert ensured.mode is WriteMode.CREATE
    assert ensured.manifest == manifest(deploying_world)
    assert "ownerReferences" not in ensured.manifest["metadata"]
    assert ensured.manifest["metadata"]["labels"][LABEL_NAME] == "qwen"
    assert said(decision, "DeploymentReady")[:2] == ("False", "DeploymentInProgress")


def test_deploying_waits_without_dynamo_and_says_so(deploying_world: ObservedState) -> None:
    observed = replace(deploying_world, graphs_known=False)
    decision = deploying(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady")[1] == "WaitingForDynamo"
    assert decision.after_s is not None
    assert not decision.ensure
    assert deploying(after(observed, decision, graphs_known=True)).ensure


def test_an_edited_status_is_not_guessed_from(deploying_world: ObservedState) -> None:
    bare = deploying_world.status.model_copy(update={"profiling_results": None})
    observed = replace(deploying_world, request=deploying_world.request.model_copy(update={"status": bare}))
    decision = deploying(observed)
    assert decision.status.phase is Phase.PENDING
    assert not decision.ensure


def foreign(observed: ObservedState, **changes: dict[str, str]) -> Graph:
    found = manifest(observed)
    graph = graph_of(found | {"metadata": found["metadata"] | changes})
    return msgspec.structs.replace(graph, metadata=msgspec.structs.replace(graph.metadata, uid="dgd-of-another"))


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
    deploying_world: ObservedState, changes: dict[str, dict[str, str]]
) -> None:
    observed = replace(deploying_world, graph=foreign(deploying_world, **changes))
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
    deploying_world: ObservedState, state: str, generation: int, observed: int, *, healthy: bool
) -> None:
    graph = graph_of(manifest(deploying_world), state, generation=generation, observed=observed)
    decision = deploying(replace(deploying_world, graph=graph))
    assert decision.status.phase is (Phase.DEPLOYED if healthy else Phase.DEPLOYING)
    assert said(decision, "Succeeded")[0] == str(healthy)
    assert not decision.ensure
    assert [event.reason for event in decision.events] == (["DeploymentReady"] if healthy else [])


@pytest.mark.parametrize("replaced", [False, True])
def test_deployment_that_is_deleted_before_it_is_healthy_is_not_made_again(
    deploying_world: ObservedState, *, replaced: bool
) -> None:
    observed = replace(deploying_world, graph=graph_of(manifest(deploying_world), "pending"))
    gone = after(observed, deploying(observed), graph=foreign(deploying_world, annotations={}) if replaced else None)
    decision = deploying(gone)
    assert decision.status.phase is Phase.FAILED
    assert not decision.ensure
    assert said(decision, "DeploymentReady")[1] == "DeploymentDeleted"
    assert [event.reason for event in decision.events] == ["DeploymentDeleted"]


def test_deployment_that_goes_with_dynamos_crd_is_not_made_again_when_that_comes_back(
    deployed_world: ObservedState,
) -> None:
    observed = replace(deployed_world, graph=None, graphs_known=False)
    back = after(observed, deployed(observed), graphs_known=True)
    assert back.status.phase is Phase.DEPLOYING
    assert deploying(back).status.phase is Phase.FAILED
    assert not deploying(back).ensure


@pytest.mark.parametrize("phase", [Phase.DEPLOYING, Phase.DEPLOYED])
def test_deployment_that_lost_its_labels_is_still_the_one_that_was_made(
    deploying_world: ObservedState, phase: Phase
) -> None:
    observed = replace(deploying_world, graph=graph_of(manifest(deploying_world), "pending"))
    observed = after(observed, deploying(observed))
    found = manifest(deploying_world)
    bare = graph_of(found | {"metadata": found["metadata"] | {"labels": {}, "annotations": {}}})
    decision = (deploying if phase is Phase.DEPLOYING else deployed)(replace(observed, graph=bare))
    assert decision.status.phase is Phase.DEPLOYED


def test_deployment_of_another_candidate_is_told_of_and_replaced_once_it_is_gone(ready_world: ObservedState) -> None:
    by_hand = graph_of(manifest(ready_world))
    observed = replace(ready_world, graph=by_hand)
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


def test_degraded_is_said_until_it_is_healthy_again(deployed_world: ObservedState) -> None:
    observed = replace(deployed_world, graph=graph_of(manifest(deployed_world), "failed"))
    observed = after(observed, deployed(observed))
    decision = deploying(replace(observed, graph=graph_of(manifest(deployed_world), "pending")))
    assert said(decision, "DeploymentReady")[1] == "DeploymentDegraded"


def test_replicas_are_summed_over_components(deploying_world: ObservedState) -> None:
    components = {
        "Frontend": {"replicas": 1, "availableReplicas": 1},
        "worker": {"replicas": 4, "availableReplicas": 2},
    }
    graph = graph_of(manifest(deploying_world), "pending", components=components)
    info = deploying(replace(deploying_world, graph=graph)).status.deployment_info
    assert info is not None
    assert (info.replicas, info.available_replicas) == (5, 3)


# Deployed


@pytest.fixture
def deployed_world(deploying_world: ObservedState) -> ObservedState:
    observed = replace(deploying_world, graph=graph_of(manifest(deploying_world)))
    return after(observed, deploying(observed))


def test_a_healthy_deployment_changes_nothing(deployed_world: ObservedState) -> None:
    decision = deployed(deployed_world)
    assert decision.status == deployed_world.status
    assert not decision.events


def test_a_degraded_one_goes_back_to_deploying_and_forth_again(deployed_world: ObservedState) -> None:
    observed = replace(deployed_world, graph=graph_of(manifest(deployed_world), "failed"))
    decision = deployed(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "DeploymentReady") == ("False", "DeploymentDegraded", "Deployment degraded to failed")
    assert [event.reason for event in decision.events] == ["DeploymentDegraded"]
    healed = after(observed, decision, graph=deployed_world.graph)
    assert deploying(healed).status.phase is Phase.DEPLOYED


@pytest.mark.parametrize("gone", [True, False])
def test_deployment_that_is_deleted_or_replaced_fails_and_is_not_made_again(
    deployed_world: ObservedState, *, gone: bool
) -> None:
    observed = replace(deployed_world, graph=None if gone else foreign(deployed_world, annotations={}))
    decision = deployed(observed)
    assert decision.status.phase is Phase.FAILED
    assert not decision.ensure
    assert decision.status.dgd_name is None
    assert said(decision, "DeploymentReady")[1] == "DeploymentDeleted"
    assert said(decision, "Succeeded")[2].startswith("Deployment failed: Deployment was deleted by user")


def test_deployment_is_not_taken_for_deleted_while_dynamo_is_not_known(deployed_world: ObservedState) -> None:
    decision = deployed(replace(deployed_world, graph=None, graphs_known=False))
    assert decision.status.phase is not Phase.FAILED
    assert said(decision, "DeploymentReady")[1] == "WaitingForDynamo"


# With the planner


def planned(observed: ObservedState, **planner: Any) -> ObservedState:
    spec = observed.request.spec.model_copy(update={"features": Features(planner=planner or True)})
    return replace(observed, request=observed.request.model_copy(update={"spec": spec}))


def test_mounted_objects_are_there_first_and_go_with_the_request(profiling_world: ObservedState) -> None:
    decision = generated(planned(profiling_world), results_of())
    tried, config_map = (each.manifest for each in decision.ensure)
    assert tried["kind"] == "DynamoGraphDeployment"
    assert config_map["kind"] == "ConfigMap"
    (owner,) = config_map["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"]) == ("DynamoGraphDeploymentRequest", True)
    text = str(decision.status.profiling_results and decision.status.profiling_results.selected_config)
    assert config_map["metadata"]["name"] in text


def ready_by_hand(observed: ObservedState) -> ObservedState:
    spec = observed.request.spec.model_copy(update={"auto_apply": False})
    status = observed.status.model_copy(update={"phase": Phase.READY})
    return replace(observed, request=observed.request.model_copy(update={"spec": spec, "status": status}))


def test_mounted_objects_of_another_deployment_keep_their_owner(profiling_world: ObservedState) -> None:
    observed = planned(profiling_world)
    decision = generated(observed, results_of())
    tried, config_map = (each.manifest for each in decision.ensure)
    assert tried["kind"] == "DynamoGraphDeployment"
    other = config_map | {"metadata": config_map["metadata"] | {"name": "planner-config-00000000"}}
    observed = after(observed, decision, mounted=(CONFIG_MAPS.decode(msgspec.json.encode(other)),))
    assert not deploying(replace(observed, graph=graph_of(manifest(observed), state="pending"))).ensure


def test_the_export_has_all_that_it_mounts_and_other_points_have_none(profiling_world: ObservedState) -> None:
    decision = generated(planned(profiling_world), results_of())
    documents = load_documents(decision.annotations[ANNOTATION_GENERATED] or "")
    assert [each["kind"] for each in documents if isinstance(each, dict)] == ["ConfigMap", "DynamoGraphDeployment"]
    results = decision.status.profiling_results
    assert results is not None
    assert {each.config is None for each in results.pareto or ()} == {True}


def test_mounted_objects_go_with_the_deployment_once_it_is_there(profiling_world: ObservedState) -> None:
    observed = planned(profiling_world)
    decision = generated(observed, results_of())
    tried, config_map = (each.manifest for each in decision.ensure)
    assert tried["kind"] == "DynamoGraphDeployment"
    mounted: ConfigMap = CONFIG_MAPS.decode(msgspec.json.encode(config_map))
    observed = after(observed, decision, mounted=(mounted,))
    observed = replace(observed, graph=graph_of(manifest(observed), state="pending"))
    assert observed.graph is not None
    (moved,) = (each.manifest for each in deploying(observed).ensure)
    (owner,) = moved["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("DynamoGraphDeployment", observed.graph.metadata.uid)
    assert moved["data"] == config_map["data"]
    healthy = replace(observed, graph=graph_of(manifest(observed)))
    assert deployed(after(healthy, deploying(healthy))).ensure  # its ConfigMap was seen late
    by_hand = replace(ready_by_hand(observed), graph=healthy.graph)
    assert ready(by_hand).ensure
    again = replace(observed, mounted=(CONFIG_MAPS.decode(msgspec.json.encode(moved)),))
    assert observed.owns(again.mounted[0].metadata)
    assert not deploying(again).ensure
