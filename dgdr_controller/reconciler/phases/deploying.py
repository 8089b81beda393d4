"""Deploying: create the deployment once, by its name, and wait until it is healthy.

Never adopt another's; replace one that an earlier request has left only where somebody says so.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from dgdr_api.conditions import ConditionUpdate, DeploymentReady
from dgdr_api.names import ANNOTATION_CANDIDATE, ANNOTATION_REPLACE
from dgdr_api.v1beta1 import Phase
from dgdr_controller.deployment.merging import reserved
from dgdr_controller.kinds import Graph
from dgdr_controller.manifest import Manifest, inside
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.composition import with_runtime_version
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, WriteMode, enter, news, since, start_over
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.pod_problems import problem_of_deployment

_EXPECTED = (DeploymentReady.in_progress("", "").reason, DeploymentReady.degraded("").reason)
"""Reasons that are no trouble, or are told by an event already."""
_UNSEEN_S = 60.0
"""How long Dynamo's operator may take to say anything about a deployment before people are told."""
_LONGEST_WORDS = 500
_LONGEST_PROBLEM = 1000


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
    waiting = _waiting(observed, graph)
    warned = news(observed, waiting)
    return Decision(
        enter(observed, Phase.DEPLOYING, waiting, deployment_info=dgd.info(graph)),
        ensure=owned,
        events=() if waiting.reason in _EXPECTED else warned,
        after_s=dgd.POLL_S,  # some trouble is told by time alone
        is_progress=not warned,  # words of others, which may change often
    )


def _waiting(observed: ObservedState, graph: Graph) -> ConditionUpdate:
    """Say what a deployment waits for: what its pods say, else what Dynamo's operator does."""
    name, state = graph.metadata.name, graph.status.state
    previous = observed.condition(DeploymentReady.TYPE)
    if problem := problem_of_deployment(observed.serving, observed.now):
        began = f" (since {problem.since:%Y-%m-%d %H:%M} UTC)" if problem.since else ""
        waiting = DeploymentReady.waiting(problem.reason, f"{problem.message[:_LONGEST_PROBLEM]}{began}")
    elif not state and _age_s(observed, graph.metadata.creation_timestamp or observed.now) > _UNSEEN_S:
        waiting = DeploymentReady.unseen(name)
    elif previous is not None and previous.reason == DeploymentReady.degraded("").reason:
        waiting = DeploymentReady.degraded(state)
    else:
        waiting = DeploymentReady.in_progress(name, state, _operators_words(graph))
    deadline_s = observed.settings.deployment_deadline_s
    if previous is None or previous.status != "False":
        return waiting
    # What has kept it from being made does not count.
    begun = previous.last_transition_time, graph.metadata.creation_timestamp
    if min(_age_s(observed, begin) for begin in begun if begin is not None) <= deadline_s:
        return waiting
    return DeploymentReady.overdue(name, f"{deadline_s / 60:g}", waiting.message)


def _operators_words(graph: Graph) -> str:
    """Return what Dynamo's operator says of what is missing."""
    messages = (c.message for c in graph.status.conditions if c.status == "False" and c.message)
    return next(messages, "")[:_LONGEST_WORDS]


def _age_s(observed: ObservedState, begun: dt.datetime) -> float:
    return (observed.now - begun).total_seconds()


def _make(observed: ObservedState) -> Decision:
    """Make it, from the status."""
    config, name = _config(observed), dgd.name_of(observed)
    if config is None:  # somebody has edited the status: profile again rather than guess
        return start_over(observed)
    return Decision(
        enter(observed, Phase.DEPLOYING, DeploymentReady.in_progress(name, "")),
        ensure=[Ensure(with_runtime_version(observed, config), WriteMode.CREATE, condition=DeploymentReady)],
        events=[Event("DeploymentCreated", f"DynamoGraphDeployment {name} created successfully")],
        after_s=0.0,  # what it mounts is handed over to it at once
    )


def _conflict(observed: ObservedState, graph: Graph) -> Decision | None:
    """Return what becomes of a deployment that was there before: of somebody else's, or of another candidate."""
    name = dgd.name_of(observed)
    ours, theirs = _candidate(_annotations(observed)), _candidate(graph.metadata.annotations)
    if not (observed.owns(graph.metadata) or dgd.is_the_created_one(observed)):
        if not observed.is_predecessors(graph.metadata):
            return _refuse(observed, DeploymentReady.name_conflict(name))
        conflict = DeploymentReady.of_predecessor(name)
    elif ours and theirs and ours != theirs:
        conflict = DeploymentReady.other_candidate(name, theirs, ours)
    else:
        return None
    if graph.metadata.deletion_timestamp is not None:
        return _refuse(
            observed, DeploymentReady.waiting("WaitingForCleanup", f"DynamoGraphDeployment {name} is being deleted")
        )
    replaces = observed.annotation(ANNOTATION_REPLACE) == name
    return _replace(observed, graph) if replaces else _refuse(observed, conflict)


def _replace(observed: ObservedState, graph: Graph) -> Decision:
    """Change a deployment in place into the one that is to be made."""
    config, name = _config(observed), graph.metadata.name
    if config is None:
        return start_over(observed)
    ours, theirs = config["metadata"], graph.metadata
    marks = {
        "labels": _unreserved(theirs.labels) | (ours.get("labels") or {}),
        "annotations": _unreserved(theirs.annotations) | (ours.get("annotations") or {}),
    }
    metadata = ours | marks | {"resourceVersion": theirs.resource_version}
    manifest = with_runtime_version(observed, config) | {"metadata": metadata}
    return Decision(
        enter(observed, Phase.DEPLOYING, DeploymentReady.replaced(name)),
        ensure=[Ensure(manifest, WriteMode.REPLACE, condition=DeploymentReady)],
        events=[Event("DeploymentReplaced", f"DynamoGraphDeployment {name} was changed in place")],
        after_s=0.0,
    )


def _unreserved(marks: Mapping[str, str]) -> dict[str, str]:
    """Return labels or annotations but those by which a request and its candidate are found."""
    return {name: value for name, value in marks.items() if not reserved(name)}


def _refuse(observed: ObservedState, conflict: ConditionUpdate) -> Decision:
    """Leave a deployment alone, and say why."""
    conflict = since(observed, conflict)
    return Decision(
        enter(observed, Phase.DEPLOYING, conflict),
        events=news(observed, conflict),
        after_s=dgd.POLL_S,
    )


def _config(observed: ObservedState) -> Manifest | None:
    """Return the deployment that the status says is to be made."""
    results = observed.status.profiling_results
    config = results.selected_config if results else None
    return dict(config) if config is not None and isinstance(config.get("metadata"), dict) else None


def _candidate(annotations: Mapping[str, Any]) -> str:
    return str(annotations.get(ANNOTATION_CANDIDATE, ""))


def _annotations(observed: ObservedState) -> Mapping[str, Any]:
    """Return the annotations of the deployment that the status says is to be made."""
    return inside(_config(observed), "metadata", "annotations")
