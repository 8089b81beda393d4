"""Requests whose results become a deployment, and that deployment."""

from dataclasses import replace
from typing import Any

import msgspec

from dgdr_api.names import ANNOTATION_DEPLOY
from dgdr_api.results import Results
from dgdr_controller.kinds import Graph
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from test.builders.observed_state import graph_of, published_of


def generated(observed: ObservedState, results: Results) -> Decision:
    told = published_of(observed, results)
    return generate(replace(observed, **told), told["output"])


def annotated(observed: ObservedState, **annotations: str) -> ObservedState:
    metadata = observed.request.metadata.model_copy(update={"annotations": annotations})
    return replace(observed, request=observed.request.model_copy(update={"metadata": metadata}))


def asked_for(observed: ObservedState, candidate: str) -> ObservedState:
    return annotated(observed, **{ANNOTATION_DEPLOY: candidate})


def manifest(observed: ObservedState) -> dict[str, Any]:
    results = observed.status.profiling_results
    assert results is not None
    assert results.selected_config is not None
    return dict(results.selected_config)


def foreign(observed: ObservedState, **changes: dict[str, str]) -> Graph:
    found = manifest(observed)
    graph = graph_of(found | {"metadata": found["metadata"] | changes})
    return msgspec.structs.replace(graph, metadata=msgspec.structs.replace(graph.metadata, uid="dgd-of-another"))
