"""The engines' containers in the deployments of a plan, each with what Dynamo's operator adds to its command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dgdr_api.candidate import Candidate, Role, Worker
from dgdr_api.dgd import Component
from dgdr_api.results import Results
from dgdr_controller.deployment.render import GraphRequest, render
from dgdr_controller.deployment.render.images import release
from dgdr_controller.deployment.render.releases import NEWEST
from dgdr_controller.results.content import graph_request
from dgdr_controller.settings import Settings
from hack.engines.plans import JUDGED
from hack.engines.validate import Start

_COMPONENTS = {"worker": Role.AGGREGATED, "prefill": Role.PREFILL, "decode": Role.DECODE}
_LEADER = "10.0.0.1"


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs an engine.

    Attributes:
        module: What it runs after ``python3 -m``.
        start: Its command line and variables, on the first of its nodes.
        worker: The worker that it is.
        candidate: The candidate that was rendered.
        request: What it was rendered for.
    """

    module: str
    start: Start
    worker: Worker
    candidate: Candidate
    request: GraphRequest

    @property
    def sku(self) -> str:
        """Its kind of GPU."""
        return self.request.hardware.gpu_sku


def containers(plan: Results, config: dict[str, Any] | None = None) -> Iterator[Container]:
    """Render the candidates of a plan that can be judged: real engines of the newest release.

    Args:
        plan: The plan.
        config: The ``config.json`` of a model that the simulator does not know.
    """
    request, settings = graph_request(plan), Settings()
    if request.effective.mocker or release(request, settings) is not NEWEST:
        return
    per_node = plan.hardware.num_gpus_per_node.value
    for candidate in (candidate for candidate in plan.candidates if candidate.backend in JUDGED):
        workers = {worker.role: worker for worker in candidate.workers}
        for component in render(candidate, request, settings).graph.spec.components:
            if component.name in _COMPONENTS:
                worker = workers[_COMPONENTS[component.name]]
                module, line, env = _started(component)
                line += _added(module, worker, component.multinode.node_count if component.multinode else 1, per_node)
                yield Container(module, Start(line, env, request.model, config), worker, candidate, request)


def _started(component: Component) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Return what a component runs after ``python3 -m``, the words that follow, and its variables."""
    (main,) = component.pod_template.spec.containers
    words = (*main.command, *main.args)
    after = words.index("-m") + 1
    env = {variable.name: variable.value for variable in main.env or () if variable.value is not None}
    return words[after], words[after + 1 :], env


def _added(module: str, worker: Worker, nodes: int, per_node: int) -> tuple[str, ...]:
    """Return what the operator adds for an engine over several nodes (``backend_vllm.go``, ``backend_sglang.go``)."""
    if nodes == 1:
        return ()
    if module == "dynamo.sglang":
        return ("--dist-init-addr", f"{_LEADER}:29500", "--nnodes", str(nodes), "--node-rank", "0")
    rank = worker.parallelism.tp * worker.parallelism.pp
    if rank > per_node:
        return (
            *("--distributed-executor-backend", "mp", "--nnodes", str(nodes)),
            *("--master-addr", _LEADER, "--master-port", "29500", "--node-rank", "0"),
        )
    return (
        *("--data-parallel-hybrid-lb", "--data-parallel-size-local", str(per_node // rank)),
        *("--data-parallel-start-rank", "0", "--data-parallel-address", _LEADER, "--data-parallel-rpc-port", "13445"),
    )
