"""Section 7.6, the tests of Dynamo's webhooks for requests."""

from test.upstream.lines import Line, same

REAL = "test/admission/test_real_api_server.py"
UPDATES = "test/admission/test_updates.py"
RATCHETING = "test/admission/test_validation_ratcheting.py"
RULES = "test/admission/test_rules_of_dynamos_webhook.py"
VALIDATION = "test/api/test_validation.py"
REFUSED = f"{REAL}::test_request_that_cannot_be_deployed_is_refused_at_once"
BY_SCHEMA = f"{REAL}::test_request_that_the_schema_refuses_is_refused_in_its_own_version"
BY_PHASE = f"{UPDATES}::test_each_field_may_change_in_its_phases"
SUITE = "TestDynamoGraphDeploymentRequestValidator_Validate"

ON_CREATE = (
    Line(
        f"{SUITE}: valid v1beta1 request is defaulted",
        covered=("test/config/crd/test_fields.py::test_defaults_are_filled_in_where_every_version_agrees",),
    ),
    Line(
        f"{SUITE}: custom image requires runtime version override",
        covered=(f"{VALIDATION}::test_image_without_a_version_needs_the_runtime_version", REFUSED),
    ),
    Line(
        f"{SUITE}: override must be canonical semver core",
        covered=("test/api/test_parse_errors.py::test_runtime_version_of_another_form_is_refused",),
    ),
    Line(
        f"{SUITE}: valid v1alpha1 converts",
        covered=(f"{REAL}::test_request_of_v1alpha1_is_read_back_word_by_word",),
    ),
    Line(f"{SUITE}: empty model rejected by schema", covered=(BY_SCHEMA,), case="spec.model"),
    Line(f"{SUITE}: SLA optimization enum", covered=(BY_SCHEMA,), case="spec.sla.optimizationType"),
    Line(f"{SUITE}: v1alpha1 backend enum", covered=(BY_SCHEMA,), case="triton"),
    Line(
        f"{SUITE}: DGD-only annotations ignored",
        covered=(f"{RULES}::test_annotations_that_mean_something_on_deployments_alone_are_not_judged",),
    ),
    Line(
        f"{SUITE}: thorough needs concrete backend",
        covered=(f"{VALIDATION}::test_thorough_needs_a_backend", REFUSED),
    ),
    Line(
        f"{SUITE}: GPU discovery permits omitted hardware",
        covered=(
            f"{REAL}::test_every_request_of_the_documents_and_of_ours_is_stored_and_read_in_both_versions",
            "test/reconciler/test_awaited.py::test_node_that_comes_ends_the_wait_for_hardware",
        ),
    ),
    Line(
        f"{SUITE}: manual hardware permits disabled discovery",
        covered=(
            "test/reconciler/test_pending_phase.py::test_hardware_must_be_described_where_nobody_looks_for_it",
            f"{REAL}::test_every_request_of_the_documents_and_of_ours_is_stored_and_read_in_both_versions",
        ),
    ),
    Line(
        f"{SUITE}: B300 admitted",
        covered=(
            f"{VALIDATION}::test_known_gpu_is_valid_and_not_deprecated",
            "test/api/test_gpus.py::test_table_knows_exactly_the_skus_of_the_design",
        ),
    ),
    Line(
        f"{SUITE}: canonical GB200 admitted",
        covered=(
            f"{VALIDATION}::test_known_gpu_is_valid_and_not_deprecated",
            "test/api/test_gpus.py::test_old_name_of_gb200_still_finds_it",
        ),
    ),
    Line(
        f"{SUITE}: disabled discovery requires manual hardware",
        covered=(f"{RULES}::test_hardware_must_be_described_where_nobody_looks_for_it",),
    ),
    Line(
        f"{SUITE}: independent failures aggregate in order",
        covered=(f"{VALIDATION}::test_errors_are_reported_all_at_once_in_the_order_of_the_fields",),
    ),
    Line(
        f"{SUITE}: deprecated GB200 SXM warns",
        covered=(f"{VALIDATION}::test_old_gpu_name_is_valid_and_deprecated",),
    ),
    Line(
        f"{SUITE}: deprecated v1beta1 override component names warn",
        covered=(f"{RULES}::test_deprecated_name_in_an_override_is_a_warning_on_create_and_on_update",),
        case="v1beta1",
    ),
    Line(
        f"{SUITE}: deprecated v1alpha1 service names warn",
        covered=(f"{RULES}::test_deprecated_name_in_an_override_is_a_warning_on_create_and_on_update",),
        case="v1alpha1",
    ),
)

