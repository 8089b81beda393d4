"""``spec.runtimeVersionOverride``: the version of Dynamo that the images of a deployment are of."""

from dgdr_controller.manifest import Manifest

_FIELD = "runtimeVersionOverride"


def filled_in(graph: Manifest, version: str | None) -> Manifest:
    """Return a deployment of v1beta1 whose components name this version, but those that name one already.

    Args:
        graph: The deployment.
        version: The version; None: nothing is filled in.
    """
    components = graph["spec"].get("components")
    if version is None or components is None:
        return graph
    named = [{**component, _FIELD: component.get(_FIELD) or version} for component in components]
    return {**graph, "spec": {**graph["spec"], "components": named}}
