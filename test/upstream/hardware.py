"""Section 7.3, Dynamo's enrich_hardware_test.go: what a request leaves out of its hardware is filled in."""

from test.upstream.lines import Line

PARTIAL = "test/hardware/test_partial_spec.py"
RESOLVE = "test/hardware/test_resolve.py"
PENDING = "test/reconciler/test_pending_phase.py"
PRODUCTS = "test/api/test_gpu_products.py::test_product_is_of_its_sku"
SUITE = "TestEnrichHardwareFromDiscovery"

HARDWARE = (
    Line(
        "TestGPUDiscoveryEnabledDefaults",
        covered=(
            "test/reconciler/test_awaited.py::test_node_that_comes_ends_the_wait_for_hardware",
            f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",
        ),
    ),
    Line(
        f"{SUITE}_SkipsOptionalMetadataWithoutAPIReader",
        covered=("test/hardware/test_exporters.py::test_inventory_that_cannot_look_keeps_no_request_waiting",),
    ),
    Line(
        f"{SUITE}_RequiredFieldsMissingWithoutAPIReaderFails",
        covered=(f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",),
    ),
    Line(
        f"{SUITE}_SkipsOptionalMetadataWhenNodeDiscoveryDisabled",
        covered=(
            f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",
            f"{RESOLVE}::test_interconnect_is_unknown_where_nothing_tells_it",
        ),
    ),
    Line(
        f"{SUITE}: required fields set, no discovery available",
        covered=(f"{PARTIAL}::test_described_hardware_needs_no_cluster",),
    ),
    Line(
        f"{SUITE}: nothing set, full discovery",
        covered=(f"{RESOLVE}::test_hardware_is_discovered_when_nothing_is_written",),
    ),
    Line(
        f"{SUITE}: nothing set, V100 discovered",
        covered=(PRODUCTS, f"{RESOLVE}::test_hardware_is_discovered_when_nothing_is_written"),
        case="Tesla-V100-SXM2-32GB",
    ),
    Line(
        f"{SUITE}: nothing set, unknown GPU falls back to model name",
        not_applicable="A GPU that is in no table is used by its memory under the SKU unknown, because no schema takes its "
        "product name as gpuSku.",
    ),
    Line(
        f"{SUITE}: only totalGpus missing, discovery fills it",
        covered=(f"{PARTIAL}::test_total_alone_is_discovered_and_the_users_numbers_stay",),
    ),
    Line(
        f"{SUITE}: only gpuSku missing, discovery fills it",
        covered=(f"{PARTIAL}::test_sku_alone_is_discovered_and_the_users_numbers_stay",),
    ),
    Line(
        f"{SUITE}: vramMb and numGpusPerNode override discovery",
        covered=(f"{PARTIAL}::test_memory_and_gpus_per_node_of_the_user_leave_the_total_to_the_cluster",),
    ),
    Line(
        f"{SUITE}: no fields set, discovery fails",
        covered=(
            f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",
            f"{PENDING}::test_missing_gpus_are_waited_for",
        ),
    ),
    Line(
        f"{SUITE}: three fields set, discovery fails",
        covered=(f"{PARTIAL}::test_what_the_user_leaves_out_and_nobody_tells_is_named",),
    ),
    Line(
        f"{SUITE}_B60UsesXPUMD",
        not_applicable="Dynamo has not merged it; Intel's exporters are not asked, and a request describes a B60 in "
        "spec.hardware.",
    ),
    Line(
        f"{SUITE}_WritesOptionalHardwareMetadata",
        covered=(
            f"{RESOLVE}::test_what_exporters_measure_counts_before_labels",
            "test/hardware/test_rdma.py::test_pod_must_find_a_place_on_any_node",
            "test/hardware/test_nodes.py::test_rdma_that_no_label_tells_is_unknown",
        ),
    ),
    Line(
        f"{SUITE}_FillsOptionalMetadataWhenRequiredFieldsSet",
        covered=(f"{PARTIAL}::test_interconnect_is_discovered_for_a_request_that_describes_the_rest",),
    ),
    Line(
        "TestCreateProfilingJobPersistsDiscoveredHardware",
        covered=(
            f"{PENDING}::test_job_is_tried_first_and_made_last_and_the_status_shows_the_hardware",
            f"{RESOLVE}::test_hardware_is_discovered_when_nothing_is_written",
            "test/reconciler/test_spec_is_left_alone.py::test_discovered_hardware_is_in_the_status_and_not_in_the_spec",
        ),
    ),
    Line(
        "TestGetGPUDiscoveryFailureReason_DCGMNotEnabledMatches",
        not_applicable="Reasons are kept as sentences of each node and exporter, so none is guessed from the text of an "
        "error.",
    ),
    Line(
        "TestCreateProfilingJobWithManualHardwareDoesNotRequireAPIReader",
        covered=(
            f"{PENDING}::test_hardware_must_be_described_where_nobody_looks_for_it",
            "test/reconciler/test_prerequisites.py::test_gpus_for_a_plan",
        ),
    ),
    Line(
        f"{SUITE}_NormalizesBareModelFromDCGM",
        covered=(PRODUCTS, f"{RESOLVE}::test_what_exporters_measure_counts_before_labels"),
        case="NVIDIA B200",
    ),
    Line(
        f"{SUITE}_FallsBackToModelForUnknownGPU",
        not_applicable="A gpuSku that is in no table is refused with the list of those that are.",
    ),
)
