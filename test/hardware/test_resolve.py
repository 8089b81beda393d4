from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.errors import InvalidRequestError
from dgdr_api.gpus import GPUS, find_product
from dgdr_api.hardware import Resolved, ValueSource
from dgdr_api.v1beta1 import DgdrSpec, Hardware
from dgdr_controller.hardware.dcgm import Measured
from dgdr_controller.hardware.nodes import NodeGpus, with_measured
from dgdr_controller.hardware.resolve import DISCOVERED_CAP, Capacity, HardwareNotFoundError, capacity, resolve
from dgdr_controller.hardware.status import shown, used
from dgdr_controller.hardware.tolerations import tolerations_of
from dgdr_controller.kinds import Taint, Toleration

LABELS, SPEC, TABLE = ValueSource.NODE_LABELS, ValueSource.SPEC, ValueSource.SKU_TABLE
ALLOCATABLE, DCGM = ValueSource.NODE_ALLOCATABLE, ValueSource.DCGM


def gpus(product: str = "NVIDIA-H200", count: int = 8, vram: int | None = 143771, out: str = "") -> NodeGpus:
    return NodeGpus(f"{product}-{count}", product, find_product(product), count, vram, out)


def test_hardware_is_discovered_when_nothing_is_written() -> None:
    found = resolve(Hardware(), [gpus(), gpus()])
    assert (found.gpu_sku, found.gpu_sku_source) == ("h200_sxm", LABELS)
    assert found.total_gpus == Resolved(value=16, source=ALLOCATABLE)
    assert found.num_gpus_per_node == Resolved(value=8, source=ALLOCATABLE)
    assert found.vram_mib == Resolved(value=143771, source=LABELS)


def test_written_value_is_never_replaced() -> None:
    written = Hardware(gpu_sku="l40s", total_gpus=64, num_gpus_per_node=2, vram_mb=40_000)
    found = resolve(written, [gpus()])
    assert (found.gpu_sku, found.gpu_sku_source) == ("l40s", SPEC)
    assert found.total_gpus == Resolved(value=64, source=SPEC)
    assert found.num_gpus_per_node == Resolved(value=2, source=SPEC)
    assert found.vram_mib == Resolved(value=40_000, source=SPEC)


def test_written_sku_counts_the_nodes_of_that_sku_alone() -> None:
    found = resolve(Hardware(gpu_sku="l40s"), [gpus(), gpus("NVIDIA-L40S", 4, 46068), gpus("NVIDIA-L40", 8)])
    assert found.total_gpus == Resolved(value=4, source=ALLOCATABLE)
    assert found.num_gpus_per_node.value == 4


def test_table_fills_in_what_nobody_says() -> None:
    found = resolve(Hardware(gpu_sku="h100_sxm", total_gpus=4), [])
    assert found.num_gpus_per_node == Resolved(value=8, source=TABLE)
    assert found.vram_mib == Resolved(value=81559, source=TABLE)


def test_deprecated_name_becomes_the_present_one() -> None:
    assert resolve(Hardware(gpu_sku="gb200_sxm", total_gpus=4), []).gpu_sku == "gb200"


@pytest.mark.parametrize(("nodes", "total"), [(3, 24), (4, 32), (5, DISCOVERED_CAP), (50, DISCOVERED_CAP)])
def test_discovered_number_is_capped(nodes: int, total: int) -> None:
    assert resolve(Hardware(), [gpus()] * nodes).total_gpus.value == total


def test_unequal_nodes_are_summed_as_they_are() -> None:
    assert resolve(Hardware(), [gpus(), gpus(count=4), gpus(count=1)]).total_gpus.value == 13


@pytest.mark.parametrize(
    ("counts", "usual"), [((8, 4, 4), 4), ((4, 4, 8), 4), ((8, 4), 8), ((4, 8), 8), ((2, 2, 8, 8, 4), 8)]
)
def test_gpus_per_node_are_the_most_common_and_of_a_tie_the_most(counts: tuple[int, ...], usual: int) -> None:
    assert resolve(Hardware(), [gpus(count=count) for count in counts]).num_gpus_per_node.value == usual


def test_memory_is_the_least_of_the_nodes_that_say_it() -> None:
    nodes = [gpus(vram=143_771), gpus(vram=140_000), gpus(vram=None), gpus("NVIDIA-L40S", 1, 46068)]
    assert resolve(Hardware(), nodes).vram_mib.value == 140_000


def test_sku_with_the_most_gpus_wins_and_of_a_tie_that_with_more_memory() -> None:
    many, large = gpus("NVIDIA-L40S", 8, 46068), gpus("NVIDIA-H200", 4)
    assert resolve(Hardware(), [many, large]).gpu_sku == "l40s"
    assert resolve(Hardware(), [many, large, gpus("NVIDIA-H200", 4)]).gpu_sku == "h200_sxm"
    assert resolve(Hardware(), [large, gpus("NVIDIA-H200", 4), many]).gpu_sku == "h200_sxm"


