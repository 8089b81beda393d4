"""Section 7.5, the tests of Dynamo's internal/gpu: nodes, DCGM exporters, RDMA. Product names are in products.py."""

from test.upstream.lines import Line, same

NODES = "test/hardware/test_nodes.py"
RESOLVE = "test/hardware/test_resolve.py"
PARTIAL = "test/hardware/test_partial_spec.py"
EXPORTERS = "test/hardware/test_exporters.py"
FOUND = "test/hardware/test_exporters_found.py"
CLOSED = "test/hardware/test_exporters_connections.py::test_connection_is_closed_after_the_answer"
NOT_MERGED = "Dynamo has not merged it, and Intel's exporters are not asked."
NO_CLOUD = "Nothing depends on the cloud that a cluster is in, and Dynamo itself only logs it."

ON_NODES = (
    Line("TestDiscoverGPUs_SingleNode", covered=(f"{NODES}::test_whole_node_is_usable",)),
    Line(
        "TestDiscoverGPUs_MultipleNodesHomogeneous",
        covered=(f"{RESOLVE}::test_hardware_is_discovered_when_nothing_is_written",),
    ),
    Line(
        "TestDiscoverGPUs_MultipleNodesHeterogeneous_HigherGPUCountWins",
        covered=(f"{RESOLVE}::test_sku_with_the_most_gpus_wins_and_of_a_tie_that_with_more_memory",),
    ),
    Line(
        "TestDiscoverGPUs_MultipleNodesHeterogeneous_HigherVRAMWins",
        covered=(f"{RESOLVE}::test_sku_with_the_most_gpus_wins_and_of_a_tie_that_with_more_memory",),
    ),
    Line(
        "TestDiscoverGPUs_MixedNodesWithAndWithoutGPUs",
        covered=(
            f"{NODES}::test_node_without_gpus_is_none",
            "test/reconciler/test_awaited.py::test_node_that_comes_ends_the_wait_for_hardware",
        ),
    ),
    Line("TestDiscoverGPUs_NoNodes", covered=(f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",)),
    Line(
        "TestDiscoverGPUs_NoGPUNodes",
        covered=(
            f"{NODES}::test_node_without_gpus_is_none",
            f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",
        ),
    ),
    Line(
        "TestExtractGPUInfoFromNode_MissingLabels: missing GPU count",
        covered=(f"{NODES}::test_node_without_gpus_is_none",),
    ),
    Line(
        "TestExtractGPUInfoFromNode_MissingLabels: missing GPU product",
        covered=(f"{NODES}::test_gpus_without_a_label_are_counted_but_have_no_sku",),
    ),
    Line(
        "TestExtractGPUInfoFromNode_MissingLabels: missing GPU memory",
        covered=(
            f"{NODES}::test_memory_that_is_no_number_is_not_known",
            f"{RESOLVE}::test_memory_is_the_least_of_the_nodes_that_say_it",
        ),
    ),
    Line(
        "TestExtractGPUInfoFromNode_MissingLabels: invalid count",
        not_applicable="GPUs are counted from the node's allocatable resources, which are quantities, and not from a label.",
    ),
    Line(
        "TestExtractGPUInfoFromNode_MissingLabels: invalid memory",
        covered=(f"{NODES}::test_memory_that_is_no_number_is_not_known",),
        case="many",
    ),
    Line("TestDiscoverGPUsFiltered_MixedSKU", covered=(f"{PARTIAL}::test_nodes_of_one_sku_are_counted_and_no_others",)),
    Line(
        "TestDiscoverGPUsFiltered_HomogeneousCountsAllNodes",
        covered=(f"{PARTIAL}::test_nodes_of_one_sku_are_counted_and_no_others",),
    ),
    Line(
        "TestDetectRDMAFromNode: node not found",
        not_applicable="Labels are read from nodes that a watch reports, so none is looked up by its name.",
    ),
    Line(
        "TestDetectRDMAFromNode: rdma",
        covered=(f"{NODES}::test_rdma_that_no_label_tells_is_unknown",),
        case="nvidia.com/rdma.present",
    ),
    Line(
        "TestDetectRDMAFromNode: sriov",
        covered=(f"{NODES}::test_rdma_that_no_label_tells_is_unknown",),
        case="feature.node.kubernetes.io/network-sriov.capable",
    ),
    Line(
        "TestDetectRDMAFromNode: both (rdma wins)",
        not_applicable="The status says whether there is RDMA, and not of which kind, so nothing has to win.",
    ),
    Line("TestDetectRDMAFromNode: none", covered=(f"{NODES}::test_rdma_that_no_label_tells_is_unknown",)),
    Line(
        "TestDetectRDMAFromNode: labels false",
        covered=(f"{NODES}::test_rdma_that_no_label_tells_is_unknown",),
        case="feature.node.kubernetes.io/rdma.available",
    ),
    *same(
        NO_CLOUD,
        *(
            f"TestGetCloudProviderInfo: {cloud} via {how}"
            for cloud in ("AKS", "AWS", "GCP")
            for how in ("providerID", "label")
        ),
        "TestGetCloudProviderInfo: other",
        "TestGetCloudProviderInfo: no nodes",
    ),
)

_ASKED = f"{EXPORTERS}::test_exporters_are_asked_at_once_and_each_failure_has_its_reason"
_NO_OPERATOR = "Labels and allocatable GPUs of nodes are enough, so it does not matter which operator runs an exporter."

FROM_EXPORTERS = (
    Line(
        "TestParseMetrics",
        covered=(
            "test/hardware/test_dcgm.py::test_gpus_are_read_off_the_metrics",
            "test/hardware/test_dcgm.py::test_whole_gpus_beside_partitioned_ones_count",
        ),
    ),
    Line("TestScrapeMetricsEndpoint: successful scrape", covered=(_ASKED,), case="good"),
    Line("TestScrapeMetricsEndpoint: 404 response", covered=(_ASKED,), case="broken"),
    Line("TestScrapeMetricsEndpoint: invalid metrics", covered=(_ASKED,), case="odd"),
    Line("TestScrapeMetricsEndpoint: xpumd metrics", not_applicable=NOT_MERGED),
    Line(
        "TestDiscoverGPUsFromDCGM_CacheHit",
        covered=(f"{EXPORTERS}::test_inventory_looks_again_when_somebody_asks_and_a_minute_has_passed",),
    ),
    Line(
        "TestDiscoverGPUsFromDCGMFiltered_MixedSKU: unfiltered selects best and counts only matching SKU",
        covered=(f"{PARTIAL}::test_nodes_of_one_sku_are_counted_and_no_others",),
    ),
    Line(
        "TestDiscoverGPUsFromDCGMFiltered_MixedSKU: filter by a100_sxm",
        covered=(f"{PARTIAL}::test_nodes_of_one_sku_are_counted_and_no_others",),
        case="a100_sxm",
    ),
    Line(
        "TestDiscoverGPUsFromDCGMFiltered_MixedSKU: filter by nonexistent SKU",
        covered=(f"{RESOLVE}::test_missing_value_is_named_with_what_there_is",),
        case="spec.hardware.totalGpus (of l40s) is not set",
    ),
    Line(
        "TestDiscoverGPUsFromDCGMFiltered_MixedSKU: cache is per SKU",
        not_applicable="One inventory of all nodes serves every request, and the SKU is chosen from it.",
    ),
    *same(
        _NO_OPERATOR,
        "TestDiscoverGPUsFromDCGM_GPUOperatorInstalled_DCgmNotEnabled",
        "TestDiscoverGPUsFromDCGM_NoGPUOperator_NoDCGM",
    ),
    Line("TestDiscoverGPUsFromIntelExporterFiltered", not_applicable=NOT_MERGED),
    Line(
        "TestDiscoverGPUHardware_FallsBackToNodeLabels",
        covered=(f"{RESOLVE}::test_exporter_without_an_answer_leaves_the_labels_and_its_reason",),
    ),
    Line("TestListIntelXPUExporterPods", not_applicable=NOT_MERGED),
    Line(
        "TestListDCGMExporterPods: different selectors",
        covered=(f"{FOUND}::test_exporter_is_found_once_whatever_labels_it_has",),
    ),
    Line(
        "TestListDCGMExporterPods: duplicates",
        covered=(f"{FOUND}::test_exporter_is_found_once_whatever_labels_it_has",),
        case="both",
    ),
    Line("TestListDCGMExporterPods: none", covered=(f"{FOUND}::test_cluster_without_exporters_has_none",)),
    Line(
        "TestListDCGMExporterPods: client list error",
        covered=(
            f"{FOUND}::test_api_server_that_does_not_list_pods_is_an_error",
            f"{EXPORTERS}::test_inventory_that_cannot_look_keeps_no_request_waiting",
        ),
    ),
    Line(
        "TestBuildDCGMEndpoint: default IPv4",
        covered=(f"{EXPORTERS}::test_exporters_are_found_where_they_run",),
        case="http://10.0.0.7:9400/metrics",
    ),
    Line(
        "TestBuildDCGMEndpoint: default IPv6",
        covered=(f"{EXPORTERS}::test_exporters_are_found_where_they_run",),
        case="http://[fd00::7]:9401/metrics",
    ),
    *same(
        "There is no template for endpoints: another port is the one that the pod calls metrics.",
        "TestBuildDCGMEndpoint: custom IPv4",
        "TestBuildDCGMEndpoint: custom IPv6",
        "TestBuildDCGMEndpoint: already bracketed",
    ),
    Line(
        "TestDiscoverGPUsFromDCGMIPv6",
        covered=(f"{EXPORTERS}::test_exporters_are_found_where_they_run",),
        case="fd00::7",
    ),
    Line("TestScrapeMetricsEndpointClosesConnections: success", covered=(CLOSED,), case="metrics"),
    Line("TestScrapeMetricsEndpointClosesConnections: HTTP error", covered=(CLOSED,), case="HTTP error"),
    Line("TestScrapeMetricsEndpointClosesConnections: invalid exposition", covered=(CLOSED,), case="no exposition"),
    Line(
        "TestScrapeMetricsEndpointClosesConnections: missing GPU metrics", covered=(CLOSED,), case="metrics of no GPU"
    ),
)
