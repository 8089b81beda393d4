"""Ready: a deployment is written; it is made when the user says so."""

from dgdr_api.conditions import SpecGenerated
from dgdr_api.names import ANNOTATION_DEPLOY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling.output import Output
from dgdr_controller.reconciler.decision import Decision, Event, enter
from dgdr_controller.reconciler.generate import RECOMMENDED, generate, wanted
from dgdr_controller.reconciler.world import World


def ready(world: World) -> Decision:
    """Stay, or go on when autoApply is switched on or a candidate is asked for."""
    asked, output = world.annotation(ANNOTATION_DEPLOY), world.output
    if asked and output is not None and output.packed:
        return _deploy(world, output, asked)
    if world.request.spec.auto_apply or asked == RECOMMENDED:
        return Decision(enter(world, Phase.DEPLOYING, SpecGenerated.applied()), after_s=0.0)
    return _unknown(world, asked) if asked else Decision(enter(world, Phase.READY, SpecGenerated.available()))


def _deploy(world: World, output: Output, asked: str) -> Decision:
    """Go on with the candidate that is asked for; never with another one."""
    try:
        known = wanted(world, output.results()) is not None
    except ValueError:
        known = True  # and `generate` says why they cannot be read
    return generate(world, output) if known else _unknown(world, asked)


def _unknown(world: World, asked: str) -> Decision:
    statement = SpecGenerated.not_offered(asked)
    told = world.condition(SpecGenerated.TYPE)
    news = told is None or told.message != statement.message
    return Decision(
        enter(world, Phase.READY, statement),
        events=[Event(statement.reason, statement.message, warning=True)] if news else (),
    )
