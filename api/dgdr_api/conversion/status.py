"""The status, from v1alpha1 to v1beta1 and back.

v1alpha1 says some things in words of its own (``state``, ``backend``, ``deployment``). They are made from v1beta1's
fields when a request is read as v1alpha1. Going the other way only what differs from that is kept: words that
Dynamo 0.6 to 0.9 wrote.

Source: Dynamo's deploy/operator/api/v1alpha1/dynamographdeploymentrequest_{types,conversion}.go.
"""

from dgdr_api.conversion.paths import copied
from dgdr_api.json_values import JsonObject
from dgdr_api.v1alpha1.status import ONLY_HERE, State
from dgdr_api.v1beta1 import Phase

_STATES = {
    Phase.PENDING: State.PENDING,
    Phase.PROFILING: State.PROFILING,
    Phase.READY: State.READY,
    Phase.DEPLOYING: State.DEPLOYING,
    Phase.DEPLOYED: State.READY,
    Phase.FAILED: State.FAILED,
}
_PHASES = {state: phase for phase, state in reversed(_STATES.items())} | {
    State.INITIALIZING: Phase.PENDING,
    State.DEPLOYMENT_DELETED: Phase.READY,
}
_GRAPH_STATES = {Phase.DEPLOYING: "pending", Phase.DEPLOYED: "successful"}
_RESULTS = "profilingResults"
_CONTEXT = ("phase", "dgdName")
"""What was said beside the words that are kept: once it has changed, they are out of date."""


def to_v1beta1(status: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Convert a status of v1alpha1.

    Returns:
        The status of v1beta1, and what is to be kept beside it.
    """
    own = {field: value for field, value in status.items() if field in ONLY_HERE or _is_reference(field, value)}
    converted = {field: copied(value) for field, value in status.items() if field not in own}
    if "phase" not in converted and (phase := _phase(own)) is not None:
        converted["phase"] = phase.value
    deployment = own.get("deployment")
    if "dgdName" not in converted and isinstance(deployment, dict) and isinstance(deployment.get("name"), str):
        converted["dgdName"] = deployment["name"]
    view = _view(converted)
    kept = {field: copied(value) for field, value in own.items() if field not in view or view[field] != value}
    return converted, kept and kept | {field: converted.get(field) for field in _CONTEXT}


def to_v1alpha1(status: JsonObject, kept: JsonObject) -> JsonObject:
    """Convert a status of v1beta1, with what was kept when it was made from one of v1alpha1."""
    own = {
        field: value for field, value in kept.items() if field not in _CONTEXT and _is_still_true(field, kept, status)
    }
    return {field: copied(value) for field, value in (_view(status) | own | status).items()}


def _view(status: JsonObject) -> JsonObject:
    """Return what v1alpha1 says of a status in words of its own."""
    view: JsonObject = {}
    phase = _known(status.get("phase"))
    if phase is not None:
        view["state"] = _STATES[phase].value
    results = status.get(_RESULTS)
    selected = results.get("selectedConfig") if isinstance(results, dict) else None
    graph = selected.get("spec") if isinstance(selected, dict) else None
    if isinstance(graph, dict) and isinstance(graph.get("backendFramework"), str):
        view["backend"] = graph["backendFramework"]
    if isinstance(status.get("dgdName"), str):
        created = phase is Phase.DEPLOYED or isinstance(status.get("deploymentInfo"), dict)
        state = _GRAPH_STATES.get(phase, "initializing") if phase else "initializing"
        view["deployment"] = {"name": status["dgdName"], "state": state, "created": created}
    return view


def _is_still_true(field: str, kept: JsonObject, status: JsonObject) -> bool:
    """Say whether a kept word is not out of date; upstream's conversion keeps no context to tell by."""
    if field == "state" and "phase" not in status and _phase(kept) is not None:
        return False  # read again, it would say a phase that nobody says any more
    if any(name in kept for name in _CONTEXT):
        return all(kept.get(name) == status.get(name) for name in _CONTEXT)
    match field:
        case "state":
            return _phase(kept) == _known(status.get("phase"))
        case "deployment":
            deployment = kept[field]
            return (deployment.get("name") if isinstance(deployment, dict) else None) == status.get("dgdName")
        case _:
            return field not in _view(status)


def _phase(own: JsonObject) -> Phase | None:
    """Return the phase that a state means; ready meant deployed where a deployment had been created."""
    state, deployment = own.get("state"), own.get("deployment")
    if not isinstance(state, str) or state not in list(State):
        return Phase.PENDING if state == "" else None
    created = isinstance(deployment, dict) and deployment.get("created") is True
    return Phase.DEPLOYED if state == State.READY and created else _PHASES[State(state)]


def _known(phase: object) -> Phase | None:
    return Phase(phase) if isinstance(phase, str) and phase in list(Phase) else None


def _is_reference(field: str, value: object) -> bool:
    """Say whether a field is Dynamo 0.6's reference to a ConfigMap with the results."""
    return field == _RESULTS and isinstance(value, str) and value.startswith("configmap/")
