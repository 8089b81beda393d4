"""Section 7.2, unit tests of Dynamo's controller: names, caches, the sidecar."""

from test.upstream.lines import Line, cases

_NAME = "test/deployment/test_deployment_name.py"
_NAMES = {
    "no overrides": "no overrides",
    "overrides.dgd nil": "no override of it",
    "explicit metadata.name": "explicit name",
    "override without name": "override without a name",
}

UNITS = (
    *cases(f"{_NAME}::test_name_is_the_overrides_or_the_requests", _NAMES, "TestComputeDGDName: "),
    Line(
        "TestComputeDGDName: two DGDRs with identical specs give different names",
        covered=(f"{_NAME}::test_two_requests_of_the_same_spec_have_two_deployments",),
    ),
    Line(
        "TestConfigMapMetadataWatchReadsProfilingPayload",
        covered=(
            "test/profiling_job/test_output.py::test_cache_keeps_that_there_are_results_and_not_the_results",
            "test/reconciler/test_late_watches.py::test_result_that_is_told_of_after_the_jobs_failure_counts",
            "test/reconciler/test_early_output.py::test_output_that_is_there_before_the_job_is_seen_is_kept",
        ),
    ),
    Line(
        "TestProjectedPodSupportsControllerContract/DGDR diagnostics",
        covered=(
            "test/reconciler/test_deployment_problems.py::test_pod_is_kept_without_what_nobody_reads",
            "test/reconciler/test_profiling_phase.py::test_failed_job_tells_what_its_container_said",
        ),
    ),
    Line(
        "PR #14589: sidecar script without kubectl",
        not_applicable="The publisher is the controller's own program and speaks with the API server itself, without kubectl "
        "or a shell.",
    ),
)
