"""Ready: a deployment is written; it is made when the user says so."""

from dgdr_api.conditions import ConditionUpdate, SpecGenerated
from dgdr_api.names import ANNOTATION_DEPLOY, ANNOTATION_GENERATED, RECOMMENDED, output_name
from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.decision import Decision, Event, enter
from dgdr_controller.reconciler.generation import generate, wanted
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.spec_change import is_changed


def needs(observed: ObservedState) -> Need:
    """A candidate that is asked for is composed into a deployment."""
    published = observed.output is not None and observed.output.has_results
    return Need.COMPOSITION | Need.FRESH_OUTPUT if published and observed.annotation(ANNOTATION_DEPLOY) else Need(0)


def ready(observed: ObservedState) -> Decision:
    """Stay, or go on when autoApply is switched on or a candidate is asked for."""
    asked, output = observed.annotation(ANNOTATION_DEPLOY), observed.output
    if asked and is_changed(observed):  # a deployment would be composed for a spec that was not profiled
        return Decision(enter(observed, Phase.READY, _available(observed)))
    if asked and output is not None and output.has_results:
        return _deploy(observed, output, asked)
    if asked == RECOMMENDED or (observed.request.spec.auto_apply and not asked):
        return Decision(enter(observed, Phase.DEPLOYING, SpecGenerated.applied(), deployment_info=None), after_s=0.0)
    if asked:
        return _stay(observed, SpecGenerated.table_gone(asked, output_name(observed.name)))
    # One that somebody has made by hand, from what we wrote.
    graph = observed.graph if observed.graph is not None and observed.owns(observed.graph.metadata) else None
    made = dgd.info(graph) if graph else None
    return Decision(
        enter(observed, Phase.READY, _available(observed), deployment_info=made),
        ensure=dgd.transfer_ownership(observed, graph) if graph else (),
    )


def _available(observed: ObservedState) -> ConditionUpdate:
    """Say where the deployment is that can be applied."""
    annotated = observed.annotation(ANNOTATION_GENERATED)
    return SpecGenerated.available() if annotated else SpecGenerated.available_in_status()


def _deploy(observed: ObservedState, output: Output, asked: str) -> Decision:
    """Go on with the candidate that is asked for; never with another one."""
    try:
        known = asked == RECOMMENDED if output.is_deployment else wanted(observed, output.results()) is not None
    except ValueError:
        known = True  # and `generate` says why they cannot be read
    return generate(observed, output) if known else _stay(observed, SpecGenerated.not_offered(asked))


def _stay(observed: ObservedState, update: ConditionUpdate) -> Decision:
    """Stay, and say why nothing is deployed."""
    previous = observed.condition(SpecGenerated.TYPE)
    news = previous is None or previous.message != update.message
    return Decision(
        enter(observed, Phase.READY, update),
        events=[Event(update.reason, update.message, warning=True)] if news else (),
    )
