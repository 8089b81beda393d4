"""Failed: only a changed spec or a retry goes on, and begins anew."""

from dgdr_api.names import ANNOTATION_RETRIED, ANNOTATION_RETRY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Decision, Remove, enter, start_over
from dgdr_controller.reconciler.observed_state import World


def failed(world: World) -> Decision:
    """Stay, unless the user has changed something."""
    changed = world.status.observed_generation != world.generation
    retry = world.annotation(ANNOTATION_RETRY)
    if changed or (retry and retry != world.annotation(ANNOTATION_RETRIED)):
        return start_over(world, remove=_derived(world))
    return Decision(enter(world, Phase.FAILED))


def _derived(world: World) -> list[Remove]:
    """Return what the failed try has left; nothing of it is used again."""
    found = (("Job", world.job), ("ConfigMap", world.output_map))
    return [
        Remove(kind, each.metadata.name, each.metadata.uid)
        for kind, each in found
        if each is not None and world.owns(each.metadata)
    ]
