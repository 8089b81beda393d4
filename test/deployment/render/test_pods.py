"""Which nodes, which devices, how many pods."""

from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.hardware import Resolved, ValueSource
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.compose import compose
from dgdr_controller.deployment.render import Nodes, unrenderable
from dgdr_controller.settings import Settings

Make = Callable[..., Any]


@pytest.fixture
def component(graph_request: Make, hardware: Any, make_candidate: Make) -> Make:
    """Render an aggregated candidate on other hardware; return its worker."""

    def render(of: Candidate | None = None, uid: str | None = None, spec: Any = None, **on: Any) -> Any:
        request = graph_request(on=hardware.model_copy(update=on), uid=uid, **(spec or {}))
        made = compose(of or make_candidate(), request, Settings())
        return made.graph["spec"]["components"][-1], made.notes

    return render


@pytest.fixture
def disaggregated() -> Candidate:
    """A prefill worker of two GPUs, a decode worker of four."""
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=tp), count=1, batch=8, max_num_tokens=4096)
        for role, tp in ((Role.PREFILL, 2), (Role.DECODE, 4))
    )
    return Candidate(
        backend=Backend.VLLM, backend_version="1", mode=Mode.DISAGGREGATED, workers=workers, replicas=1,
        context_length=8192, source=Source.NAIVE,
    )  # fmt: skip


def limits(component: Any) -> dict[str, str]:
    return component["podTemplate"]["spec"]["containers"][0]["resources"]["limits"]  # type: ignore[no-any-return]


def test_engine_that_spans_nodes_takes_whole_nodes(component: Make, make_candidate: Make) -> None:
    worker, notes = component(make_candidate(tp=1, dp=32, moe_ep=32))
    assert worker["multinode"] == {"nodeCount": 4}
    assert limits(worker) == {"nvidia.com/gpu": "8"}
    assert worker["sharedMemorySize"] == "80Gi"
    assert any("Grove or LWS" in note for note in notes)


def test_estimates_for_large_nodes_are_not_taken_for_small_ones(hardware: Any, make_candidate: Make) -> None:
    small = hardware.model_copy(update={"num_gpus_per_node": Resolved(value=2, source=ValueSource.SPEC)})
    alone = hardware.model_copy(update={"multinode": False})
    of = make_candidate(tp=16)
    assert unrenderable(of, Nodes.of(hardware)) is None
    assert unrenderable(of, Nodes.of(small)) == (
        "estimates are for nodes of 8 GPUs: one aggregated worker takes 16 GPUs and a node has 2"
    )
    assert (unrenderable(of, Nodes.of(alone)) or "").startswith("needs Grove or LWS")


def test_cluster_that_was_asked_is_not_doubted(component: Make, make_candidate: Make) -> None:
    assert not component(make_candidate(tp=16), uid="u")[1]


def test_engine_over_nodes_that_are_one_nvlink_domain_needs_its_claim(component: Make, make_candidate: Make) -> None:
    four = {"gpu_sku": "gb200", "num_gpus_per_node": Resolved(value=4, source=ValueSource.SPEC)}
    worker, notes = component(make_candidate(tp=8), uid="u", **four)
    assert worker["multinode"] == {"nodeCount": 2}
    (note,) = notes
    assert note.startswith("Its engines span nodes of gb200: the estimate assumes one NVLink domain")
    assert not component(make_candidate(tp=4), uid="u", **four)[1]


def test_engine_within_a_node_is_one_pod(component: Make) -> None:
    worker, notes = component()
    assert "multinode" not in worker
    assert limits(worker) == {"nvidia.com/gpu": "2"}
    assert worker["sharedMemorySize"] == "20Gi"
    assert not notes


@pytest.mark.parametrize(
    ("sku", "resource", "note"),
    [
        ("mi300", "amd.com/gpu", "set spec.image to an image that is built for mi300"),
        ("b60", "gpu.intel.com/xe", "set spec.image to an image that is built for b60"),
        ("unheard_of", "nvidia.com/gpu", ""),
    ],
)
def test_each_vendor_has_its_own_resource(component: Make, sku: str, resource: str, note: str) -> None:
    worker, notes = component(gpu_sku=sku)
    assert limits(worker) == {resource: "2"}
    assert bool(notes) is bool(note)
    assert all(note in sentence for sentence in notes)


def test_pods_in_a_mixed_cluster_are_kept_to_the_gpus_they_were_planned_for(component: Make) -> None:
    worker, _ = component(products=("NVIDIA-H200", "NVIDIA-H200-141GB"))
    affinity = worker["podTemplate"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H200", "NVIDIA-H200-141GB"]}
    ]


def test_gpus_have_an_rdma_device_each_where_the_cache_is_handed_over(
    component: Make, disaggregated: Candidate
) -> None:
    assert "rdma/ib" not in limits(component(rdma_resource="rdma/ib", rdma_per_node=8)[0])
    worker, _ = component(disaggregated, rdma_resource="rdma/ib", rdma_per_node=1000)
    assert limits(worker) == {"nvidia.com/gpu": "4", "rdma/ib": "4"}
    assert limits(component(disaggregated)[0]) == {"nvidia.com/gpu": "4"}


def test_engines_over_several_nodes_talk_by_rdma_too(component: Make, make_candidate: Make) -> None:
    worker, _ = component(make_candidate(tp=16), rdma_resource="rdma/ib", rdma_per_node=8)
    assert limits(worker) == {"nvidia.com/gpu": "8", "rdma/ib": "8"}


@pytest.mark.parametrize(
    ("devices", "share", "noted"), [(8, "4", False), (4, "2", False), (2, "1", True), (1, None, True)]
)
def test_pods_take_their_share_of_few_devices(
    component: Make, disaggregated: Candidate, devices: int, share: str | None, *, noted: bool
) -> None:
    """Of the worker of four GPUs; the other one has two."""
    worker, notes = component(disaggregated, rdma_resource="rdma/ib", rdma_per_node=devices)
    assert limits(worker).get("rdma/ib") == share
    without = (
        f"Nodes have {devices} rdma/ib for 8 GPUs, so pods with 2 GPUs request none and exchange KV caches without RDMA"
    )
    assert notes == ((without,) if noted else ())


def test_rdma_that_is_claimed_and_not_found_is_told(component: Make, disaggregated: Candidate) -> None:
    _, notes = component(disaggregated, spec={"hardware": {"rdma": True}})
    assert any(note.startswith("spec.hardware.rdma is true, but no RDMA resource") for note in notes)
    assert not component(spec={"hardware": {"rdma": True}})[1]


def test_tolerations_of_the_profiling_job_are_those_of_the_deployment(component: Make) -> None:
    tolerations = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    job = {"template": {"spec": {"tolerations": tolerations}}}
    worker, _ = component(spec={"overrides": {"profilingJob": job}})
    assert worker["podTemplate"]["spec"]["tolerations"] == tolerations
