"""Section 7.1, the rest of that suite: what a profiler leaves, discovery, sub-phases, and what is reported of failures."""

from test.upstream.lines import Line

ADOPTED = "test/deployment/test_adopted.py"
DOCUMENTS = "test/deployment/test_adopted_documents.py"
RESOLVE = "test/hardware/test_resolve.py"
PARTIAL = "test/hardware/test_partial_spec.py"
PENDING = "test/reconciler/test_pending_phase.py"
PROFILING = "test/reconciler/test_profiling_phase.py"
ATTRIBUTION = "test/reconciler/test_failure_attribution.py"
PULLS = "test/reconciler/test_image_pull_events.py"
PROBLEMS = "test/reconciler/test_deployment_problems.py"
REASONS = "test/api/test_profiling_reasons.py"

DOCUMENTS_OF_THE_PROFILER = (
    Line(
        "Error Handling: Should capture detailed error from pod termination state",
        covered=(f"{PROFILING}::test_failed_job_tells_what_its_container_said",),
    ),
    Line(
        "Error Handling: Should include apiVersion and kind when serializing beta DGD manifests",
        covered=(
            "test/reconciler/test_annotation_conflict.py::test_conflict_changes_nothing_and_the_next_pass_writes_annotation_and_status",
            f"{ADOPTED}::test_older_version_is_converted",
        ),
    ),
    Line(
        "Error Handling: Should extract DGD from ConfigMap + DGD YAML",
        covered=(f"{ADOPTED}::test_what_it_mounts_comes_first_and_is_the_requests",),
    ),
    Line(
        "Error Handling: Should extract DGD from single-document YAML",
        covered=(f"{ADOPTED}::test_deployment_becomes_the_requests",),
    ),
    Line(
        "Error Handling: Should handle DGD + ConfigMap order (DGD first)",
        covered=(f"{DOCUMENTS}::test_deployment_may_come_before_what_it_mounts",),
    ),
    Line(
        "Error Handling: Should return error when no DGD found",
        covered=(
            f"{ADOPTED}::test_what_cannot_be_created_is_refused",
            "test/reconciler/test_another_profiler.py::test_what_cannot_be_created_fails_with_the_reason",
        ),
        case="(document): Invalid value: 0: must contain exactly one DynamoGraphDeployment",
    ),
    Line(
        "Error Handling: Should handle YAML with leading separator",
        covered=(f"{DOCUMENTS}::test_separators_and_comments_before_the_first_document_are_none",),
    ),
    Line(
        "Error Handling: Should extract DGD and additional resources correctly",
        covered=(
            f"{ADOPTED}::test_what_it_mounts_comes_first_and_is_the_requests",
            "test/reconciler/test_another_profiler.py::test_its_deployment_is_deployed",
        ),
    ),
    Line(
        "Error Handling: Should extract native beta DGD output",
        covered=(f"{ADOPTED}::test_deployment_becomes_the_requests",),
    ),
    Line(
        "Error Handling: Should handle multiple additional resources",
        covered=(f"{DOCUMENTS}::test_several_config_maps_keep_their_order",),
    ),
)

