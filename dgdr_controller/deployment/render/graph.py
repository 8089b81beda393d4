"""The graph around the engines: components, GPUs, names.

Invariant, checked on every rendering: the GPUs of the graph are those of the candidate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Mode, Role, Worker
from dgdr_api.dgd import (
    Component,
    ComponentType,
    Container,
    DgdSpec,
    DynamoGraphDeployment,
    EnvVar,
    Multinode,
    Resources,
    ScalingAdapter,
)
from dgdr_api.gpus import find_gpu
from dgdr_api.hardware import HardwareUsed
from dgdr_api.names import ANNOTATION_CANDIDATE, ANNOTATION_UID, dgd_name
from dgdr_api.v1beta1 import Backend, ObjectMeta
from dgdr_controller.deployment.render import mocker
from dgdr_controller.deployment.render.engine import Engine, EngineWorker, Nodes
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.deployment.render.families import Need, needs_of
from dgdr_controller.deployment.render.images import image, planner_image, release, runtime_version
from dgdr_controller.deployment.render.parsers import parsers
from dgdr_controller.deployment.render.planner import with_planner
from dgdr_controller.deployment.render.planner_settings import Written
from dgdr_controller.deployment.render.pods import model_volumes, pod_template, token, with_model
from dgdr_controller.deployment.render.releases import command_line
from dgdr_controller.deployment.render.request import GraphRequest, owner_labels
from dgdr_controller.manifest import Manifest
from dgdr_controller.settings import Settings

_COMPONENTS: dict[Role, tuple[str, ComponentType]] = {
    Role.AGGREGATED: ("worker", "worker"),
    Role.PREFILL: ("prefill", "prefill"),
    Role.DECODE: ("decode", "decode"),
}
"""Name and type of the component of each role."""

_SHARED_MEMORY_GIB = 10
"""For each GPU of a pod: Dynamo's recipes have 80 Gi for eight. Its operator's default of 8 Gi is for one."""

_METRICS_PORT = "20380"
"""Dynamo's default; without the variable workers publish nothing."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A deployment as it is to be created.

    Attributes:
        graph: The deployment.
        config_maps: What it mounts; to be there first.
    """

    graph: DynamoGraphDeployment
    config_maps: tuple[Manifest, ...] = ()


def render(candidate: Candidate, request: GraphRequest, settings: Settings) -> Rendered:
    """Render the deployment of a candidate. The same inputs give the same objects.

    Raises:
        ValueError: The graph would not have the candidate's GPUs, which means that our code is wrong.
    """
    components = [_frontend(candidate, request, settings)]
    components += [_worker(worker, candidate, request, settings) for worker in candidate.workers]
    config_maps: tuple[Manifest, ...] = ()
    if request.effective.planner:
        planner, config_maps = with_planner(candidate, request, settings)
        components.append(planner)
    graph = DynamoGraphDeployment(
        metadata=_metadata(candidate, request),
        spec=DgdSpec(backend_framework=candidate.backend.value, components=tuple(components)),
    )
    if graph.gpus != (0 if request.effective.mocker else candidate.gpus):
        raise ValueError(f"rendered {graph.gpus} GPUs for candidate {candidate.id} of {candidate.gpus}")
    return Rendered(graph, config_maps)


def _metadata(candidate: Candidate, request: GraphRequest) -> ObjectMeta:
    ours = {ANNOTATION_CANDIDATE: candidate.id, **({ANNOTATION_UID: request.uid} if request.uid else {})}
    return ObjectMeta(
        name=dgd_name(request.name), namespace=request.namespace, labels=owner_labels(request), annotations=ours
    )


def _engine(candidate: Candidate, request: GraphRequest) -> Engine:
    return mocker.ENGINE if request.effective.mocker else ENGINES[candidate.backend]


def _frontend(candidate: Candidate, request: GraphRequest, settings: Settings) -> Component:
    # In the environment: a --router-mode that somebody adds by an override then wins.
    routed = (EnvVar(name="DYN_ROUTER_MODE", value="kv"),) if request.effective.kv_router else None
    container = Container(
        image=_image(candidate, request, settings),
        command=("python3", "-m", "dynamo.frontend"),
        args=(),
        env=routed,
        env_from=token(settings),
    )
    return Component(
        name="Frontend",
        type="frontend",
        replicas=1,
        runtime_version_override=runtime_version(request),
        pod_template=pod_template(with_model(container, request), request, volumes=model_volumes(request)),
    )


def _image(candidate: Candidate, request: GraphRequest, settings: Settings) -> str:
    """Return the image of engines and frontend."""
    engine = ENGINES[candidate.backend].image
    return (planner_image if request.effective.mocker else image)(engine, request, settings)


def _worker(worker: Worker, candidate: Candidate, request: GraphRequest, settings: Settings) -> Component:
    engine, simulated = _engine(candidate, request), request.effective.mocker
    nodes = 1 if simulated else Nodes.of(request.hardware).count(worker.parallelism)
    gpus = worker.parallelism.gpus // nodes
    started = _engine_worker(worker, candidate, request, settings)
    spoken = release(request, settings, engines=not simulated)
    needs = [] if simulated else list(needs_of(started, spoken))
    answers = [] if simulated else parsers(request.facts, request.spec.model)
    add = [*(flag for need in needs for flag in need.add), *answers]
    drop = {name for need in needs for name in need.drop}
    env = [*_planner_env(worker, candidate, request), *(v for need in needs for v in _variables(need, started))]
    container = Container(
        image=_image(candidate, request, settings),
        command=("python3", "-m", engine.module),
        args=command_line(engine.module, engine.arguments(started, add, drop), spoken),
        env=tuple(env) or None,
        env_from=token(settings),
        resources=None if simulated else Resources(limits=_devices(gpus, nodes, candidate, request)),
    )
    name, kind = _COMPONENTS[worker.role]
    scaled = request.effective.planner and not Written.of(request.spec).advisory
    return Component(
        name=name,
        type=kind,
        replicas=worker.count * candidate.replicas,
        runtime_version_override=runtime_version(request),
        shared_memory_size=None if simulated else f"{gpus * _SHARED_MEMORY_GIB}Gi",
        multinode=Multinode(node_count=nodes) if nodes > 1 else None,
        scaling_adapter=ScalingAdapter() if scaled else None,
        pod_template=pod_template(
            with_model(container, request), request, volumes=model_volumes(request), on_gpus=not simulated
        ),
    )


def _engine_worker(worker: Worker, candidate: Candidate, request: GraphRequest, settings: Settings) -> EngineWorker:
    gpu = find_gpu(request.hardware.gpu_sku)
    return EngineWorker(
        backend=candidate.backend,
        model=request.model,
        served_name=request.spec.model,
        role=worker.role,
        shape=worker.parallelism,
        batch=worker.batch,
        max_num_tokens=worker.max_num_tokens,
        context_length=candidate.context_length,
        kv_cache_dtype=worker.kv_cache_dtype,
        draft_tokens=candidate.draft_tokens,
        kv_routed=request.effective.kv_router,
        trusts_code=request.trusts_code(settings),
        facts=request.facts,
        experts_span=Nodes.of(request.hardware).spread_experts(worker.parallelism),
        gpu=gpu.aic_system if gpu else None,
        vram_mib=request.hardware.vram_mib.value,
    )


def _devices(gpus: int, nodes: int, candidate: Candidate, request: GraphRequest) -> dict[str, str]:
    """Return what a pod takes of its node: GPUs, and its share of the RDMA devices where it talks to other pods."""
    hardware, limits = request.hardware, {request.gpu_resource: str(gpus)}
    share = rdma_share(gpus, hardware)
    if hardware.rdma_resource and share and (candidate.mode is Mode.DISAGGREGATED or nodes > 1):
        limits[hardware.rdma_resource] = str(share)
    return limits


def _variables(need: Need, worker: EngineWorker) -> Iterator[EnvVar]:
    return (EnvVar(name=v.name, value=str(v.value(worker))) for v in need.env if v.value and v.when(worker))


def rdma_share(gpus: int, hardware: HardwareUsed) -> int:
    """Return how many of a node's RDMA devices a pod with some of its GPUs takes.

    Where there are fewer devices than GPUs, pods that took one for each GPU would keep each other out.
    """
    return min(gpus, gpus * hardware.rdma_per_node // hardware.num_gpus_per_node.value)


def _planner_env(worker: Worker, candidate: Candidate, request: GraphRequest) -> tuple[EnvVar, ...]:
    """Return what makes a worker tell the planner how it does: each step's measures, and vLLM's own benchmark."""
    if not request.effective.planner or request.effective.mocker:
        return ()
    phase = {Role.AGGREGATED: "agg"}.get(worker.role, worker.role.value)
    benchmark = {"DYN_BENCHMARK_MODE": phase} if candidate.backend is Backend.VLLM else {}
    variables = {"DYN_FORWARDPASS_METRIC_PORT": _METRICS_PORT, **benchmark}
    return tuple(EnvVar(name=name, value=value) for name, value in variables.items())
