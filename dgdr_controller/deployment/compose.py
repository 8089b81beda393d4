"""The objects of a deployment as they are created: rendered, put into the user's own, changed as the user wants it.

Pure. Order: render → base deployment → ``deploymentOverrides`` → ``overrides.dgd`` → is it still within the budget?
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dgdr_api.candidate import Candidate
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.images import image_tag
from dgdr_controller.deployment.adopted import read_adopted
from dgdr_controller.deployment.base.base_deployment import on_base
from dgdr_controller.deployment.conversion.services import MAIN
from dgdr_controller.deployment.conversion.versions import obsolete
from dgdr_controller.deployment.merging import reserved
from dgdr_controller.deployment.notes import notes_on
from dgdr_controller.deployment.overrides.dgd import PATH, OverrideError, gpus_of, merge, validate_name
from dgdr_controller.deployment.overrides.metadata import validate_metadata
from dgdr_controller.deployment.render import GraphRequest, render, workers_image
from dgdr_controller.deployment.render.images import release, runtime_version
from dgdr_controller.deployment.render.releases import release_of, version_of
from dgdr_controller.deployment.runtime_version import filled_in
from dgdr_controller.manifest import Manifest, inside
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


def compose_first(
    candidates: Iterable[Candidate], request: GraphRequest, settings: Settings
) -> tuple[Candidate, Composed]:
    """Compose the deployment of the first candidate that takes what the user wants of it: a base, an override.

    Args:
        candidates: The best one first; at least one.
        request: The request.
        settings: The installation's.

    Raises:
        InvalidRequestError: None of them does; it says why the best one does not.
    """
    refused: InvalidRequestError | None = None
    for candidate in candidates:
        try:
            made = compose(candidate, request, settings)
        except InvalidRequestError as error:
            refused = refused or error
            continue
        if refused is None:
            return candidate, made
        why = "; ".join(map(str, refused.errors))
        note = f"The recommended configuration cannot be deployed: {why}. This is the best one that can be"
        return candidate, replace(made, notes=(*made.notes, note))
    raise refused or ValueError("there are no candidates")


def compose(candidate: Candidate, request: GraphRequest, settings: Settings) -> Composed:
    """Compose the deployment of a candidate. The same inputs give the same objects.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or makes it more than the budget.
    """
    rendered = render(candidate, request, settings)
    graph, notes = rendered.graph.manifest(), list(notes_on(candidate, request, settings))
    if request.base is not None:
        graph = on_base(request.base, graph)
        notes += obsolete(request.base)
    cause = "spec.profilingConfig.configMapRef" if request.base is not None else "metadata.name"
    graph, warned = _as_wanted(graph, request, cause)
    notes += [*warned, *_other_images(graph, request, settings)]
    return Composed(_scalable(graph) if request.effective.planner else graph, rendered.config_maps, tuple(notes))


def compose_adopted(text: str, request: GraphRequest) -> Composed:
    """Compose a deployment that another profiler made. The same inputs give the same objects.

    Raises:
        InvalidRequestError: It is none, it takes more than the budget, or what the user wants cannot be laid over it.
    """
    adopted = read_adopted(text, request)
    graph, notes = _as_wanted(adopted.graph, request, "spec.components")
    return Composed(graph, adopted.config_maps, notes)


def _as_wanted(graph: Manifest, request: GraphRequest, cause: str) -> tuple[Manifest, tuple[str, ...]]:
    """Return a deployment as the user wants it changed, and what should be known of that.

    Args:
        graph: The deployment.
        request: The request.
        cause: The field to blame where nothing of that makes it one that cannot be created.

    Raises:
        InvalidRequestError: It cannot be changed so, or cannot be created then.
    """
    graph, notes = _marked(graph, request), tuple[str, ...]()
    if override := request.spec.overrides.dgd if request.spec.overrides else None:
        merged = merge(graph, override)
        graph, notes = merged.graph, merged.warnings
    graph = filled_in(graph, runtime_version(request))
    _check(graph, request, PATH if override else cause)
    return graph, notes


def _other_images(graph: Manifest, request: GraphRequest, settings: Settings) -> Iterator[str]:
    """Say which components run an image, of a base or an override, of another release than their flags are for."""
    if request.keeps_image or request.spec.runtime_version_override:  # somebody has said what the images are
        return
    for component in graph["spec"]["components"]:
        engines = component.get("type") in _RUN_THE_ENGINES_IMAGE and not request.effective.mocker
        spoken = release(request, settings, engines=engines)
        for container in component["podTemplate"]["spec"]["containers"]:
            version = version_of(image_tag(container.get("image") or "")) if container["name"] == MAIN else None
            if version is not None and release_of(version) is not spoken:
                yield (
                    f"Component {component['name']} runs {container['image']}, but its flags are those of Dynamo "
                    f"{spoken}: set spec.image to an image of the same release, or spec.runtimeVersionOverride"
                )


def _marked(graph: Manifest, request: GraphRequest) -> Manifest:
    """Return a deployment with what v1alpha1's ``deploymentOverrides`` say: name, marks, image of the engines."""
    wanted = request.preserved.deployment_overrides
    if problems := list(validate_metadata(wanted, request.namespace)):
        raise OverrideError(problems)
    metadata = {**graph["metadata"], **({"name": wanted.name} if wanted.name else {})}
    for field, ours in (("labels", wanted.labels), ("annotations", wanted.annotations)):
        theirs = {name: value for name, value in (ours or {}).items() if not reserved(name)}
        metadata[field] = {**theirs, **metadata.get(field, {})}
    components = graph["spec"]["components"]
    if (own := workers_image(request)) and not request.effective.mocker:  # simulated workers run another image
        components = [_with_image(component, own) for component in components]
    return {**graph, "metadata": metadata, "spec": {**graph["spec"], "components": components}}


def _scalable(graph: Manifest) -> Manifest:
    """Return a deployment whose engines the planner finds: of those that do both it looks for the type decode."""
    components = [
        {**component, "type": "decode"} if component.get("type") == "worker" else component
        for component in graph["spec"]["components"]
    ]
    return {**graph, "spec": {**graph["spec"], "components": components}}


def _with_image(component: Manifest, image: str) -> Manifest:
    """Return a component whose engine, or the frontend beside the engines, runs an image."""
    if component.get("type") not in _RUN_THE_ENGINES_IMAGE:
        return component
    pod = inside(component, "podTemplate", "spec")
    containers = [
        {**container, "image": image} if container.get("name") == MAIN else container
        for container in pod.get("containers") or []
    ]
    template = {**inside(component, "podTemplate"), "spec": {**pod, "containers": containers}}
    return {**component, "podTemplate": template}


def _check(graph: Manifest, request: GraphRequest, cause: str) -> None:
    """Refuse a deployment that cannot be created, or is too large."""
    errors = validate_name(graph, f"{cause}.metadata.name" if cause == PATH else cause)
    asked, budget = gpus_of(graph), request.hardware.total_gpus.value
    if asked > budget:
        detail = f"the deployment would use {asked} GPUs; the budget is {budget}"
        errors.append(FieldError(cause, "Forbidden", detail))
    if errors:
        raise OverrideError(errors)
