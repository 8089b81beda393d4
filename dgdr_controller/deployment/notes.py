"""What the user of a deployment should know about it, a sentence each."""

from collections.abc import Iterator

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.gpus import find_gpu
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, Nodes, rdma_share, version_note
from dgdr_controller.deployment.render.families import ANY, NEEDS, needs_own_code
from dgdr_controller.deployment.render.images import release
from dgdr_controller.deployment.render.planner_config import holds_latencies
from dgdr_controller.deployment.render.planner_settings import Written
from dgdr_controller.deployment.render.releases import NEWEST, Release
from dgdr_controller.settings import Settings

_EVENTS = "--kv-events-config"
_DEEPEP = {
    Backend.VLLM: ": --all2all-backend deepep_high_throughput for prefill, deepep_low_latency for workers that decode"
}
"""What switches DeepEP on (``vllm/config/parallel.py``)."""


def notes_on(candidate: Candidate, request: GraphRequest, settings: Settings) -> Iterator[str]:
    """Yield the notes on the deployment of a candidate."""
    if note := version_note(request, settings):
        yield note
    spoken = release(request, settings)
    if spoken is not NEWEST and request.facts.architecture and not request.effective.mocker:
        yield from _about_older_engines(candidate, request, spoken)
    if request.effective.planner:
        yield from _about_the_planner(candidate, request)
    if needs_own_code(request.facts) and not request.trusts_code(settings):
        yield (
            f"{request.spec.model} needs code of its repository, which engines run only if they may: set "
            "spec.overrides.trustRemoteCode to true"
        )
    if request.effective.mocker:
        yield "spec.features.mocker: the workers are simulated and request no GPUs"
        return
    gpu = find_gpu(request.hardware.gpu_sku)
    if gpu is not None and gpu.vendor != "nvidia":
        yield f"Dynamo's images support NVIDIA GPUs only: set spec.image to an image that is built for {gpu.sku}"
    yield from _about_the_network(candidate, request)


def _about_older_engines(candidate: Candidate, request: GraphRequest, spoken: Release) -> Iterator[str]:
    model = request.facts
    if candidate.backend is Backend.TRTLLM:
        yield f"Whether TensorRT-LLM of Dynamo {spoken} loads {model.architecture} is not known"
    needs = [need for need in NEEDS if need.family is not ANY and need.family.includes(model)]
    if any(need.before is None for need in needs):
        yield (
            f"What {model.architecture} needs was read in the engines of Dynamo {NEWEST}; those of {spoken} are "
            "started with the same flags"
        )
    silent = [need for need in needs if need.backend is candidate.backend and _EVENTS in need.drop]
    if request.effective.kv_router and any(spoken.is_before(need.before) for need in silent):
        yield (
            f"{candidate.backend} of Dynamo {spoken} cannot publish the KV events of {model.architecture}; the KV "
            "router works without them"
        )


def _about_the_planner(candidate: Candidate, request: GraphRequest) -> Iterator[str]:
    written = Written.of(request.spec)
    yield from written.notes
    asked, budget = written.settings.get("max_gpu_budget"), request.hardware.total_gpus.value
    if isinstance(asked, int) and not 0 <= asked <= budget:
        limit = f"{asked} GPUs" if asked >= 0 else "any number of GPUs"
        yield f"spec.features.planner lets the planner use {limit}; the budget of the request is {budget}"
    if candidate.mode is Mode.AGGREGATED and holds_latencies(request.spec, request.effective):
        yield (
            "Dynamo's planner holds latency targets only where prefill and decode have workers of their own; it scales "
            "these engines by load. It takes GPUs for one prefill and one decode worker to hold the targets"
        )
    if candidate.mode is Mode.DISAGGREGATED and not request.curves:
        yield "The planner starts without estimates of its workers; it learns from the load"


def _about_the_network(candidate: Candidate, request: GraphRequest) -> Iterator[str]:
    hardware = request.hardware
    nodes = Nodes.of(hardware)
    spanning = [worker for worker in candidate.workers if nodes.count(worker.parallelism) > 1]
    if spanning and request.uid is None:  # in a cluster it was asked for them before
        yield "Its engines span nodes: the cluster needs Grove or LWS"
    gpu = find_gpu(hardware.gpu_sku)
    if spanning and gpu is not None and gpu.nvlink_nodes:
        yield (
            f"Its engines span nodes of {gpu.sku}: the estimate assumes one NVLink domain, which pods join by a claim "
            "of a ComputeDomain. Create one, and add the claim to the workers in spec.overrides.dgd"
        )
    if candidate.backend is not Backend.SGLANG and any(nodes.spread_experts(w.parallelism) for w in spanning):
        yield (
            "Its experts span nodes: the estimate assumes DeepEP, but the engine starts with its own, slower exchange. "
            "If the image has DeepEP, add its flag to the workers in spec.overrides.dgd"
            f"{_DEEPEP.get(candidate.backend, '')}"
        )
    talks = candidate.mode is Mode.DISAGGREGATED or spanning
    pods = [worker.parallelism.gpus // nodes.count(worker.parallelism) for worker in candidate.workers]
    if talks and hardware.rdma_resource and not all(rdma_share(gpus, hardware) for gpus in pods):
        yield (
            f"Nodes have {hardware.rdma_per_node} {hardware.rdma_resource} for {nodes.gpus} GPUs, so pods with "
            f"{min(pods)} GPU{'s' if min(pods) > 1 else ''} request none and exchange KV caches without RDMA"
        )
    wanted = request.spec.hardware.rdma if request.spec.hardware else None
    if talks and wanted and hardware.rdma_resource is None:
        yield (
            "spec.hardware.rdma is true, but no RDMA resource (rdma/*) that all nodes offer is known, so pods request "
            "none: install an RDMA device plugin, or add the resource in spec.overrides.dgd"
        )
