import re

import pytest

from hack.cluster.fakes.dcgm_exporter import model_name
from hack.cluster.fakes.gpus import FakeGpus
from hack.cluster.fakes.node_option import FakeNode, read, read_all
from hack.cluster.fakes.nodes import manifest
from hack.cluster.progress import ClusterError

H200 = FakeGpus(8, "NVIDIA-H200", 143_771)
A100 = FakeGpus(2, "NVIDIA-A100-SXM4-80GB", 81_920)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("plain", FakeNode("plain")),
        ("h200-1=8xNVIDIA-H200:143771", FakeNode("h200-1", H200)),
        (
            "h200-1=8xNVIDIA-H200:143771,cordoned,not-ready,in-use=3,pods=110",
            FakeNode("h200-1", H200, cordoned=True, ready=False, in_use=3, pods=110),
        ),
        (
            "a.b=8xNVIDIA-H200:143771,label=nvidia.com/rdma.present=true,taint=team=a:NoSchedule,label=pool=,taint=x:NoExecute",
            FakeNode(
                "a.b",
                H200,
                labels={"nvidia.com/rdma.present": "true", "pool": ""},
                taints=("team=a:NoSchedule", "x:NoExecute"),
            ),
        ),
        ("t4=4xTesla-T4:15360,shared=4", FakeNode("t4", FakeGpus(4, "Tesla-T4", 15360, replicas=4))),
        (
            "m=2xNVIDIA-A100-SXM4-80GB:81920,mig=1g.10gb",
            FakeNode("m", FakeGpus(2, "NVIDIA-A100-SXM4-80GB", 81_920, mig="1g.10gb")),
        ),
        (
            "m=2xNVIDIA-A100-SXM4-80GB:81920,mig-mixed=3g.40gb",
            FakeNode("m", FakeGpus(2, "NVIDIA-A100-SXM4-80GB", 81_920, mig="3g.40gb", mig_mixed=True)),
        ),
    ],
)
def test_node_is_read(text: str, node: FakeNode) -> None:
    assert read(text) == node


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'is no name of a node: lower-case letters, digits, "-" and "."'),
        ("Big=8xNVIDIA-H200:143771", '"Big" is no name of a node'),
        ("node1=8xNVIDIA-H200:143771", '"node1" is the node that runs; choose another name'),
        ("a=", '"" are no GPUs: COUNTxPRODUCT:MIB, as in 8xNVIDIA-H200:143771'),
        ("a=8xNVIDIA-H200", '"8xNVIDIA-H200" are no GPUs'),
        ("a=0xNVIDIA-H200:143771", '"0xNVIDIA-H200:143771" are no GPUs'),
        ("a=8xNVIDIA H200:143771", '"8xNVIDIA H200:143771" are no GPUs'),
        ("a,cordned", '"cordned" is no option; there are cordoned, not-ready, label=KEY=VALUE'),
        ("a,cordoned=no", '"cordoned=no" is no option'),
        ("a,", '"" is no option'),
        ("a,label=x", '"label=x" is no option; there are'),
        ("a,taint=x=y:Never", '"taint=x=y:Never" is no option; there are'),
        ("a,in-use=1", "in-use=1, but it has 0"),
        ("a=8xNVIDIA-H200:143771,in-use=9", "in-use=9, but it has 8"),
        ("a,shared=2", "shared is for GPUs of NVIDIA; this node has none"),
        ("a=8xAMD_Instinct_MI300X_OAM:196592,mig=1g.10gb", "mig is for GPUs of NVIDIA"),
        ("a=8xTesla-T4:15360,shared=1", '"shared=1": into how many is a GPU sliced? 2 or more'),
        ("a=8xTesla-T4:15360,mig=1g.40gb", '"mig=1g.40gb": a profile that fits the GPU is wanted'),
        ("a=8xNVIDIA-H200:143771,mig=7g.0gb", '"mig=7g.0gb": a profile that fits the GPU is wanted'),
        ("a=8xNVIDIA-:143771", '"8xNVIDIA-:143771" are no GPUs'),
        ("a=8xNVIDIA-H200:143771,mig=half", '"mig=half": a profile that fits the GPU is wanted'),
    ],
)
def test_wrong_option_is_named_with_the_way_out(text: str, sentence: str) -> None:
    with pytest.raises(ClusterError, match=f"^--node {re.escape(text)}: .*{re.escape(sentence)}"):
        read(text)


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(ClusterError, match='there are two nodes "a"'):
        read_all(("a", "b", "a,cordoned"))


