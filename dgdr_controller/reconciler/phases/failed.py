"""Failed: only a changed spec or a retry goes on, and begins anew."""

from dgdr_api.names import ANNOTATION_RETRIED, ANNOTATION_RETRY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.decision import Decision, Remove, enter, start_over
from dgdr_controller.reconciler.observed_state import ObservedState


def failed(observed: ObservedState) -> Decision:
    """Stay, unless the user has changed something."""
    changed = observed.status.observed_generation != observed.generation
    retry = observed.annotation(ANNOTATION_RETRY)
    if changed or (retry and retry != observed.annotation(ANNOTATION_RETRIED)):
        return start_over(observed, remove=_derived(observed))
    return Decision(enter(observed, Phase.FAILED))


def _derived(observed: ObservedState) -> list[Remove]:
    """Return what the failed try has left; nothing of it is used again."""
    job = observed.job if observed.job and observed.owns(observed.job.metadata) else None
    found = (("Job", job), ("ConfigMap", observed.output_map))
    return [Remove(kind, left.metadata.name, left.metadata.uid) for kind, left in found if left is not None]