ON_UPDATE = (
    Line(
        f"{SUITE}, update: deprecated name warns",
        covered=(f"{RULES}::test_deprecated_name_in_an_override_is_a_warning_on_create_and_on_update",),
    ),
    Line(
        f"{SUITE}, update: unchanged spec accepted during profiling",
        covered=(f"{UPDATES}::test_labels_annotations_and_what_says_the_same_may_always_change",),
        case="Profiling",
    ),
    Line(f"{SUITE}, update: spec update rejected during profiling", covered=(BY_PHASE,), case="Profiling"),
    Line(f"{SUITE}, update: spec update rejected during deploying", covered=(BY_PHASE,), case="Deploying"),
    Line(f"{SUITE}, update: spec update rejected during deployed", covered=(BY_PHASE,), case="Deployed"),
    Line(
        f"{SUITE}, update: auto apply can be enabled after reviewing a ready request",
        covered=(BY_PHASE,),
        case="autoApply",
    ),
    Line(
        f"{SUITE}, update: activation can add a missing runtime version",
        covered=(f"{RATCHETING}::test_image_without_a_version_is_no_longer_ignored_when_it_is_deployed",),
    ),
    Line(
        f"{SUITE}, update: activation requires it",
        covered=(
            f"{RATCHETING}::test_image_without_a_version_is_no_longer_ignored_when_it_is_deployed",
            f"{UPDATES}::test_image_without_a_version_is_asked_about_again_when_it_is_to_be_deployed",
        ),
    ),
    Line(
        f"{SUITE}, update: runtime version can be added while ready",
        covered=(f"{RULES}::test_runtime_version_may_be_added_and_changed_until_it_is_deployed", BY_PHASE),
        case="Ready",
    ),
    Line(
        f"{SUITE}, update: runtime version can be changed while ready",
        covered=(f"{RULES}::test_runtime_version_may_be_added_and_changed_until_it_is_deployed",),
        case="1.5.0",
    ),
    Line(
        f"{SUITE}, update: runtime version can be changed while profiling",
        covered=(f"{RULES}::test_runtime_version_may_be_added_and_changed_until_it_is_deployed",),
        case="Profiling",
    ),
    Line(f"{SUITE}, update: other updates forbidden while ready", covered=(BY_PHASE,), case="Ready"),
    Line(f"{SUITE}, update: spec update accepted during failed phase", covered=(BY_PHASE,), case="Failed"),
    Line(
        f"{SUITE}, update: unchanged thorough+auto ratcheted",
        covered=(f"{RULES}::test_search_that_was_stored_against_the_rule_may_stay_and_not_come_anew",),
    ),
    Line(
        f"{SUITE}, update: unchanged legacy image ratcheted",
        covered=(
            f"{RATCHETING}::test_fault_that_was_there_before_may_stay",
            f"{RULES}::test_image_without_a_version_may_stay_and_not_come_anew",
        ),
    ),
    Line(
        f"{SUITE}, update: adding runtime version rejected after deployment",
        covered=(f"{RULES}::test_runtime_version_may_not_be_added_once_it_is_deployed", BY_PHASE),
    ),
    Line(
        f"{SUITE}, update: newly introduced custom image rejected",
        covered=(
            f"{RULES}::test_image_without_a_version_may_stay_and_not_come_anew",
            f"{REAL}::test_update_is_judged_like_a_new_request",
        ),
    ),
    Line(
        f"{SUITE}, update: changing legacy custom image rejected",
        covered=(f"{RULES}::test_image_without_a_version_is_not_changed_into_another_one",),
    ),
    Line(
        f"{SUITE}, update: missing hardware ratcheted",
        covered=(f"{RULES}::test_hardware_that_was_never_described_may_stay_so_and_not_be_removed",),
    ),
    Line(
        f"{SUITE}, update: removing manual hardware rejected",
        covered=(f"{RULES}::test_hardware_that_was_never_described_may_stay_so_and_not_be_removed",),
    ),
    Line(
        f"{SUITE}, update: newly introduced search violation rejected",
        covered=(f"{RULES}::test_search_that_was_stored_against_the_rule_may_stay_and_not_come_anew",),
    ),
)

_NO_IMAGE = (
    "An absent spec.image stays absent: images come from the installation's settings and show in selectedConfig."
)
_DEFAULT = "TestDGDRDefaulter_Default"

OTHERS_OF_WEBHOOKS = (
    Line(
        "TestDynamoGraphDeploymentRequestDeprecatedOverrideNameWarnings",
        covered=("test/deployment/overrides/test_merge.py::test_older_names_still_reach_their_component",),
    ),
    Line(
        "TestDynamoGraphDeploymentRequestDeprecatedOverrideNameWarningOnUpdate",
        covered=(f"{RULES}::test_deprecated_name_in_an_override_is_a_warning_on_create_and_on_update",),
    ),
    Line(
        "TestDynamoGraphDeploymentRequestHandlerBoundaryErrorsRemainRegular",
        covered=(
            "test/admission/test_review_failures.py::test_failure_of_ours_is_a_refusal",
            "test/admission/test_server.py::test_unforeseen_error_is_answered_as_a_bad_request",
        ),
    ),
    *same(
        _NO_IMAGE,
        *(f"TestDGDRDefaulter_defaultImageFor: {of}" for of in ("known version", "pre-release", "unknown", "empty")),
        f"{_DEFAULT}: CREATE empty image",
        f"{_DEFAULT}: CREATE unknown version stays empty",
    ),
    Line(
        f"{_DEFAULT}: CREATE preset kept",
        covered=("test/config/crd/test_fields.py::test_every_field_is_kept_as_it_was_written",),
    ),
    Line(f"{_DEFAULT}: UPDATE does not default", covered=(f"{RULES}::test_update_fills_nothing_in",)),
)
