"""Which candidate is deployed. Pure: candidates in, one candidate out."""

from collections.abc import Iterable

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.targets import violation
from dgdr_controller.profiling_job.protocol import Goal


def choose(candidates: Iterable[Candidate], goal: Goal, budget: int) -> Candidate | None:
    """Return the best candidate, or None if there is none.

    In this order: least violation of targets that the user wrote, largest share of the load served, least violation
    of default targets, fewest GPUs where a load is given, the objective. Ties: fewer GPUs, then aggregated.
    """
    return min(candidates, key=lambda candidate: _rank(candidate, goal, budget), default=None)


def _rank(candidate: Candidate, goal: Goal, budget: int) -> tuple[object, ...]:
    criteria = Criteria.of(candidate, goal, budget)
    return (
        violation(candidate, goal, explicit=True),
        -criteria.served,
        violation(candidate, goal, explicit=False),
        criteria.gpus,
        *(-value for value in _objective(candidate, criteria, goal.objective)),
        candidate.gpus,
        candidate.mode is Mode.DISAGGREGATED,
        candidate.id,
    )


def _objective(candidate: Candidate, criteria: Criteria, objective: OptimizationType) -> tuple[float, ...]:
    """Return what is maximised; the later values decide between equals, so that the choice is on the front."""
    rest = (criteria.tokens_per_s_per_gpu, criteria.tokens_per_s_per_user, -criteria.ttft)
    match objective:
        case OptimizationType.THROUGHPUT:
            return rest
        case OptimizationType.LATENCY:
            return (-candidate.numbers.e2e, *rest)
        case OptimizationType.HYBRID:
            # The knee: where the product of both, each as a share of its best, is largest. The best values are
            # the same for all, so the plain product has its maximum in the same place.
            return (criteria.tokens_per_s_per_gpu * criteria.tokens_per_s_per_user, *rest)