def test_tie_does_not_depend_on_labels_or_order() -> None:
    unlabelled = gpus("NVIDIA-H200", 4, None)
    nodes = [gpus("NVIDIA-L40S", 2, 46068), unlabelled, gpus("NVIDIA-L40S", 2, 46068)]
    assert resolve(Hardware(), nodes).gpu_sku == "h200_sxm"
    same = [gpus("NVIDIA-H200", 4), gpus("NVIDIA-H200-NVL", 4)]
    assert resolve(Hardware(), same).gpu_sku == resolve(Hardware(), same[::-1]).gpu_sku


def test_nodes_that_are_out_or_unknown_do_not_count() -> None:
    nodes = [gpus(out="it is cordoned"), gpus("Odd", 16, 1), gpus("NVIDIA-L40S", 2, 46068)]
    found = resolve(Hardware(), nodes)
    assert (found.gpu_sku, found.total_gpus.value) == ("l40s", 2)


def test_unknown_name_is_the_users_error_with_a_guess() -> None:
    with pytest.raises(InvalidRequestError, match='did you mean "h100_sxm"') as raised:
        resolve(Hardware(gpu_sku="h100-sxm5"), [])
    assert raised.value.errors[0].path == "spec.hardware.gpuSku"


@pytest.mark.parametrize(
    ("spec", "nodes", "words"),
    [
        (Hardware(), [], "spec.hardware.gpuSku is not set, and of the cluster's nodes none has GPUs."),
        (Hardware(), [gpus(out="it is cordoned")], "none fits: NVIDIA-H200-8: 8 × NVIDIA-H200 (it is cordoned)."),
        (
            Hardware(),
            [gpus("", 2, None)],
            "spec.hardware.vramMb is not set, and of the cluster's nodes none fits: -2: 2 × GPUs",
        ),
        (Hardware(gpu_sku="l40s"), [gpus()], "spec.hardware.totalGpus (of l40s) is not set"),
    ],
)
def test_missing_value_is_named_with_what_there_is(spec: Hardware, nodes: list[NodeGpus], words: str) -> None:
    with pytest.raises(HardwareNotFoundError) as raised:
        resolve(spec, nodes)
    message = str(raised.value)
    assert message.startswith("GPU hardware info required but auto-discovery failed. ")
    assert words in message
    assert "Set spec.hardware.{gpuSku,vramMb,totalGpus,numGpusPerNode} explicitly" in message


def test_large_cluster_does_not_make_a_long_sentence() -> None:
    with pytest.raises(HardwareNotFoundError) as raised:
        resolve(Hardware(), [gpus(out="it is cordoned")] * 500)
    assert len(str(raised.value)) < 1000


@given(
    nodes=st.lists(
        st.builds(
            gpus,
            product=st.sampled_from(["NVIDIA-H200", "NVIDIA-L40S", "Tesla-T4", "Odd"]),
            count=st.integers(0, 16),
            vram=st.none() | st.integers(1, 300_000),
            out=st.sampled_from(["", "it is cordoned"]),
        )
    ),
    sku=st.none() | st.sampled_from([gpu.sku for gpu in GPUS]),
    total=st.none() | st.integers(1, 1000),
    data=st.data(),
)
def test_order_of_nodes_does_not_matter_and_the_status_keeps_all(
    nodes: list[NodeGpus], sku: str | None, total: int | None, data: st.DataObject
) -> None:
    spec = Hardware(gpu_sku=sku, total_gpus=total)
    try:
        found = resolve(spec, nodes)
    except HardwareNotFoundError:
        with pytest.raises(HardwareNotFoundError):
            resolve(spec, data.draw(st.permutations(nodes)))
        return
    other = resolve(spec, data.draw(st.permutations(nodes)))
    assert used(shown(found)) == found
    assert other.total_gpus == found.total_gpus
    assert total is not None or found.total_gpus.value <= DISCOVERED_CAP
    assert (other.gpu_sku, other.num_gpus_per_node, other.vram_mib) == (
        found.gpu_sku,
        found.num_gpus_per_node,
        found.vram_mib,
    )


def test_status_that_does_not_show_all_of_it_is_not_used() -> None:
    whole = shown(resolve(Hardware(gpu_sku="l40s", total_gpus=4), []))
    assert used(None) is None
    for field in ("gpu_sku", "vram_mb", "num_gpus_per_node", "total_gpus", "sources"):
        assert used(whole.model_copy(update={field: None})) is None
    assert whole.sources is not None
    for field in ("gpu_sku", "vram_mb", "num_gpus_per_node", "total_gpus"):
        assert used(whole.model_copy(update={"sources": whole.sources.model_copy(update={field: None})})) is None


def test_gpus_that_are_in_no_table_are_used_by_their_memory_where_there_are_no_others() -> None:
    found = resolve(Hardware(), [gpus("Odd-Accelerator", 4, 40_000), gpus("Odd-Accelerator", 4, 39_000)])
    assert (found.gpu_sku, found.total_gpus.value, found.vram_mib.value) == ("unknown", 8, 39_000)
    assert found.interconnect is None
    written = resolve(Hardware(vram_mb=24_000), [gpus("", 2, None)])
    assert (written.gpu_sku, written.vram_mib) == ("unknown", Resolved(value=24_000, source=SPEC))


