"""The results page: its objects are there for whoever looks before anything is deployed, and for nobody else."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import DEPLOYMENTS, Named
from dgdr_controller.reconciler.decision import Decision, Ensure, WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.reconciler.phases.ready import ready
from dgdr_controller.reconciler.results_page import with_results_page
from test.builders.observed_state import said
from test.builders.trials import measuring


def decided(observed: ObservedState) -> Decision:
    return with_results_page(observed, ready(observed))


def objects(decision: Decision) -> list[Ensure]:
    return [ensure for ensure in decision.ensure if ensure.manifest["metadata"]["name"] == "qwen-dgdr"]


def deployment(decision: Decision, **metadata: Any) -> Named:
    """Return the page's Deployment that a decision makes, as the API server has it."""
    manifest = objects(decision)[-1].manifest
    made = manifest | {"metadata": manifest["metadata"] | {"uid": "page-1"} | metadata}
    found: Named = DEPLOYMENTS.decode(msgspec.json.encode(made))
    return found


def test_page_of_a_request_that_is_looked_at_first_is_served(ready_state: ObservedState) -> None:
    made = objects(decided(ready_state))
    assert [ensure.manifest["kind"] for ensure in made] == [
        *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service", "Deployment"),
    ]
    assert {ensure.mode for ensure in made} == {WriteMode.APPLY}
    for ensure in made:
        (owner,) = ensure.manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("DynamoGraphDeploymentRequest", "qwen")


def test_page_may_read_this_request_and_annotate_it_and_nothing_else(ready_state: ObservedState) -> None:
    (role,) = [e.manifest for e in objects(decided(ready_state)) if e.manifest["kind"] == "Role"]
    assert {(rule["resources"][0], *rule["resourceNames"]): rule["verbs"] for rule in role["rules"]} == {
        ("dynamographdeploymentrequests", "qwen"): ["get", "list", "watch", "patch"],
        ("dynamographdeployments", "qwen-dgd"): ["get", "list", "watch"],
        ("configmaps", "dgdr-output-qwen"): ["get", "list", "watch"],
    }


def test_service_leads_to_the_pod_and_the_policy_keeps_others_away(ready_state: ObservedState) -> None:
    made = {ensure.manifest["kind"]: ensure.manifest for ensure in objects(decided(ready_state))}
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selector = made["Service"]["spec"]["selector"]
    assert selector.items() <= labels.items()
    assert made["NetworkPolicy"]["spec"] == {"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress"]}
    (port,) = made["Service"]["spec"]["ports"]
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert (port["port"], port["targetPort"]) == (80, container["ports"][0]["containerPort"])
    assert "nvidia.com/dgdr-name" not in labels, "it is no pod of the profiling or of the deployment"


def test_page_that_is_there_is_left_alone_until_its_inputs_change(ready_state: ObservedState) -> None:
    page = deployment(decided(ready_state))
    there = replace(ready_state, results_page=page)
    assert decided(there) == ready(there)
    image = there.settings.profiling.model_copy(update={"publisher_image": "registry/controller:2"})
    upgraded = replace(there, settings=there.settings.model_copy(update={"profiling": image}))
    assert len(objects(decided(upgraded))) == 6


def test_request_that_is_deployed_by_itself_has_none(ready_state: ObservedState, deployed_state: ObservedState) -> None:
    assert not objects(with_results_page(deployed_state, ready(ready_state)))
    page = deployment(decided(ready_state))
    switched = replace(deployed_state, results_page=page)
    decision = with_results_page(switched, ready(switched))
    assert [(removal.kind, removal.name) for removal in decision.remove] == [("Deployment", "qwen-dgdr")]


def test_setting_switches_it_off(ready_state: ObservedState) -> None:
    off = replace(ready_state, settings=ready_state.settings.model_copy(update={"results_page": False}))
    assert decided(off) == ready(off)


def test_partial_results_of_a_thorough_search_are_shown_while_it_measures() -> None:
    observed = measuring(spec={"autoApply": False})
    assert len(objects(with_results_page(observed, profiling(observed)))) == 6


def test_rapid_search_is_over_before_a_page_would_be_there(profiling_state: ObservedState) -> None:
    request = profiling_state.request
    held = request.model_copy(update={"spec": request.spec.model_copy(update={"auto_apply": False})})
    observed = replace(profiling_state, request=held)
    assert observed.phase is Phase.PROFILING
    assert not objects(with_results_page(observed, profiling(observed)))


@pytest.mark.parametrize("final", [True, False])
def test_object_that_cannot_be_written_costs_the_request_nothing(ready_state: ObservedState, *, final: bool) -> None:
    for ensure in objects(decided(ready_state)):
        assert ensure.optional
        assert ensure.instead is not None
        refused = ensure.instead("exceeded quota: services", final)
        assert refused.ensure is None
        assert refused.condition is None
        (event,) = refused.events
        assert event.reason == "ResultsPageUnavailable"
        assert event.message == "The results page cannot be served: exceeded quota: services"


def test_page_of_somebody_else_is_not_removed(ready_state: ObservedState, deployed_state: ObservedState) -> None:
    owner = {"kind": "X", "name": "x", "uid": "other", "controller": True, "apiVersion": "v1"}
    theirs = deployment(decided(ready_state), ownerReferences=[owner])
    decision = with_results_page(replace(deployed_state, results_page=theirs), ready(deployed_state))
    assert not decision.remove
    assert said(decision, "Succeeded")
