from dataclasses import replace

import pytest

from dgdr_api.candidate import Mode, Outcome, Parallelism, Role, Verdict, Worker
from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import Phase
from dgdr_controller.manifest import load_documents
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.ready import ready
from test.builders.deployments import annotated, asked_for, generated, manifest
from test.builders.observed_state import after, published_of, said
from test.builders.results import candidate_of, results_of


def switched_on(observed: ObservedState) -> ObservedState:
    spec = observed.request.spec.model_copy(update={"auto_apply": True})
    return replace(observed, generation=2, request=observed.request.model_copy(update={"spec": spec}))


def test_ready_stays_ready_and_succeeded(ready_state: ObservedState) -> None:
    decision = ready(ready_state)
    assert decision.status == ready_state.status
    assert not decision.annotations
    assert decision.after_s is None
    assert said(decision, "Succeeded")[:2] == ("True", "SpecGenerated")
    assert "nvidia.com/generated-dgd-spec" in said(decision, "SpecGenerated")[2]


def test_switching_auto_apply_on_deploys_what_was_chosen(ready_state: ObservedState) -> None:
    observed = switched_on(ready_state)
    decision = ready(observed)
    assert decision.status.phase is Phase.DEPLOYING
    assert manifest(after(observed, decision)) == manifest(ready_state)
    assert said(decision, "Succeeded")[0] == "False"


@pytest.mark.parametrize("asked", ["recommended", "the other"])
def test_annotation_deploys_the_candidate_that_it_names(ready_state: ObservedState, asked: str) -> None:
    other = results_of().candidates[1]
    observed = asked_for(ready_state, other.id if asked == "the other" else asked)
    decision = ready(observed)
    assert decision.status.phase is Phase.DEPLOYING
    shown = decision.status.profiling_results
    assert shown is not None
    assert shown.pareto is not None
    assert shown.pareto[0].gpus == (4 if asked == "the other" else 2)
    assert shown.completion_time == (ready_state.status.profiling_results or shown).completion_time
    assert load_documents(decision.annotations[ANNOTATION_GENERATED] or "") == [manifest(after(observed, decision))]


def test_id_that_no_candidate_has_is_not_answered_with_another_deployment(ready_state: ObservedState) -> None:
    decision = ready(asked_for(ready_state, "vllm-agg-typo"))
    assert decision.status.phase is Phase.READY
    assert said(decision, "SpecGenerated")[:2] == ("True", "CandidateNotOffered")
    assert "vllm-agg-typo" in said(decision, "SpecGenerated")[2]
    assert "vllm-agg-typo" in said(decision, "Succeeded")[2]  # in the columns of kubectl get
    assert [event.reason for event in decision.events] == ["CandidateNotOffered"]
    again = ready(after(asked_for(ready_state, "vllm-agg-typo"), decision))
    assert again.status == decision.status
    assert not again.events


def test_candidate_that_cannot_be_deployed_is_not_deployed_on_demand(ready_state: ObservedState) -> None:
    good = candidate_of(2)
    bad = candidate_of(
        2, workers=(Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=1, dp=2), count=1, batch=8,
                           max_num_tokens=8192),),
        verdict=Verdict(outcome=Outcome.NOT_RENDERABLE, reason="attention data parallelism"),
    )  # fmt: skip
    assert bad.mode is Mode.AGGREGATED
    told = published_of(ready_state, results_of([good, bad], pareto=[0]))
    decision = ready(asked_for(replace(ready_state, **told), bad.id))
    assert decision.status.phase is Phase.READY
    assert bad.id in said(decision, "SpecGenerated")[2]


def test_annotation_that_is_taken_back_is_forgotten(ready_state: ObservedState) -> None:
    asked = asked_for(ready_state, "vllm-agg-typo")
    back = annotated(after(asked, ready(asked)), **(ready_state.request.metadata.annotations or {}))
    assert ready(back).status == ready_state.status


def test_id_that_is_there_before_the_results_are_is_looked_up_then(profiling_state: ObservedState) -> None:
    spec = profiling_state.request.spec.model_copy(update={"auto_apply": False})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    assert generated(asked_for(observed, "vllm-agg-typo"), results_of()).status.phase is Phase.READY
    other = results_of().candidates[1]
    decision = generated(asked_for(observed, other.id), results_of())
    assert decision.status.phase is Phase.DEPLOYING
    assert decision.status.profiling_results is not None
    assert (decision.status.profiling_results.pareto or ())[0].id == other.id


def test_candidate_that_was_chosen_is_the_only_one_to_be_had_without_the_output(ready_state: ObservedState) -> None:
    other = results_of().candidates[1]
    decision = ready(asked_for(replace(ready_state, output=None, output_map=None), other.id))
    assert decision.status.phase is Phase.READY


def test_candidate_is_never_answered_with_another_one_even_when_deployments_are_automatic(
    ready_state: ObservedState, profiling_state: ObservedState
) -> None:
    automatic = ready_state.request.spec.model_copy(update={"auto_apply": True})
    observed = replace(ready_state, request=ready_state.request.model_copy(update={"spec": automatic}))
    decision = ready(asked_for(replace(observed, output=None, output_map=None), results_of().candidates[1].id))
    assert decision.status.phase is Phase.READY
    assert said(decision, "SpecGenerated")[:2] == ("True", "CandidatesGone")
    early = generated(asked_for(profiling_state, "vllm-agg-typo"), results_of())
    assert early.status.phase is Phase.READY


def test_candidate_that_was_chosen_is_deployed_without_the_output(ready_state: ObservedState) -> None:
    decision = ready(asked_for(replace(ready_state, output=None, output_map=None), "recommended"))
    assert decision.status.phase is Phase.DEPLOYING
