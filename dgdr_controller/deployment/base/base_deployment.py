"""A deployment that the user wrote, in place of our skeleton: the plan's numbers and flags go into it.

Three layers, component by component, which match by their type: what we render, over it what the base says, over
that what makes the plan – replicas, GPUs, parallelism, role, model. v1alpha1 names such a deployment in
``spec.profilingConfig.configMapRef`` (Dynamo's deploy/operator/api/v1alpha1/dynamographdeploymentrequest_types.go).
"""

import copy

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject, json_value
from dgdr_api.names import DGD_KIND
from dgdr_controller.deployment.base import arguments
from dgdr_controller.deployment.conversion.services import MAIN
from dgdr_controller.deployment.conversion.versions import ALPHA, BETA, to_v1beta1
from dgdr_controller.deployment.fields import named, part
from dgdr_controller.deployment.merging import overlaid, reserved
from dgdr_controller.deployment.quantities import GPU_RESOURCES, count
from dgdr_controller.manifest import ManifestError, load_documents

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OPTIONAL = ("planner",)
"""Types of component that are added where the base has none."""
_POD_MAPS = ("labels", "annotations")


class BaseDeploymentError(InvalidRequestError):
    """A base deployment that the plan cannot be put into; paths are those of the base."""


def read_base(text: str) -> JsonObject:
    """Return the base deployment in a text.

    Raises:
        BaseDeploymentError: The text is no YAML, or not one object.
    """
    try:
        documents = load_documents(text)
    except ManifestError as error:
        raise BaseDeploymentError([FieldError("(document)", "Invalid value", str(error))]) from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        detail = f"must contain exactly one {DGD_KIND}; move other objects out of it"
        raise BaseDeploymentError([FieldError("(document)", "Invalid value", detail)])
    return dict(documents[0])


def on_base(base: JsonObject, graph: JsonObject) -> JsonObject:
    """Return a base deployment with the plan of a rendered one in it, v1beta1.

    Args:
        base: What the user wrote, in either version; `versions.obsolete` tells what of it has no effect.
        graph: What was rendered, v1beta1.

    Raises:
        BaseDeploymentError: Everything that makes the base unusable.
    """
    errors = ErrorList()
    spec = _read(base, errors)
    graph = copy.deepcopy(graph)
    plan = errors.mapping(graph["spec"], "spec")
    backend = plan.get("backendFramework")
    if spec.get("backendFramework") not in (None, backend):
        detail = f"the plan is for {backend}: set spec.backend of the request to the engine of the base"
        errors.invalid("spec.backendFramework", spec.get("backendFramework"), detail)
    components = errors.mappings(spec.get("components"), "spec.components")
    merged: dict[int, JsonValue] = {}
    added: list[JsonValue] = []
    for ours in errors.mappings(plan.get("components"), "spec.components"):
        position = _position(ours, components, errors)
        if position is not None:
            merged[position] = _component(components[position], ours, errors)
        elif ours.get("type") in _OPTIONAL:
            added.append(ours)
    whole: list[JsonValue] = [merged.get(position, component) for position, component in enumerate(components)]
    shared = {name: value for name, value in plan.items() if name not in spec or name == "backendFramework"}
    result: JsonObject = {
        **graph,
        "metadata": _metadata(base, graph, errors),
        "spec": {**spec, **shared, "components": whole + added},
    }
    if not errors.errors:
        count(result, errors)
    errors.raise_as(BaseDeploymentError)
    return result


def _read(base: JsonObject, errors: ErrorList) -> JsonObject:
    """Return the spec of a base, in v1beta1, without nulls."""
    for field, known in (("apiVersion", (BETA, ALPHA)), ("kind", (DGD_KIND,))):
        if base.get(field) not in known:
            errors.invalid(field, base.get(field), f"must be {' or '.join(known)}")
    errors.raise_as(BaseDeploymentError)
    try:
        clean = errors.mapping(json_value({"spec": base.get("spec"), "apiVersion": base["apiVersion"]}), "")
        if clean["apiVersion"] == ALPHA:
            clean = to_v1beta1(clean)
    except InvalidRequestError as error:
        raise BaseDeploymentError(error.errors) from None
    spec = errors.mapping(clean.get("spec"), "spec")
    for field in _POD_MAPS:
        if field in spec:
            spec[field] = _unclaimed(errors.mapping(spec[field], f"spec.{field}"))
    return spec


def _metadata(base: JsonObject, graph: JsonObject, errors: ErrorList) -> JsonObject:
    """Return our metadata; labels and annotations of the base stay where they prove no ownership."""
    theirs = errors.mapping(copy.deepcopy(base.get("metadata")), "metadata")
    ours = errors.mapping(graph.get("metadata"), "metadata")
    for field in _POD_MAPS:
        kept = _unclaimed(errors.mapping(theirs.get(field), f"metadata.{field}"))
        if kept:
            ours[field] = kept | errors.mapping(ours.get(field), f"metadata.{field}")
    return ours


def _unclaimed(values: JsonObject) -> JsonObject:
    return {key: value for key, value in values.items() if not reserved(key) and key != _APPLIED and value is not None}


def _position(ours: JsonObject, components: list[JsonObject], errors: ErrorList) -> int | None:
    """Return which component of the base is ours; None, and a fault unless it can be added, when there is none."""
    kind = ours.get("type")
    found = [position for position, component in enumerate(components) if component.get("type") == kind]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{component.get('name')} ({component.get('type')})" for component in components) or "none"
    if found:
        errors.forbidden("spec.components", f"several components have type {kind}, but the plan has one: {there}")
    elif kind not in _OPTIONAL:
        errors.required(
            "spec.components", f"the plan needs a component of type {kind}; the base deployment has {there}"
        )
    return None


