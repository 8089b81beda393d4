"""Section 8.1, flaws of Dynamo's controller that were found by reading it: the tests that show them not to be here."""

from test.upstream.lines import Line

PENDING = "test/reconciler/test_pending_phase.py"
PROFILING = "test/reconciler/test_profiling_phase.py"
DEPLOYING = "test/reconciler/test_deploying_phase.py"
FAILED = "test/reconciler/test_failed_phase.py"
PROBLEMS = "test/reconciler/test_deployment_problems.py"
PREREQUISITES = "test/reconciler/test_prerequisites.py"
GENERATION = "test/reconciler/test_generation.py"
MOUNTED = "test/reconciler/test_mounted_objects.py"
DRY_RUN = "test/reconciler/test_dry_run.py"
AWAITED = "test/reconciler/test_awaited.py"
LATE = "test/reconciler/test_late_watches.py"
ATTRIBUTION = "test/reconciler/test_failure_attribution.py"
STORIES = "test/reconciler/lifecycle/test_request.py"
BUILDER = "test/profiling_job/test_builder.py"
IDENTITY = "test/profiling_job/test_job_identity.py"
OUTPUT = "test/profiling_job/test_output.py"
DYNAMO = "test/profiling_job/test_dynamo_profiler.py"
RESOLVE = "test/hardware/test_resolve.py"
NODES = "test/hardware/test_nodes.py"
EXPORTERS = "test/hardware/test_exporters.py"
VALIDATION = "test/api/test_validation.py"

PASSING_FAULTS = (
    Line(
        "1: every error in Pending is terminal",
        covered=(
            f"{LATE}::test_write_that_is_refused_for_now_is_said",
            f"{DRY_RUN}::test_job_that_is_refused_leaves_nothing_behind",
            f"{PREREQUISITES}::test_request_waits_or_goes_on_and_never_fails",
            f"{AWAITED}::test_what_may_not_be_read_keeps_nobody_waiting",
            f"{RESOLVE}::test_exporter_without_an_answer_leaves_the_labels_and_its_reason",
            f"{STORIES}::test_job_that_a_quota_forbids_is_waited_for_and_leaves_nothing_behind",
        ),
    ),
    Line(
        "2: a Job that cannot be read is a failure, even beside a good result",
        covered=(
            f"{PROFILING}::test_result_counts_whatever_became_of_the_job",
            f"{PROFILING}::test_deleted_job_is_made_again_once",
            f"{STORIES}::test_deleted_job_is_made_again_once",
        ),
    ),
    Line(
        "3: a request made again under its name fails because of the old Job",
        covered=(
            f"{PENDING}::test_objects_of_another_are_never_touched",
            f"{PROFILING}::test_job_that_goes_or_is_anothers_is_waited_for",
            f"{STORIES}::test_object_of_another_owner_is_left_alone_and_waited_for",
        ),
    ),
    Line(
        "4: edits of a failed request do nothing, and there is no retry",
        covered=(
            f"{FAILED}::test_changed_spec_begins_anew_and_what_was_derived_goes",
            f"{FAILED}::test_retry_counts_when_its_value_is_new",
            f"{STORIES}::test_failed_request_goes_on_when_the_user_changes_something",
        ),
    ),
)

