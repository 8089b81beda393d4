"""The results page: served for a request whose user looks before anything is deployed.

Level-triggered: its objects are written where its Deployment is missing or of other inputs. They go with the request.
A request never waits for it.
"""

from dataclasses import replace
from typing import Any

from dgdr_api.names import ANNOTATION_INPUTS
from dgdr_api.v1beta1 import Phase, SearchStrategy
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, Refused, Remove, WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.results_page_objects import results_page

_SHOWN = (Phase.READY, Phase.DEPLOYING, Phase.DEPLOYED)


def with_results_page(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that serves the page, too, where there is something to look at and a user who looks.

    The phase is written first: nobody waits for the page's objects.
    """
    page, phase = observed.results_page, observed.phase
    ours = page is not None and observed.owns(page.metadata)
    if not observed.settings.results_page or observed.request.spec.auto_apply:
        gone = page is None or not ours or page.metadata.deletion_timestamp is not None
        return decision if gone or page is None else _without(decision, page.metadata.name, page.metadata.uid)
    thorough = observed.request.spec.search_strategy is SearchStrategy.THOROUGH
    if phase not in _SHOWN and not (phase is Phase.PROFILING and thorough):
        return decision
    made = results_page(observed.request, dgd.name_of(observed), observed.settings)
    if (
        page is not None
        and page.metadata.annotations.get(ANNOTATION_INPUTS) == made[-1]["metadata"]["annotations"][ANNOTATION_INPUTS]
    ):
        return decision

    def instead(message: str, final: bool) -> Refused:  # noqa: ARG001, FBT001 - of the field's type
        words = f"The results page cannot be served: {message}"
        return Refused(events=[Event("ResultsPageUnavailable", words, warning=True)])

    objects = [Ensure(manifest, WriteMode.APPLY, instead=instead, optional=True) for manifest in made]
    return replace(decision, ensure=[*decision.ensure, *objects])


def _without(decision: Decision, name: str, uid: str) -> Decision:
    return replace(decision, remove=[*decision.remove, Remove("Deployment", name, uid)])


def without_spec(deployment: dict[str, Any]) -> dict[str, Any]:
    """Keep of a Deployment what is read here, for a cache: its metadata."""
    return {"metadata": deployment["metadata"]}
