import json
from dataclasses import replace

import pytest

from dgdr_api.candidate import Outcome, Verdict
from dgdr_api.names import ANNOTATION_GENERATED, ANNOTATION_UID
from dgdr_api.request_warnings import ConfigurationWarning, RequestWarning, SLAWarning
from dgdr_api.results import Goal, Results, Target
from dgdr_api.v1beta1 import Features, ModelCache, OptimizationType, Phase
from dgdr_api.v1beta1.status import EstimateRange
from dgdr_controller.manifest import load_documents
from dgdr_controller.profiling_job.output import pack
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from test.builders.deployments import annotated, asked_for, generated, manifest
from test.builders.estimates import ERRORS, erring, promising
from test.builders.observed_state import after, published_of, said
from test.builders.results import candidate_of, planned_results, results_of

STATUS_BYTES = 64 * 1024


def test_chosen_candidate_is_written_everywhere_the_same(profiling_state: ObservedState) -> None:
    decision = generated(profiling_state, results_of())
    observed = after(profiling_state, decision)
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


def exported(decision: Decision) -> dict[str, str]:
    """Return the files that are put into the output's ConfigMap."""
    (found,) = (e.manifest for e in decision.ensure if e.manifest["metadata"]["name"] == "dgdr-output-qwen")
    files: dict[str, str] = found["data"]
    return files


def test_deployment_is_a_file_beside_the_results(profiling_state: ObservedState) -> None:
    decision = generated(profiling_state, results_of())
    assert exported(decision) == {"final_config.yaml": decision.annotations[ANNOTATION_GENERATED]}
    other = results_of().candidates[1].id
    again = generated(asked_for(profiling_state, other), results_of())
    assert exported(again) == {"final_config.yaml": again.annotations[ANNOTATION_GENERATED]}
    assert exported(again) != exported(decision)


def test_output_stays_what_it_was_beside_the_files(profiling_state: ObservedState) -> None:
    published = published_of(profiling_state, results_of())
    decision = generate(replace(profiling_state, **published), published["output"])
    metadata = decision.ensure[-1].manifest["metadata"]
    assert metadata["annotations"]["dgdr.nvidia.com/job-uid"] == "job-1"
    assert metadata["resourceVersion"] == "1"
    assert metadata["ownerReferences"][0]["uid"] == profiling_state.uid


def test_curves_of_the_planner_are_files_too(profiling_state: ObservedState) -> None:
    spec = profiling_state.request.spec.model_copy(update={"features": Features(planner=True)})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    decision = generated(observed, planned_results())
    files = exported(decision)
    assert sorted(files) == ["decode_raw_data.json", "final_config.yaml", "prefill_raw_data.json"]
    assert json.loads(files["prefill_raw_data.json"])["prefill_isl"] == [100, 5000, 10_000]
    labelled = [
        ensure.manifest
        for ensure in decision.ensure
        if ensure.manifest["metadata"].get("labels", {}).get("dgdr.nvidia.com/content") == "planner-profile-data"
    ]
    assert [manifest["data"] == {name: files[name] for name in manifest["data"]} for manifest in labelled] == [True]


def test_deployment_that_does_not_fit_beside_the_results_is_told_of(profiling_state: ObservedState) -> None:
    published = published_of(profiling_state, results_of())
    filled = replace(published["output"], packed=(published["output"].packed or "") + " " * 991 * 1024)
    decision = generate(replace(profiling_state, **published), filled)
    left_out = exported(decision)["left_out"]
    assert left_out.endswith("annotation nvidia.com/generated-dgd-spec of the request holds it")
    assert "final_config.yaml" not in exported(decision)


def test_reason_of_the_choice_is_in_the_status(profiling_state: ObservedState) -> None:
    why = Verdict(outcome=Outcome.SELECTED, reason="most tokens/s/GPU among those that meet the targets")
    decision = generated(profiling_state, results_of([candidate_of(2, verdict=why)]))
    assert said(decision, "ProfilingComplete")[2] == (
        "vllm aggregated, 1 × tp2: 500 tokens/s/GPU, TTFT 100 ms, ITL 10 ms (mixed). "
        "Most tokens/s/GPU among those that meet the targets"
    )