def test_what_exporters_measure_counts_before_labels() -> None:
    measured = Measured("NVIDIA H200", 143_000, "nvlink", is_partitioned=False)
    wrong = gpus("NVIDIA-L40S", 8, 46068)
    found = resolve(Hardware(), [with_measured(wrong, measured)])
    assert (found.gpu_sku, found.gpu_sku_source) == ("h200_sxm", DCGM)
    assert found.vram_mib == Resolved(value=143_000, source=DCGM)
    assert (found.interconnect, found.interconnect_source) == ("nvlink", DCGM)
    assert with_measured(wrong, None) == wrong


def test_exporter_without_an_answer_leaves_the_labels_and_its_reason() -> None:
    silent = with_measured(gpus(out="it is cordoned"), "gpu-operator/dcgm-1 does not answer within 3 s")
    with pytest.raises(
        HardwareNotFoundError, match=r"\(it is cordoned; gpu-operator/dcgm-1 does not answer within 3 s\)"
    ):
        resolve(Hardware(), [silent])
    usable = with_measured(gpus(), "gpu-operator/dcgm-1 does not answer within 3 s")
    assert resolve(Hardware(), [usable]).gpu_sku == "h200_sxm"


def test_gpus_in_mig_mode_are_no_whole_ones() -> None:
    sliced = with_measured(gpus(), Measured("NVIDIA H200", None, None, is_partitioned=True))
    with pytest.raises(HardwareNotFoundError, match="its GPUs are partitioned into MIG instances"):
        resolve(Hardware(), [sliced])


@pytest.mark.parametrize(
    ("sku", "interconnect", "source"),
    [("h200_sxm", "nvlink", TABLE), ("gb200", "nvlink", TABLE), ("l40s", None, None), ("h100_pcie", None, None)],
)
def test_interconnect_is_unknown_where_nothing_tells_it(sku: str, interconnect: str | None, source: object) -> None:
    found = resolve(Hardware(gpu_sku=sku, total_gpus=8), [])
    assert (found.interconnect, found.interconnect_source) == (interconnect, source)
    written = resolve(Hardware(gpu_sku=sku, total_gpus=8, interconnect="pcie"), [])
    assert (written.interconnect, written.interconnect_source) == ("pcie", SPEC)


TAINT = Taint("team", "NoSchedule", "a")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("team", "Equal", "a", "NoSchedule"), True),
        (Toleration("team", "Equal", "a"), True),
        (Toleration("team", "Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration("team", "Equal", "b"), False),
        (Toleration("team", "Exists", effect="NoExecute"), False),
        (Toleration("other", "Exists"), False),
    ],
)
def test_node_counts_for_a_request_that_tolerates_its_taints(toleration: Toleration, *, tolerated: bool) -> None:
    tainted = replace(gpus(), taints=(TAINT,))
    if tolerated:
        assert resolve(Hardware(), [tainted], tolerations=[toleration]).total_gpus.value == 8
    else:
        with pytest.raises(HardwareNotFoundError, match="it has taint team"):
            resolve(Hardware(), [tainted], tolerations=[toleration])


def test_tolerations_are_those_of_the_job_and_of_the_deployment() -> None:
    spec = DgdrSpec.model_validate(
        {
            "model": "m",
            "overrides": {
                "profilingJob": {"template": {"spec": {"tolerations": [{"key": "job", "operator": "Exists"}, "odd"]}}},
                "dgd": {
                    "spec": {
                        "components": [
                            {"podTemplate": {"spec": {"tolerations": [{"key": "worker", "value": "x"}]}}},
                            7,
                        ],
                        "services": {"Old": {"extraPodSpec": {"tolerations": [{"operator": "Exists"}]}}},
                    }
                },
            },
        }
    )
    assert tolerations_of(spec) == (
        Toleration("job", "Exists"),
        Toleration("worker", value="x"),
        Toleration(operator="Exists"),
    )
    assert tolerations_of(DgdrSpec.model_validate({"model": "m"})) == ()


def test_number_that_was_found_is_known_where_fewer_are_used() -> None:
    nodes = [gpus()] * 5
    hardware = resolve(Hardware(), nodes)
    assert (hardware.total_gpus.value, capacity("h200_sxm", nodes)) == (DISCOVERED_CAP, Capacity(40, None))


@pytest.mark.parametrize(
    ("used", "free", "on_a_node"),
    [((0, 6), 10, 8), ((8, 8), 0, 0), ((9, 0), 8, 8), ((4, 5), 7, 4), ((None, 0), None, None)],
)
def test_free_gpus_are_those_that_no_pod_requests(
    used: tuple[int | None, ...], free: int | None, on_a_node: int | None
) -> None:
    nodes = [replace(gpus(), used=number) for number in used]
    assert capacity("h200_sxm", [*nodes, gpus("NVIDIA-L40S", 4)]) == Capacity(16, free, on_a_node)
    assert capacity("l4", nodes) == Capacity(0, None)
