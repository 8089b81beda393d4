"""Section 7.4, Dynamo's profiling_job_overrides_test.go: one line per row of the table in test_dynamo_overrides.py."""

from test.upstream.lines import Line, cases

_TABLE = "test/profiling_job/test_dynamo_overrides.py"
_OVERRIDES = "test/profiling_job/test_overrides.py"
_ROWS = (
    *("NilOverrides", "BackoffLimit", "ActiveDeadlineSeconds", "TTLSecondsAfterFinished", "Completions", "Parallelism"),
    *("Suspend", "LabelsProtected", "Annotations", "Tolerations", "NodeSelector", "Affinity", "PriorityClassName"),
    *("ServiceAccountName", "ImagePullSecrets_Merge", "ImagePullSecrets_NoDuplicates", "RuntimeClassName"),
    *("DNSConfigAndPolicy", "TerminationGracePeriodSeconds", "TopologySpreadConstraints"),
    *("AutomountServiceAccountToken", "VolumesDedup", "InitContainers", "ContainerResources"),
    *("ContainerResourceClaims", "ContainerImage", "ContainerEnvDedup", "ContainerVolumeMountsDedup"),
    *("ContainerEnvFrom", "ContainerSecurityContext", "PodSecurityContext", "CommandAndArgsPreserved"),
    *("SidecarUntouched", "Combined"),
)
_SLICES = ("MergeNamedSlice_EmptyOverrides", "MergeNamedSlice_EmptyBase")
_TEST = f"{_TABLE}::test_override_does_to_the_job_what_dynamo_does"

JOB_OVERRIDES = (
    *cases(_TEST, {row: row for row in _ROWS}, "TestApplyProfilingJobOverrides_"),
    *cases(_TEST, {row: row for row in _SLICES}, "Test"),
    Line("TestMergeNamedSlice_PreservesOrder", covered=(f"{_TABLE}::test_list_by_name_keeps_its_order",)),
    Line(
        "PR #11392: output-copier is merged by name",
        covered=(f"{_OVERRIDES}::test_publisher_is_changed_wherever_it_is_written",),
    ),
    Line(
        "PR #11392: the projected token volume stays",
        covered=(f"{_OVERRIDES}::test_fields_of_ours_stay_whatever_is_written",),
        case="output-copier-kube-api-access",
    ),
)