def test_status_says_how_certain_the_numbers_are(profiling_state: ObservedState) -> None:
    goal = Goal(isl=4000, osl=1000, objective=OptimizationType.HYBRID, itl=Target(value=11, explicit=True))
    (candidate,) = promising([erring(candidate_of(2), "narrow")], goal)
    results = results_of().model_copy(
        update={
            "goal": goal,
            "estimate_errors": ERRORS,
            "candidates": (candidate,),
            "selected": candidate.id,
            "pareto": (candidate.id,),
        }
    )
    decision = generated(profiling_state, results)
    assert said(decision, "ProfilingComplete")[2] == (
        "vllm aggregated, 1 × tp2: 500 tokens/s/GPU (450–550), TTFT 100 ms (90–110), ITL 10 ms (9–11; 90 % likely within "
        "11) (mixed)"
    )
    shown = decision.status.profiling_results
    assert shown is not None
    (point,) = shown.pareto or ()
    assert (point.meets_sla, point.sla_chance_percent) == (True, 90)
    assert point.itl_range == EstimateRange(low=9, high=11)
    assert point.throughput_per_gpu_range == EstimateRange(low=450, high=550)


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1", "v1alpha1-profiling"])
def test_deployment_is_found_where_v1alpha1_has_it(profiling_state: ObservedState, version: str) -> None:
    observed = annotated(profiling_state, **{"dgdr.nvidia.com/defaults": version})
    status = generated(observed, results_of()).status
    assert status.profiling_results is not None
    expected = None if version == "v1beta1" else status.profiling_results.selected_config
    assert status.generated_deployment == expected


def test_selected_one_is_first_and_no_more_than_twelve_are_shown(profiling_state: ObservedState) -> None:
    found = [candidate_of(1, context_length=10_000 + n) for n in range(20)]
    results = results_of(found, selected=15)
    decision = generated(profiling_state, results)
    shown = decision.status.profiling_results
    assert shown is not None
    assert shown.pareto is not None
    assert [point.id for point in shown.pareto] == [found[15].id, *(found[n].id for n in range(11))]


def test_selected_one_off_the_front_is_shown_too_and_losers_are_not(profiling_state: ObservedState) -> None:
    found = [candidate_of(1), candidate_of(2), candidate_of(4)]
    decision = generated(profiling_state, results_of(found, selected=2, pareto=[1]))
    shown = decision.status.profiling_results
    assert shown is not None
    assert [point.id for point in shown.pareto or ()] == [found[2].id, found[1].id]


def test_warnings_become_conditions_one_of_each_type(profiling_state: ObservedState) -> None:
    warnings = [
        RequestWarning(type=SLAWarning.TYPE, message="first"),
        ConfigurationWarning.note("second"),
        RequestWarning(type=SLAWarning.TYPE, message="third"),
    ]
    decision = generated(profiling_state, results_of(warnings=warnings))
    assert said(decision, "SLAWarning") == ("True", "SLAWarning", "first; third")
    assert said(decision, "ConfigurationWarning")[2].startswith("second")
    assert [event.reason for event in decision.events] == ["SpecGenerated", "SLAWarning", "ConfigurationWarning"]
    assert [event.warning for event in decision.events] == [False, True, True]


def test_images_of_another_version_are_a_warning(profiling_state: ObservedState) -> None:
    spec = profiling_state.request.spec.model_copy(update={"image": "nvcr.io/nvidia/ai-dynamo/x:1.9.0"})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    assert "The images are Dynamo 1.9" in said(generated(observed, results_of()), "ConfigurationWarning")[2]


def test_warnings_of_a_type_that_is_not_known_are_left_to_the_results(profiling_state: ObservedState) -> None:
    decision = generated(profiling_state, results_of(warnings=[RequestWarning(type="Other", message="x")]))
    assert "Other" not in {c.type for c in decision.status.conditions or ()}


def long_model(count: int) -> Results:
    """Return results whose deployments are large: a model with a long path."""
    found = [candidate_of(1, context_length=10_000 + n) for n in range(count)]
    return results_of(found).model_copy(update={"model": "/models/" + "ü" * 3000})


def test_status_stays_short_and_keeps_what_was_chosen(profiling_state: ObservedState) -> None:
    cache = ModelCache(pvc_name="weights", pvc_mount_path="/models")
    request = profiling_state.request
    cached = request.model_copy(update={"spec": request.spec.model_copy(update={"model_cache": cache})})
    decision = generated(replace(profiling_state, request=cached), long_model(12))
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
def test_results_that_cannot_be_read_fail(profiling_state: ObservedState, packed: str) -> None:
    told = published_of(profiling_state, results_of())
    decision = generate(profiling_state, replace(told["output"], packed=packed))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "SpecGenerated")[:2] == ("False", "GenerationFailed")
    assert said(decision, "Succeeded")[2].startswith("Spec generation failed: the published results cannot be read")


def test_results_without_a_choice_fail(profiling_state: ObservedState) -> None:
    decision = generated(profiling_state, results_of(selected=None))
    assert decision.status.phase is Phase.FAILED
    assert not decision.annotations
