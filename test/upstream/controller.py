"""Section 7.1, the suite of Dynamo's controller (dynamographdeploymentrequest_controller_test.go): phases and Job."""

from test.upstream.lines import Line

PENDING = "test/reconciler/test_pending_phase.py"
PROFILING = "test/reconciler/test_profiling_phase.py"
READY = "test/reconciler/test_ready_phase.py"
DEPLOYING = "test/reconciler/test_deploying_phase.py"
DEPLOYED = "test/reconciler/test_deployed_phase.py"
FAILED = "test/reconciler/test_failed_phase.py"
GENERATION = "test/reconciler/test_generation.py"
MOUNTED = "test/reconciler/test_mounted_objects.py"
DRY_RUN = "test/reconciler/test_dry_run.py"
EARLY = "test/reconciler/test_early_output.py"
LATE = "test/reconciler/test_late_watches.py"
CONFLICT = "test/reconciler/test_annotation_conflict.py"
STORIES = "test/reconciler/lifecycle/test_request.py"
KILLED = "test/reconciler/lifecycle/test_killed_controller.py"
BUILDER = "test/profiling_job/test_builder.py"
IDENTITY = "test/profiling_job/test_job_identity.py"
RUNTIME = "test/reconciler/test_runtime_version.py"
FILLED = "test/deployment/test_runtime_version.py"
DYNAMO = "test/profiling_job/test_dynamo_profiler.py"
CONVERSION = "test/api/conversion/test_spec.py"