@pytest.mark.parametrize(
    ("gpus", "resources", "labels"),
    [
        (
            H200,
            {"nvidia.com/gpu": "8"},
            {
                "gpu.count": "8", "gpu.product": "NVIDIA-H200", "gpu.memory": "143771", "gpu.family": "hopper",
                "gpu.compute.major": "9", "gpu.compute.minor": "0", "mig.capable": "true", "gpu.replicas": "1",
                "gpu.sharing-strategy": "none", "gpu.present": "true",
            },
        ),
        (
            FakeGpus(1, "NVIDIA-H100-NVL", 95_830, replicas=5),
            {"nvidia.com/gpu": "5"},
            {
                "gpu.count": "1", "gpu.product": "NVIDIA-H100-NVL-SHARED", "gpu.memory": "95830",
                "gpu.replicas": "5", "gpu.sharing-strategy": "time-slicing",
            },
        ),
        (
            FakeGpus(8, "NVIDIA-A100-SXM4-80GB", 81_920, mig="1g.10gb"),
            {"nvidia.com/gpu": "56"},
            {
                "gpu.count": "56", "gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "gpu.memory": "9728",
                "gpu.slices.gi": "1", "gpu.slices.ci": "1", "mig.strategy": "single", "mig.config": "all-1g.10gb",
            },
        ),
        (
            FakeGpus(2, "NVIDIA-A100-SXM4-80GB", 81_920, mig="3g.40gb", mig_mixed=True),
            {"nvidia.com/gpu": "0", "nvidia.com/mig-3g.40gb": "4"},
            {
                "gpu.count": "2", "gpu.product": "NVIDIA-A100-SXM4-80GB", "gpu.memory": "81920",
                "mig.strategy": "mixed", "mig-3g.40gb.count": "4", "mig-3g.40gb.slices.gi": "3",
                "mig-3g.40gb.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb",
            },
        ),
        (FakeGpus(4, "Tesla-T4", 15_360), {"nvidia.com/gpu": "4"}, {"gpu.family": "turing", "mig.capable": "false"}),
    ],
)  # fmt: skip
def test_gpus_show_as_nvidias_device_plugin_and_labeller_show_them(
    gpus: FakeGpus, resources: dict[str, str], labels: dict[str, str]
) -> None:
    assert gpus.resources == resources
    wanted = {f"nvidia.com/{key}": value for key, value in labels.items()}
    assert gpus.labels.items() >= wanted.items()


def test_product_that_nobody_knows_has_no_family() -> None:
    assert "nvidia.com/gpu.family" not in FakeGpus(1, "NVIDIA-X9000", 1000).labels
    assert "nvidia.com/gpu.family" not in FakeGpus(1, "NVIDIA-T400", 1000).labels  # no T4


def test_amds_gpus_show_as_its_labeller_shows_them() -> None:
    gpus = FakeGpus(8, "AMD_Instinct_MI300X_OAM", 196_592)
    assert gpus.resources == {"amd.com/gpu": "8"}
    assert gpus.labels["amd.com/gpu.product-name"] == "AMD_Instinct_MI300X_OAM"
    assert gpus.labels["amd.com/gpu.vram"] == "192G"
    assert gpus.labels["beta.amd.com/gpu.family.AI"] == "8"
    assert not [key for key in gpus.labels if key.startswith("nvidia.com/")]


@pytest.mark.parametrize(
    ("profile", "gpu_mib", "instances"),
    [
        ("1g.5gb", 40_960, 7), ("1g.10gb", 81_920, 7), ("1g.20gb", 81_920, 4), ("2g.20gb", 81_920, 3),
        ("3g.40gb", 81_559, 2), ("4g.40gb", 81_559, 1), ("7g.80gb", 81_559, 1), ("1g.18gb", 143_771, 7),
        ("3g.71gb", 143_771, 2), ("7g.141gb", 143_771, 1), ("1g.6gb", 24_576, 4),
    ],
)  # fmt: skip
def test_gpu_has_as_many_instances_as_nvidias_tables_say(profile: str, gpu_mib: int, instances: int) -> None:
    assert FakeGpus(1, "any", gpu_mib, mig=profile).instances == instances


def test_fake_node_differs_by_the_pods_that_can_be_scheduled_alone() -> None:
    made = manifest(FakeNode("n", A100))
    assert made["spec"] == {"unschedulable": False, "taints": []}
    assert made["status"]["capacity"] == made["status"]["allocatable"] | {"pods": "110"}
    assert made["status"]["allocatable"]["pods"] == "0"


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA-H100-80GB-HBM3", "NVIDIA H100 80GB HBM3"),
        ("NVIDIA-A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"),
        ("NVIDIA-A100-80GB-PCIe", "NVIDIA A100 80GB PCIe"),
        ("Tesla-V100-SXM2-32GB", "Tesla V100-SXM2-32GB"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
    ],
)
def test_dcgm_writes_a_product_with_spaces(product: str, name: str) -> None:
    assert model_name(product) == name
