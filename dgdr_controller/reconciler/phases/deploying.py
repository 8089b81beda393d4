"""Deploying: create the deployment once, by its name, and wait until it is healthy; never adopt or replace another."""

from collections.abc import Mapping
from typing import Any

from dgdr_api.conditions import DeploymentReady
from dgdr_api.names import ANNOTATION_CANDIDATE
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, WriteMode, enter, start_over
from dgdr_controller.reconciler.observed_state import ObservedState


def deploying(observed: ObservedState) -> Decision:
    """Make the deployment, and wait until it is healthy."""
    graph, name = observed.graph, dgd.name_of(observed)
    if absent := dgd.missing(observed):
        return absent
    if graph is None:
        return _make(observed)
    if conflict := _conflict(observed, graph):
        return conflict
    owned = dgd.transfer_ownership(observed, graph)
    if dgd.is_healthy(graph):
        return Decision(
            enter(observed, Phase.DEPLOYED, DeploymentReady.ready(name), deployment_info=dgd.info(graph)),
            ensure=owned,
            events=[Event("DeploymentReady", DeploymentReady.ready(name).message)],
        )
    previous = observed.condition(DeploymentReady.TYPE)
    was_healthy = previous is not None and previous.reason == DeploymentReady.degraded("").reason
    state = graph.status.state
    waiting = DeploymentReady.degraded(state) if was_healthy else DeploymentReady.in_progress(name, state)
    return Decision(enter(observed, Phase.DEPLOYING, waiting, deployment_info=dgd.info(graph)), ensure=owned)


def _make(observed: ObservedState) -> Decision:
    """Make it, from the status."""
    results, name = observed.status.profiling_results, dgd.name_of(observed)
    config = results.selected_config if results else None
    if config is None:  # somebody has edited the status: profile again rather than guess
        return start_over(observed)
    return Decision(
        enter(observed, Phase.DEPLOYING, DeploymentReady.in_progress(name, "")),
        ensure=[Ensure(dict(config), WriteMode.CREATE, condition=DeploymentReady)],
        events=[Event("DeploymentCreated", f"DynamoGraphDeployment {name} created successfully")],
        after_s=0.0,  # what it mounts is handed over to it at once
    )


def _conflict(observed: ObservedState, graph: Graph) -> Decision | None:
    """Return what is said of a deployment that was there before: of somebody else's, or of another candidate."""
    name = dgd.name_of(observed)
    ours, theirs = _candidate(_annotations(observed)), _candidate(graph.metadata.annotations)
    if not (observed.owns(graph.metadata) or dgd.is_the_created_one(observed)):
        conflict = DeploymentReady.name_conflict(name)
    elif ours and theirs and ours != theirs:
        conflict = DeploymentReady.other_candidate(name, theirs, ours)
    else:
        return None
    previous = observed.condition(DeploymentReady.TYPE)
    news = previous is None or previous.reason != conflict.reason
    return Decision(
        enter(observed, Phase.DEPLOYING, conflict),
        events=[Event(conflict.reason, conflict.message, warning=True)] if news else (),
        after_s=dgd.POLL_S,
    )


def _candidate(annotations: Mapping[str, Any]) -> str:
    return str(annotations.get(ANNOTATION_CANDIDATE, ""))


def _annotations(observed: ObservedState) -> Mapping[str, Any]:
    """Return the annotations of the deployment that the status says is to be made."""
    results = observed.status.profiling_results
    metadata = (results.selected_config or {}).get("metadata") if results else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}
