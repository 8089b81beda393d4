"""``spec.runtimeVersionOverride``: the version of Dynamo that the images of a deployment are of."""

from dgdr_controller.manifest import Manifest, inside

_FIELD = "runtimeVersionOverride"


def filled_in(graph: Manifest, version: str | None) -> Manifest:
    """Return a deployment of v1beta1 whose components name this version, but those that name one already.

    One of another shape is left as it is.

    Args:
        graph: The deployment.
        version: The version; None: nothing is filled in.
    """
    spec = graph.get("spec")
    components = spec.get("components") if isinstance(spec, dict) else None
    if version is None or not isinstance(components, list):
        return graph
    named = [_named(component, version) if isinstance(component, dict) else component for component in components]
    return {**graph, "spec": {**inside(graph, "spec"), "components": named}}


def _named(component: Manifest, version: str) -> Manifest:
    return {**component, _FIELD: component.get(_FIELD) or version}