STUCK = (
    Line(
        "5: no deadline; a pod that cannot start leaves the request in Profiling for ever",
        covered=(
            f"{PROFILING}::test_trouble_that_stays_fails_once_the_grace_is_over",
            f"{PROFILING}::test_trouble_is_shown_in_the_pods_words",
            f"{BUILDER}::test_profiler_reports_before_the_job_deletes_it",
            f"{IDENTITY}::test_pod_starts_without_the_secret_of_the_token",
        ),
    ),
    Line(
        "6: ProfilingRunning is set although no pod runs",
        covered=(
            f"{PROFILING}::test_job_without_a_pod_is_told_of",
            f"{PROFILING}::test_trouble_that_is_over_is_not_said_any_more",
        ),
    ),
    Line(
        "7: an unknown sub-phase keeps the request from ever finishing",
        covered=(f"{PROFILING}::test_unknown_sub_phase_is_shown",),
    ),
    Line(
        "8: a change of the spec that no webhook refused freezes the request",
        covered=(
            "test/reconciler/test_spec_change.py::test_change_is_told_once_and_taken_back_when_it_is_undone",
            f"{PROFILING}::test_spec_that_changes_meanwhile_is_profiled_anew",
        ),
    ),
    Line(
        "9: a deployment of the same name is waited for without end, or taken over",
        covered=(
            f"{DEPLOYING}::test_deployment_of_another_owner_is_a_conflict_and_never_touched",
            f"{DEPLOYING}::test_deployment_of_an_earlier_request_stays_and_both_ways_out_are_told",
            f"{STORIES}::test_deployment_of_another_owner_is_never_touched",
        ),
    ),
    Line(
        "10: a completed Job without a result is waited for without end",
        covered=(f"{PROFILING}::test_completed_jobs_result_is_waited_for_a_minute",),
    ),
    Line(
        "11: a failed deployment is waited for without a limit, and its pods are looked at by chance",
        covered=(
            f"{PROBLEMS}::test_deadline_is_told_and_the_deployment_is_followed_all_the_same",
            f"{PROBLEMS}::test_trouble_is_shown_with_its_age_and_told_once",
            f"{PROBLEMS}::test_trouble_of_a_pod_is_told",
        ),
    ),
    Line(
        "12: two requests overwrite each other's ConfigMap",
        covered=(
            "test/reconciler/test_shared_config_map.py::test_config_map_of_another_request_is_left_alone_and_waited_for",
            "test/deployment/render/test_features.py::test_configurations_of_two_requests_do_not_meet",
            f"{MOUNTED}::test_mounted_objects_of_another_deployment_keep_their_owner",
        ),
    ),
    Line(
        "13: a finalizer that does nothing keeps requests from being deleted",
        covered=(f"{STORIES}::test_deleted_request_takes_what_was_its_own_and_leaves_the_deployment",),
        case="finalizers",
    ),
)

LOST_INFORMATION = (
    Line(
        "14: a failure of the sidecar is told as the profiler's, and last words are lost",
        covered=(
            f"{PROFILING}::test_failure_of_the_publisher_is_said",
            f"{PROFILING}::test_completed_jobs_result_is_waited_for_a_minute",
            f"{PROFILING}::test_failed_job_tells_what_its_container_said",
            f"{IDENTITY}::test_last_words_of_both_containers_reach_the_pods_status",
        ),
    ),
    Line(
        "15: the sidecar reads YAML with grep, and a backslash loses a result",
        covered=(
            f"{OUTPUT}::test_output_is_read_as_it_was_written",
            f"{DYNAMO}::test_status_of_every_release_is_read",
            "test/profiling_job/test_publisher.py::test_status_that_cannot_be_read_is_a_value_error",
        ),
    ),
    Line(
        "16: messages within a sub-phase are never relayed, and there are no counts",
        covered=(
            f"{PROFILING}::test_new_sub_phase_is_shown_at_once_and_progress_in_it_when_there_is_time",
            f"{PROFILING}::test_progress_is_shown",
            "test/profiling_job/test_publisher.py::test_progress_within_a_sub_phase_is_published_once_a_second_and_the_last_of_it_always",
            f"{STORIES}::test_progress_is_written_every_two_seconds_at_most_and_the_last_of_it_always",
        ),
    ),
    Line(
        "17: large results are lost to the limits of annotations",
        covered=(
            "test/reconciler/test_large_deployment.py::test_deployment_is_in_its_annotation_as_long_as_there_is_room",
            "test/reconciler/test_large_deployment.py::test_deployment_without_room_is_left_out_and_the_request_goes_on",
        ),
    ),
    Line(
        "18: broken documents are dropped without a word, or read without end",
        covered=(
            "test/deployment/test_adopted_documents.py::test_document_that_is_broken_is_not_passed_over",
            "test/deployment/test_adopted.py::test_what_cannot_be_created_is_refused",
            "test/test_manifest_limits.py::test_any_text_raises_nothing_but_a_manifest_error",
        ),
    ),
    Line(
        "19: errors of reading the output are swallowed",
        covered=(
            "test/reconciler/test_early_output.py::test_output_that_cannot_be_read_is_neither_ignored_nor_a_failure",
        ),
    ),
    Line(
        "20: RDMA that could not be looked up is stored as absent",
        covered=(f"{NODES}::test_rdma_that_no_label_tells_is_unknown",),
    ),
    Line(
        "21: interconnect is pcie unless an optional metric is exported",
        covered=(
            f"{RESOLVE}::test_interconnect_is_unknown_where_nothing_tells_it",
            "test/hardware/test_dcgm.py::test_gpus_are_read_off_the_metrics",
        ),
    ),
    Line(
        "22: product names are taken for other SKUs",
        covered=("test/api/test_gpu_products.py::test_product_is_of_its_sku",),
        case="NVIDIA H100 80GB HBM3",
    ),
    Line(
        "23: unequal, cordoned and used nodes are counted as if they were alike and free",
        covered=(
            f"{RESOLVE}::test_unequal_nodes_are_summed_as_they_are",
            f"{RESOLVE}::test_nodes_that_are_out_or_unknown_do_not_count",
            f"{NODES}::test_node_says_what_keeps_it_out",
            f"{PENDING}::test_gpus_beyond_the_cap_are_told_with_the_way_to_use_them",
            f"{PENDING}::test_gpus_that_are_in_use_are_shown",
        ),
    ),
    Line(
        "24: validation and enrichment discover different hardware",
        covered=(
            f"{RESOLVE}::test_unknown_name_is_the_users_error_with_a_guess",
            f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",
            f"{PENDING}::test_request_that_the_user_must_change_fails",
        ),
    ),
    Line(
        "25: names, overrides, accounts, Secrets and images are checked after profiling or never",
        covered=(
            f"{VALIDATION}::test_name_must_leave_room_for_the_longest_component",
            "test/deployment/overrides/test_errors.py::test_admission_finds_it_too_at_the_same_place",
            f"{PREREQUISITES}::test_object_that_the_job_does_not_start_without_is_waited_for",
            f"{PREREQUISITES}::test_object_of_the_deployment_is_a_warning",
            "test/cli/test_validate.py::test_mistake_that_would_fail_late_is_refused",
        ),
    ),
)

