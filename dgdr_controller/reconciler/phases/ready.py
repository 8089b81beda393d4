"""Ready: a deployment is written; it is made when the user says so."""

from dgdr_api.conditions import SpecGenerated, Statement
from dgdr_api.names import ANNOTATION_DEPLOY, output_name
from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.reconciler.decision import Decision, Event, enter
from dgdr_controller.reconciler.generation import RECOMMENDED, generate, wanted
from dgdr_controller.reconciler.observed_state import World
from dgdr_controller.reconciler.phases.deploying import hand_over, info


def ready(world: World) -> Decision:
    """Stay, or go on when autoApply is switched on or a candidate is asked for."""
    asked, output = world.annotation(ANNOTATION_DEPLOY), world.output
    if asked and output is not None and output.packed:
        return _deploy(world, output, asked)
    if asked == RECOMMENDED or (world.request.spec.auto_apply and not asked):
        return Decision(enter(world, Phase.DEPLOYING, SpecGenerated.applied(), deployment_info=None), after_s=0.0)
    if asked:
        return _told(world, SpecGenerated.table_gone(asked, output_name(world.name)))
    # One that somebody has made by hand, from what we wrote.
    graph = world.graph if world.graph is not None and world.owns(world.graph.metadata) else None
    made = info(graph) if graph else None
    return Decision(
        enter(world, Phase.READY, SpecGenerated.available(), deployment_info=made),
        ensure=hand_over(world, graph) if graph else (),
    )


def _deploy(world: World, output: Output, asked: str) -> Decision:
    """Go on with the candidate that is asked for; never with another one."""
    try:
        known = wanted(world, output.results()) is not None
    except ValueError:
        known = True  # and `generate` says why they cannot be read
    return generate(world, output) if known else _told(world, SpecGenerated.not_offered(asked))


def _told(world: World, statement: Statement) -> Decision:
    """Stay, and say why nothing is deployed."""
    told = world.condition(SpecGenerated.TYPE)
    news = told is None or told.message != statement.message
    return Decision(
        enter(world, Phase.READY, statement),
        events=[Event(statement.reason, statement.message, warning=True)] if news else (),
    )
