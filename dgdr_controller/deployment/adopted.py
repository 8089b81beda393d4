"""A deployment that another profiler made: which of its documents it is, and whose it becomes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.json_values import JsonObject, json_value
from dgdr_api.names import ANNOTATION_UID, DGD_KIND, LABEL_POD, dgd_name
from dgdr_controller.deployment.conversion.versions import ALPHA, BETA, to_v1beta1
from dgdr_controller.deployment.merging import reserved
from dgdr_controller.deployment.quantities import count
from dgdr_controller.deployment.render.request import GraphRequest, owner_labels
from dgdr_controller.manifest import Manifest, ManifestError, inside, load_documents

_CONFIG_MAP = ("v1", "ConfigMap")
_MARKS = ("labels", "annotations")
_RESERVED = "dgdr-"
"""Beginning of the names of ConfigMaps that the controller reads and writes."""


class AdoptedDeploymentError(InvalidRequestError):
    """A text that holds no deployment which can be created; paths are those of its documents."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A deployment that another profiler made, as an object of the request.

    Attributes:
        graph: The DynamoGraphDeployment, v1beta1.
        config_maps: What it mounts.
    """

    graph: Manifest
    config_maps: tuple[Manifest, ...]


def read_adopted(text: str, request: GraphRequest) -> Adopted:
    """Read a deployment with what it mounts, and make it the request's: name, namespace, labels, proof of ownership.

    Anything but a deployment and ConfigMaps is refused: who profiles does not say what else is created here.

    Raises:
        AdoptedDeploymentError: Everything that is wrong with it.
    """
    errors = ErrorList()
    try:
        documents = [document for document in load_documents(text) if document is not None]
    except ManifestError as error:
        raise AdoptedDeploymentError([FieldError("(document)", "Invalid value", str(error))]) from None
    graphs, config_maps = list[JsonObject](), list[JsonObject]()
    for number, document in enumerate(documents):
        found = errors.mapping(json_value(document), f"documents[{number}]")
        kind = (found.get("apiVersion"), found.get("kind"))
        if kind in ((ALPHA, DGD_KIND), (BETA, DGD_KIND)):
            graphs.append(found)
        elif kind == _CONFIG_MAP:
            config_maps.append(found)
        else:
            detail = f"must be {DGD_KIND} of {ALPHA} or {BETA}, or a ConfigMap"
            errors.invalid(f"documents[{number}].kind", found.get("kind"), detail)
    if len(graphs) != 1:
        errors.invalid("(document)", len(graphs), f"must contain exactly one {DGD_KIND}")
    errors.raise_as(AdoptedDeploymentError)
    graph = _graph(graphs[0])
    _check_names(config_maps, json.dumps(graph["spec"]))
    components = [_followed(component, request) for component in graph["spec"]["components"]]
    return Adopted(
        {
            **graph,
            "metadata": _metadata(graph, dgd_name(request.name), request),
            "spec": graph["spec"] | {"components": components},
        },
        tuple(_mounted(config_map, request) for config_map in config_maps),
    )


def _graph(found: JsonObject) -> Manifest:
    """Return a graph in v1beta1, whose numbers are such.

    Raises:
        AdoptedDeploymentError: Everything that is wrong with it.
    """
    errors = ErrorList()
    try:
        graph = to_v1beta1(found) if found["apiVersion"] == ALPHA else found
    except InvalidRequestError as error:
        raise AdoptedDeploymentError(error.errors) from None
    if not errors.mappings(errors.mapping(graph.get("spec"), "spec").get("components"), "spec.components"):
        errors.required("spec.components")
    count(graph, errors)
    errors.raise_as(AdoptedDeploymentError)
    return {"apiVersion": BETA, "kind": DGD_KIND, "metadata": graph.get("metadata"), "spec": graph["spec"]}


def _followed(component: JsonObject, request: GraphRequest) -> Manifest:
    """Return a component whose pods have the request's label, by which their trouble is seen."""
    pod = inside(component, "podTemplate")
    labels = inside(pod, "metadata", "labels") | {LABEL_POD: request.name}
    return component | {"podTemplate": pod | {"metadata": inside(pod, "metadata") | {"labels": labels}}}


def _check_names(config_maps: Sequence[JsonObject], spec: str) -> None:
    """Refuse ConfigMaps but those that the deployment mounts, and those with names that the controller itself uses.

    Raises:
        AdoptedDeploymentError: Everything that is wrong with them.
    """
    errors = ErrorList()
    for config_map in config_maps:
        name = errors.mapping(config_map.get("metadata"), "metadata").get("name")
        if not isinstance(name, str):
            errors.required("metadata.name")
        elif name.startswith(_RESERVED):
            errors.invalid("metadata.name", name, f"must not begin with {_RESERVED}")
        elif f'"{name}"' not in spec:
            errors.invalid("metadata.name", name, "must be a ConfigMap that the deployment mounts")
        for field in ("data", "binaryData"):
            values = errors.mapping(config_map.get(field), field).values()
            if not all(isinstance(value, str) for value in values):
                errors.invalid(field, "(a value)", "must hold strings")
    errors.raise_as(AdoptedDeploymentError)


def _mounted(config_map: JsonObject, request: GraphRequest) -> Manifest:
    metadata = _metadata(config_map, str(inside(config_map, "metadata")["name"]), request)
    found: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return found | {field: config_map[field] for field in ("data", "binaryData") if field in config_map}


def _metadata(found: JsonObject, name: str, request: GraphRequest) -> Manifest:
    """Return metadata of ours; labels and annotations stay where they prove no ownership."""
    errors = ErrorList()
    theirs = errors.mapping(found.get("metadata"), "metadata")
    kept = {
        field: {key: value for key, value in errors.mapping(theirs.get(field), field).items() if not reserved(key)}
        for field in _MARKS
    }
    errors.raise_as(AdoptedDeploymentError)
    proof = {ANNOTATION_UID: request.uid} if request.uid else {}
    marks = {"labels": kept["labels"] | owner_labels(request), "annotations": kept["annotations"] | proof}
    return {"name": name, **({"namespace": request.namespace} if request.namespace else {}), **marks}