DESIGN = (
    Line(
        "26: discovered hardware is written into the spec",
        covered=(
            "test/reconciler/test_spec_is_left_alone.py::test_discovered_hardware_is_in_the_status_and_not_in_the_spec",
        ),
    ),
    Line(
        "27: unreachable exporters block every request",
        covered=(
            f"{EXPORTERS}::test_sixty_silent_exporters_take_no_longer_than_all_may",
            f"{EXPORTERS}::test_exporters_are_asked_at_once_and_each_failure_has_its_reason",
            f"{PENDING}::test_inventory_that_is_still_looked_at_is_waited_for_and_no_longer",
        ),
    ),
    Line(
        "28: a floating third-party image with a shell and wide rights",
        covered=(
            f"{IDENTITY}::test_publisher_is_the_image_of_the_installation_with_its_program_as_argument",
            f"{BUILDER}::test_job_may_write_its_output_and_nothing_else",
        ),
    ),
    Line(
        "29: overrides that break the run: an account without rights, several pods, a suspended Job",
        covered=(
            "test/profiling_job/test_overrides.py::test_account_of_the_users_may_publish",
            f"{VALIDATION}::test_profiling_job_has_one_pod",
            "test/api/job_spec/test_validate.py::test_wrong_part_is_named",
        ),
    ),
    Line(
        "30: the output is keyed by the request's name alone",
        covered=(
            f"{PROFILING}::test_output_of_other_inputs_is_ignored",
            f"{PROFILING}::test_words_of_an_earlier_job_are_not_said_of_this_one",
            f"{PROFILING}::test_result_counts_whatever_became_of_the_job",
        ),
    ),
    Line(
        "31: additional ConfigMaps leak when autoApply is false",
        covered=(f"{MOUNTED}::test_mounted_objects_are_there_first_and_go_with_the_request",),
    ),
    Line(
        "32: namespaces whose name contains ephemeral are ignored",
        covered=("test/reconciler/test_namespaces.py::test_request_is_worked_on",),
        case="team-ephemeral-7",
    ),
    Line(
        "33: temporary deployments of a killed thorough run keep their GPUs",
        covered=(
            "test/reconciler/test_trials.py::test_trials_go_when_nobody_profiles_any_more",
            "test/reconciler/test_trials.py::test_trials_go_with_a_request_that_has_failed",
        ),
    ),
    Line(
        "34: no metrics of requests, and warnings are in no condition",
        covered=(
            "test/reconciler/test_metrics.py::test_end_of_a_profiling_is_counted",
            f"{GENERATION}::test_warnings_become_conditions_one_of_each_type",
        ),
    ),
    Line(
        "35: documents that say something else than the code does",
        covered=(
            f"{IDENTITY}::test_job_and_its_pod_have_the_labels_that_scripts_look_for",
            "test/admission/test_updates.py::test_each_field_may_change_in_its_phases",
            f"{ATTRIBUTION}::test_sub_phase_stays_and_names_the_reason_when_the_job_fails",
        ),
    ),
)
