from dataclasses import replace
from typing import Any

import msgspec

from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import Features, Phase
from dgdr_controller.kinds import CONFIG_MAPS, ConfigMap
from dgdr_controller.manifest import load_documents
from dgdr_controller.reconciler.decision import WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deployed import deployed
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.deployments import generated, manifest
from test.builders.observed_state import after, graph_of
from test.builders.results import results_of


def planned(observed: ObservedState, **planner: Any) -> ObservedState:
    spec = observed.request.spec.model_copy(update={"features": Features(planner=planner or True)})
    return replace(observed, request=observed.request.model_copy(update={"spec": spec}))


def test_mounted_objects_are_there_first_and_go_with_the_request(profiling_state: ObservedState) -> None:
    decision = generated(planned(profiling_state), results_of())
    tried, config_map, _ = (ensure.manifest for ensure in decision.ensure)
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


def test_mounted_objects_of_another_deployment_keep_their_owner(profiling_state: ObservedState) -> None:
    observed = planned(profiling_state)
    decision = generated(observed, results_of())
    tried, config_map, _ = (ensure.manifest for ensure in decision.ensure)
    assert tried["kind"] == "DynamoGraphDeployment"
    other = config_map | {"metadata": config_map["metadata"] | {"name": "planner-config-00000000"}}
    observed = after(observed, decision, mounted=(CONFIG_MAPS.decode(msgspec.json.encode(other)),))
    assert not deploying(replace(observed, graph=graph_of(manifest(observed), state="pending"))).ensure


def test_export_has_all_that_it_mounts_and_other_points_have_none(profiling_state: ObservedState) -> None:
    decision = generated(planned(profiling_state), results_of())
    documents = load_documents(decision.annotations[ANNOTATION_GENERATED] or "")
    assert [document["kind"] for document in documents if isinstance(document, dict)] == [
        "ConfigMap",
        "DynamoGraphDeployment",
    ]
    results = decision.status.profiling_results
    assert results is not None
    assert {entry.config is None for entry in results.pareto or ()} == {True}


def test_mounted_objects_go_with_the_deployment_once_it_is_there(profiling_state: ObservedState) -> None:
    observed = planned(profiling_state)
    decision = generated(observed, results_of())
    tried, config_map, _ = (ensure.manifest for ensure in decision.ensure)
    assert tried["kind"] == "DynamoGraphDeployment"
    mounted: ConfigMap = CONFIG_MAPS.decode(msgspec.json.encode(config_map))
    observed = after(observed, decision, mounted=(mounted,))
    observed = replace(observed, graph=graph_of(manifest(observed), state="pending"))
    assert observed.graph is not None
    (moving,) = deploying(observed).ensure
    assert moving.mode is WriteMode.OWN  # its content stays, also what no cache holds
    moved = moving.manifest
    (owner,) = moved["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("DynamoGraphDeployment", observed.graph.metadata.uid)
    assert "data" not in moved
    moved = config_map | {"metadata": config_map["metadata"] | moved["metadata"]}
    healthy = replace(observed, graph=graph_of(manifest(observed)))
    assert deployed(after(healthy, deploying(healthy))).ensure  # its ConfigMap was seen late
    by_hand = replace(ready_by_hand(observed), graph=healthy.graph)
    assert ready(by_hand).ensure
    again = replace(observed, mounted=(CONFIG_MAPS.decode(msgspec.json.encode(moved)),))
    assert observed.owns(again.mounted[0].metadata)
    assert not deploying(again).ensure