def _component(base: JsonObject, ours: JsonObject, errors: ErrorList) -> JsonObject:
    """Return a component: ours, over it the base's, over that what makes the plan."""
    path = f"spec.components[{base.get('name')}]"
    theirs = _without_plan(base)
    _refuse_other_volumes(theirs, ours, path, errors)
    laid = overlaid(ours, theirs, path, "components[]", errors)
    result = errors.mapping(overlaid(laid, _plan(base, ours, path, errors), path, "components[]", errors), path)
    if "multinode" not in ours:
        result.pop("multinode", None)
    return result


def _without_plan(base: JsonObject) -> JsonObject:
    """Return a component of a base without GPUs, and without labels and annotations that would be proofs of ours."""
    template, main = part(base, "podTemplate"), _main(base)
    if isinstance(metadata := template.get("metadata"), dict):
        kept = {field: _unclaimed(value) if isinstance(value, dict) else value for field, value in metadata.items()}
        template["metadata"] = kept
    if isinstance(resources := main.get("resources"), dict):
        spec = part(template, "spec")
        cleaned: JsonObject = {
            **main,
            "resources": {kind: _without_gpus(quantities) for kind, quantities in resources.items()},
        }
        containers = spec["containers"] if isinstance(spec["containers"], list) else []
        template["spec"] = {
            **spec,
            "containers": [cleaned if container == main else container for container in containers],
        }
    return {**base, **({"podTemplate": template} if template else {})}


def _without_gpus(quantities: JsonValue) -> JsonValue:
    if not isinstance(quantities, dict):
        return quantities
    return {name: quantity for name, quantity in quantities.items() if name not in GPU_RESOURCES}


def _main(component: JsonObject) -> JsonObject:
    """Return the main container of a component; empty where it has none."""
    return named(part(component, "podTemplate", "spec").get("containers"), MAIN) or {}


def _refuse_other_volumes(theirs: JsonObject, ours: JsonObject, path: str, errors: ErrorList) -> None:
    """Refuse a volume that has the name of one of ours and is another one: both are mounted."""
    volumes = part(theirs, "podTemplate", "spec").get("volumes")
    for volume in errors.mappings(part(ours, "podTemplate", "spec").get("volumes"), path):
        there = named(volumes, volume.get("name"))
        if there is not None and overlaid(volume, there, path, "volumes[]", ErrorList()) != volume:
            at = f"{path}.podTemplate.spec.volumes[{volume['name']}]"
            errors.forbidden(at, "conflicts with the plan's volume of this name: rename it")


def _plan(base: JsonObject, ours: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    """Return the part of our component that the base does not change."""
    main, theirs = _main(ours), _main(base)
    wanted: JsonObject = {field: main[field] for field in ("env", "volumeMounts") if field in main}
    limits = part(main, "resources", "limits")
    gpus: JsonObject = {name: quantity for name, quantity in limits.items() if name in GPU_RESOURCES}
    wanted |= {"resources": {"limits": gpus}} if gpus else {}
    wanted |= _command_line(theirs, main, f"{path}.podTemplate.spec.containers[{MAIN}]", errors)
    sources = _sources(theirs)
    added = [source for source in _sources(main) if _secret(source) not in map(_secret, sources)]
    wanted |= {"envFrom": [*sources, *added]} if sources or added else {}
    metadata: JsonObject = {"metadata": part(ours, "podTemplate", "metadata")}
    pod: JsonObject = {"containers": [{"name": MAIN, **wanted}]}
    fields: JsonObject = {field: ours[field] for field in ("replicas", "multinode") if field in ours}
    return {"name": base.get("name"), **fields, "podTemplate": {**metadata, "spec": pod}}


def _sources(container: JsonObject) -> list[JsonValue]:
    """Return where a container has its environment from."""
    sources = container.get("envFrom")
    return [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []


def _secret(source: JsonValue) -> JsonValue:
    """Return what tells a source of environment variables apart."""
    return part(source, "secretRef").get("name") or source


def _command_line(theirs: JsonObject, ours: JsonObject, path: str, errors: ErrorList) -> JsonObject:
    """Return command and args of a container: the base's program and flags, with the flags of the plan."""
    written, planned = _words(theirs), _words(ours)
    if not written or planned == arguments.program(planned):
        return {}  # the one or the other stays as it is
    if arguments.runs_a_shell(written):
        errors.forbidden(
            f"{path}.command",
            "runs a shell script, which cannot be changed: set command and args as lists of arguments",
        )
    runs, needs = arguments.module(written), arguments.module(planned)
    if runs is not None and runs != needs:
        errors.invalid(f"{path}.command", runs, f"the plan is for {needs}: set spec.backend to the engine of the base")
    program: list[JsonValue] = list(arguments.program(written) or arguments.program(planned))
    flags: list[JsonValue] = list(arguments.replaced(written, planned))
    return {"command": program, "args": flags}


def _words(container: JsonObject) -> list[str]:
    """Return the command line of a container; what is no word in it has been told."""
    parts = (container.get(field) for field in ("command", "args"))
    return [word for part in parts if isinstance(part, list) for word in part if isinstance(word, str)]