DISCOVERY = (
    Line(
        "GPU Discovery: Should pass the discovered total GPU budget to the profiler",
        covered=(
            f"{RESOLVE}::test_hardware_is_discovered_when_nothing_is_written",
            "test/profiling_job/test_builder.py::test_input_is_what_the_profiler_reads",
            "test/profiling_job/test_dynamo_profiler.py::test_its_spec_has_every_default_filled_in",
        ),
    ),
    Line(
        "GPU Discovery: Should use GPU discovery when nodes have GPU labels",
        covered=(f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",),
    ),
    Line(
        "GPU Discovery: Should respect manual hardware config over GPU discovery",
        covered=(f"{RESOLVE}::test_written_value_is_never_replaced",),
    ),
    Line(
        "GPU Discovery: Should succeed with GPU discovery when cluster has GPU nodes",
        covered=("test/reconciler/test_awaited.py::test_node_that_comes_ends_the_wait_for_hardware",),
    ),
    Line(
        "GPU Discovery: Should pass validation with explicit GPU ranges without GPU discovery",
        covered=(
            "test/api/conversion/test_spec.py::test_engine_has_as_many_gpus_as_v1alpha1_allows",
            f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",
        ),
    ),
    Line(
        "GPU Discovery: Should use GPU discovery with heterogeneous nodes (picks best)",
        covered=(f"{RESOLVE}::test_sku_with_the_most_gpus_wins_and_of_a_tie_that_with_more_memory",),
    ),
    Line(
        "v1beta1: Should fail validation with partial hardware when discovery is unavailable",
        covered=(f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",),
    ),
    Line(
        "v1beta1: Should pass validation with partial hardware when discovery is available",
        covered=(
            f"{PARTIAL}::test_total_alone_is_discovered_and_the_users_numbers_stay",
            f"{PARTIAL}::test_sku_alone_is_discovered_and_the_users_numbers_stay",
        ),
    ),
)

SUB_PHASES = (
    Line(
        "Phase Derivation: Should return phase string as reason",
        covered=(f"{REASONS}::test_sub_phase_is_the_reason_as_it_is",),
    ),
    Line(
        "Phase Derivation: Should return Completed for Done phase",
        not_applicable="Done comes with the result, and the condition becomes True with reason ProfilingCompleted in that "
        "very pass.",
    ),
    Line(
        "Phase Derivation: Should pass through unrecognized phases as-is",
        covered=(f"{REASONS}::test_sub_phase_is_the_reason_as_it_is",),
        case="Polishing",
    ),
    Line(
        "Phase Derivation: Should derive failure reason as phase + Failed",
        covered=(f"{REASONS}::test_failure_is_of_its_sub_phase",),
        case="Done",
    ),
    Line(
        "Phase Derivation: Should return generic ProfilingFailed for empty phase",
        covered=(f"{REASONS}::test_failure_without_a_sub_phase_is_of_profiling",),
    ),
    Line(
        "Output ConfigMap Naming: Should use ConfigMapOutputPrefix",
        covered=("test/profiling_job/test_builder.py::test_job_may_write_its_output_and_nothing_else",),
        case="dgdr-output-qwen",
    ),
    Line(
        "Failure Attribution: Should preserve profilingPhase and use sub-phase failure reason on job failure",
        covered=(f"{ATTRIBUTION}::test_sub_phase_stays_and_names_the_reason_when_the_job_fails",),
    ),
    Line(
        "Failure Attribution: Should use generic ProfilingFailed when no sub-phase info available",
        covered=(f"{ATTRIBUTION}::test_job_that_never_published_has_failed_in_no_sub_phase",),
    ),
    Line(
        "Failure Attribution: Should use Initializing reason when entering Profiling phase",
        covered=("test/reconciler/test_dry_run.py::test_job_that_is_refused_leaves_nothing_behind",),
        case="Initializing",
    ),
    Line(
        "updateProfilingSubPhase: Should update profilingPhase from output ConfigMap",
        covered=(f"{PROFILING}::test_progress_is_shown",),
    ),
    Line(
        "updateProfilingSubPhase: Should be a no-op when no progress ConfigMap exists",
        covered=(
            f"{PROFILING}::test_job_that_runs_is_left_alone",
            f"{PROFILING}::test_output_that_is_gone_is_made_again",
        ),
    ),
    Line(
        "updateProfilingSubPhase: Should skip update when phase has not changed",
        covered=(f"{ATTRIBUTION}::test_sub_phase_that_is_published_again_changes_nothing",),
    ),
    Line(
        "updateProfilingSubPhase: Should return error for invalid phase value in ConfigMap",
        not_applicable="An unknown sub-phase is shown and the Job is followed on, so that a newer profiler can finish.",
    ),
    Line(
        "Image Pull: Should return error messages for containers in ErrImagePull or ImagePullBackOff, and ignore others",
        covered=(
            f"{PULLS}::test_container_that_is_still_made_is_no_event",
            f"{PULLS}::test_image_that_a_pod_of_the_deployment_cannot_pull_is_a_warning",
            f"{PROFILING}::test_trouble_is_shown_in_the_pods_words",
            f"{PROBLEMS}::test_pod_on_its_way_has_no_trouble",
        ),
    ),
    Line(
        "Image Pull: Should emit Warning ImagePullFailed events on the DGDR when DGD pods cannot pull images",
        covered=(f"{PULLS}::test_image_that_a_pod_of_the_deployment_cannot_pull_is_a_warning",),
    ),
)
