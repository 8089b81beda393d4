"""Ready: a deployment is written; it is made when the user says so."""

from dgdr_api.conditions import SpecGenerated
from dgdr_api.names import ANNOTATION_DEPLOY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.profiling.output import Output
from dgdr_controller.reconciler.decision import Decision, enter
from dgdr_controller.reconciler.generate import applied, generate
from dgdr_controller.reconciler.world import World


def ready(world: World) -> Decision:
    """Stay, or go on when autoApply is switched on or a candidate is asked for."""
    if not applied(world):
        return Decision(enter(world, Phase.READY))
    output: Output | None = world.output
    if world.annotation(ANNOTATION_DEPLOY) and output is not None and output.packed:
        return generate(world, output)  # of the candidate that is asked for
    return Decision(enter(world, Phase.DEPLOYING, SpecGenerated.applied()), after_s=0.0)
