"""The objects of a deployment as they are created: rendered, then changed as the user wants it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Candidate
from dgdr_api.gpus import find_gpu
from dgdr_controller.deployment.render import GraphRequest, Nodes, render, version_note
from dgdr_controller.deployment.render.planner_config import Written
from dgdr_controller.deployment.render.request import Manifest
from dgdr_controller.settings import Settings


@dataclass(frozen=True, slots=True)
class Composed:
    """A deployment.

    Attributes:
        graph: The DynamoGraphDeployment.
        config_maps: What it mounts; to be there first.
        notes: What its user should know, a sentence each.
    """

    graph: Manifest
    config_maps: tuple[Manifest, ...]
    notes: tuple[str, ...]

    @property
    def documents(self) -> list[Manifest]:
        """All of it, in the order in which it is created."""
        return [*self.config_maps, self.graph]


def compose(candidate: Candidate, request: GraphRequest, settings: Settings) -> Composed:
    """Compose the deployment of a candidate. The same inputs give the same objects."""
    rendered = render(candidate, request, settings)
    return Composed(rendered.graph.manifest(), rendered.config_maps, tuple(_notes(candidate, request, settings)))


def _notes(candidate: Candidate, request: GraphRequest, settings: Settings) -> Iterator[str]:
    if note := version_note(request, settings):
        yield note
    if request.effective.planner:
        yield from Written.of(request).notes
    if request.effective.mocker:
        yield "spec.features.mocker: the workers are simulated, and no GPU is asked for"
        return
    gpu = find_gpu(request.hardware.gpu_sku)
    if gpu is not None and gpu.vendor != "nvidia":
        yield f"Dynamo's own images are for NVIDIA GPUs: spec.image has to name one that is built for {gpu.sku}"
    outside = request.uid is None  # in a cluster it was asked for them before
    if outside and any(Nodes.of(request.hardware).count(worker.parallelism) > 1 for worker in candidate.workers):
        yield "Its engines span nodes: the cluster needs Grove or LWS"