RECONCILES = (
    Line(
        "initial DGDR: Should validate spec and transition to Pending",
        covered=(
            f"{PENDING}::test_first_look_only_says_pending",
            f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",
        ),
    ),
    Line(
        "initial DGDR: Should pass validation with minimal config",
        covered=(f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",),
    ),
    Line(
        "profiling job: Should create online profiling job",
        covered=(
            f"{IDENTITY}::test_job_and_its_pod_have_the_labels_that_scripts_look_for",
            f"{IDENTITY}::test_pod_is_a_profiler_and_a_publisher_beside_it_and_nothing_else",
            f"{IDENTITY}::test_profiler_has_the_variables_of_its_request_and_of_the_token_alone",
            f"{BUILDER}::test_files_are_kept_where_a_request_has_a_volume_for_them",
            f"{BUILDER}::test_base_deployment_is_mounted_and_may_be_missing",
        ),
    ),
    Line(
        "profiling job: Should deliver the version-matched override tool when a DGD override is present",
        not_applicable="The controller lays overrides.dgd over the deployment itself, so no tool goes into the pod.",
    ),
    Line(
        "profiling job: Should inject standard env vars on profiling job from OperatorConfiguration",
        not_applicable="An installation has no settings for NATS, etcd or ModelExpress, which its profiler does not use.",
    ),
    Line(
        "profiling job: Should create offline (AIC) profiling job",
        covered=(
            f"{IDENTITY}::test_job_and_its_pod_have_the_labels_that_scripts_look_for",
            f"{DRY_RUN}::test_job_that_is_refused_leaves_nothing_behind",
            f"{PENDING}::test_objects_of_this_run_are_not_in_the_way",
        ),
    ),
    Line(
        "profiling job: Should preserve output written before the Job create event is observed",
        covered=(f"{EARLY}::test_output_that_is_there_before_the_job_is_seen_is_kept",),
    ),
    Line(
        "profiling completes: Should persist generated annotations and status without reading back its own write",
        covered=(
            f"{GENERATION}::test_chosen_candidate_is_written_everywhere_the_same",
            f"{MOUNTED}::test_mounted_objects_are_there_first_and_go_with_the_request",
            f"{CONFLICT}::test_conflict_changes_nothing_and_the_next_pass_writes_annotation_and_status",
        ),
    ),
    Line(
        "profiling completes: Should retry generated-annotation conflicts without failing profiling",
        covered=(f"{CONFLICT}::test_conflict_changes_nothing_and_the_next_pass_writes_annotation_and_status",),
    ),
    Line(
        "profiling completes: Should wait for the watched ConfigMap to contain final output",
        covered=(
            f"{PROFILING}::test_completed_jobs_result_is_waited_for_a_minute",
            f"{LATE}::test_result_that_is_told_of_after_the_jobs_failure_counts",
        ),
    ),
    Line(
        "autoApply: Should create DGD after profiling",
        covered=(
            f"{DEPLOYING}::test_deployment_is_made_from_the_status",
            f"{GENERATION}::test_chosen_candidate_is_written_everywhere_the_same",
            "test/deployment/render/test_engines.py::test_images_share_the_requests_registry_and_tag",
            "test/deployment/base/test_base_runtime_version.py::test_components_keep_their_runtime_version_and_others_get_that_of_the_plan",
        ),
    ),
    Line(
        "manual review: Should apply a newly added runtime version override only to the created DGD",
        covered=(f"{RUNTIME}::test_version_that_is_added_while_ready_is_in_the_deployment_alone",),
    ),
    Line(
        "manual review: Should fill only missing DGD runtime version overrides",
        covered=(
            f"{FILLED}::test_components_that_name_a_version_keep_it",
            f"{FILLED}::test_deployment_of_another_profiler_gets_the_version_that_it_lacks",
        ),
    ),
    Line(
        "autoApply: Should apply the DGDR runtime version to a persisted legacy profiler result",
        not_applicable="The deployment is made from status.profilingResults.selectedConfig; the annotation is an export "
        "that nothing reads.",
    ),
    Line(
        "autoApply: Should create additional ConfigMaps without DGDR ownership and adopt them after DGD creation",
        covered=(
            f"{MOUNTED}::test_mounted_objects_are_there_first_and_go_with_the_request",
            f"{MOUNTED}::test_mounted_objects_go_with_the_deployment_once_it_is_there",
            f"{STORIES}::test_config_map_of_the_planner_outlives_the_request_and_goes_with_the_deployment",
            f"{STORIES}::test_deleted_request_takes_what_was_its_own_and_leaves_the_deployment",
        ),
    ),
    Line(
        "autoApply: Should adopt additional ConfigMaps when DGD already exists",
        covered=(f"{MOUNTED}::test_mounted_objects_go_with_the_deployment_once_it_is_there",),
    ),
    Line(
        "autoApply: Should skip adoption updates when ownerReferences are already correct",
        covered=(
            f"{MOUNTED}::test_mounted_objects_go_with_the_deployment_once_it_is_there",
            f"{DRY_RUN}::test_object_is_changed_as_it_was_seen",
        ),
    ),
    Line(
        "DGD deletion: Should transition to Failed phase when DGD is deleted",
        covered=(f"{DEPLOYED}::test_deployment_that_is_deleted_or_replaced_fails_and_is_not_made_again",),
    ),
)

HELPERS_AND_VALIDATION = (
    Line(
        "Helper Functions: Should return correct job name",
        covered=(f"{IDENTITY}::test_job_and_its_pod_have_the_labels_that_scripts_look_for",),
    ),
    Line(
        "Helper Functions: Should return correct ConfigMap name",
        covered=(f"{PROFILING}::test_result_counts_whatever_became_of_the_job",),
    ),
    Line(
        "Validation: Should pass validation for valid spec",
        covered=("test/api/test_validation.py::test_backend_or_rapid_is_enough",),
    ),
    Line(
        "Validation: Should pass validation with minimal config",
        covered=(f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",),
    ),
    Line(
        "Profiler Arguments: Should pass config as --config argument for online profiling",
        covered=(
            f"{IDENTITY}::test_profiler_reads_the_request_from_the_file_that_its_argument_names",
            f"{BUILDER}::test_input_is_what_the_profiler_reads",
            f"{BUILDER}::test_input_is_read_by_the_job_that_it_was_made_for",
            f"{DYNAMO}::test_job_runs_the_image_once_as_dynamos_operator_does",
        ),
    ),
    Line(
        "Profiler Arguments: Should pass config with AI Configurator settings for offline profiling",
        covered=(f"{CONVERSION}::test_word_reaches_its_field", f"{BUILDER}::test_input_is_what_the_profiler_reads"),
        case="use_ai_configurator",
    ),
    Line(
        "Profiler Arguments: Should set fsGroup in pod security context for volume permissions",
        covered=(f"{IDENTITY}::test_pod_is_no_root_and_its_volumes_are_its_users",),
    ),
)

STATUS = (
    Line(
        "v1beta1: Should clear the creation marker only after observing the DGD",
        covered=(
            f"{DEPLOYING}::test_deploying_is_deployed_when_the_present_spec_is_successful",
            f"{DEPLOYING}::test_deployment_that_is_deleted_before_it_is_healthy_is_not_made_again",
            f"{STORIES}::test_deployment_that_is_deleted_is_not_made_again",
            f"{KILLED}::test_every_write_can_be_the_last",
        ),
    ),
    Line(
        "v1beta1: Should set Succeeded condition at each phase transition",
        covered=(
            "test/api/test_conditions.py::test_aggregate_says_what_is_waited_for_while_nothing_goes_on",
            f"{READY}::test_ready_stays_ready_and_succeeded",
            f"{FAILED}::test_failed_stays_and_says_the_first_cause",
        ),
    ),
    Line(
        "v1beta1: Should set ProfilingPhase on entry to Profiling and clear on exit",
        covered=(
            f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",
            f"{GENERATION}::test_chosen_candidate_is_written_everywhere_the_same",
        ),
    ),
    Line(
        "v1beta1: Should use spec.features.mocker.enabled to select mocker output",
        covered=(
            "test/deployment/render/test_features.py::test_simulated_workers_have_the_plan_and_no_gpus",
            "test/reconciler/test_another_profiler.py::test_its_deployment_is_deployed",
        ),
    ),
    Line(
        "v1beta1: Should populate profilingJobName in status",
        covered=(f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",),
    ),
    Line(
        "v1beta1: Should clear profilingPhase, set ProfilingCompleted condition, and populate "
        "profilingResults.selectedConfig after profiling completes",
        covered=(
            f"{GENERATION}::test_chosen_candidate_is_written_everywhere_the_same",
            f"{PROFILING}::test_result_counts_whatever_became_of_the_job",
            f"{READY}::test_ready_stays_ready_and_succeeded",
        ),
    ),
)
