"""The objects of a deployment as they are created: rendered, put into the user's own, changed as the user wants it.

Pure. Order: render → base deployment → ``deploymentOverrides`` → ``overrides.dgd`` → is it still within the budget?
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Candidate
from dgdr_api.errors import FieldError
from dgdr_api.gpus import find_gpu
from dgdr_controller.deployment.base import on_base
from dgdr_controller.deployment.merging import reserved
from dgdr_controller.deployment.overrides import PATH, OverrideError, gpus_of, merge, name_faults
from dgdr_controller.deployment.render import GraphRequest, Nodes, render, version_note
from dgdr_controller.deployment.render.planner_config import Written
from dgdr_controller.deployment.render.request import Manifest
from dgdr_controller.deployment.services import MAIN
from dgdr_controller.deployment.versions import obsolete
from dgdr_controller.settings import Settings

_RUN_THE_ENGINES_IMAGE = ("frontend", "worker", "prefill", "decode")


@dataclass(frozen=True, slots=True)
class Composed:
    """A deployment.

    Attributes:
        graph: The DynamoGraphDeployment, v1beta1.
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
    """Compose the deployment of a candidate. The same inputs give the same objects.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or makes it more than the budget.
    """
    rendered = render(candidate, request, settings)
    graph, notes = rendered.graph.manifest(), list(_notes(candidate, request, settings))
    if request.base is not None:
        graph = on_base(request.base, graph)
        notes += obsolete(request.base)
    graph = _marked(graph, request)
    if override := request.spec.overrides.dgd if request.spec.overrides else None:
        merged = merge(graph, override)
        graph = merged.graph
        notes += merged.warnings
    _check(graph, request)
    return Composed(graph, rendered.config_maps, tuple(notes))


def _marked(graph: Manifest, request: GraphRequest) -> Manifest:
    """Return a deployment with what v1alpha1's ``deploymentOverrides`` say: name, marks, image of the engines."""
    wanted = request.preserved.deployment_overrides
    if wanted.namespace not in (None, request.namespace):
        detail = f"the deployment is made in the namespace of the request, {request.namespace}"
        shown = json.dumps(wanted.namespace)
        raise OverrideError([FieldError("spec.deploymentOverrides.namespace", f"Invalid value: {shown}", detail)])
    metadata = {**graph["metadata"], **({"name": wanted.name} if wanted.name else {})}
    for field, ours in (("labels", wanted.labels), ("annotations", wanted.annotations)):
        theirs = {name: value for name, value in ours.items() if not reserved(name)}
        metadata[field] = {**theirs, **metadata.get(field, {})}
    components = graph["spec"]["components"]
    if wanted.workers_image:
        components = [_with_image(each, wanted.workers_image) for each in components]
    return {**graph, "metadata": metadata, "spec": {**graph["spec"], "components": components}}


def _with_image(component: Manifest, image: str) -> Manifest:
    """Return a component whose engine, or the frontend beside the engines, runs an image."""
    if component.get("type") not in _RUN_THE_ENGINES_IMAGE:
        return component
    pod = component["podTemplate"]["spec"]
    containers = [{**each, "image": image} if each["name"] == MAIN else each for each in pod["containers"]]
    template = {**component["podTemplate"], "spec": {**pod, "containers": containers}}
    return {**component, "podTemplate": template}


def _check(graph: Manifest, request: GraphRequest) -> None:
    """Refuse what the user has made of a deployment where it can no longer be created, or is too large."""
    named = request.preserved.deployment_overrides.name
    errors = name_faults(graph, "spec.deploymentOverrides.name" if named else f"{PATH}.metadata.name")
    asked, budget = gpus_of(graph), request.hardware.total_gpus.value
    if asked > budget:
        detail = f"with it the deployment takes {asked} GPUs, {budget} may be used"
        errors.append(FieldError(PATH, "Forbidden", detail))
    if errors:
        raise OverrideError(errors)


def _notes(candidate: Candidate, request: GraphRequest, settings: Settings) -> Iterator[str]:
    if note := version_note(request, settings):
        yield note
    if request.effective.planner:
        yield from Written.of(request.spec).notes
    if request.effective.mocker:
        yield "spec.features.mocker: the workers are simulated, and no GPU is asked for"
        return
    gpu = find_gpu(request.hardware.gpu_sku)
    if gpu is not None and gpu.vendor != "nvidia":
        yield f"Dynamo's own images are for NVIDIA GPUs: spec.image has to name one that is built for {gpu.sku}"
    outside = request.uid is None  # in a cluster it was asked for them before
    if outside and any(Nodes.of(request.hardware).count(worker.parallelism) > 1 for worker in candidate.workers):
        yield "Its engines span nodes: the cluster needs Grove or LWS"
