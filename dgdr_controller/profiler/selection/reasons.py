"""Why a candidate was chosen and what that costs, in one sentence: for the plan, the status and the page. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence

from dgdr_api.candidate import Candidate
from dgdr_api.formatting import exact, likelihood, percentage, significant
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.likely import chance
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.reach import FEW, NEAR, for_several, nearest
from dgdr_controller.profiler.selection.scaling import autoscaled, has_load, wants_load
from dgdr_controller.profiler.selection.targets import meets_targets, missed, targets, targets_of, violation

_AIMS = {
    OptimizationType.THROUGHPUT: ("most tokens/s/GPU", "tokens/s/GPU"),
    OptimizationType.LATENCY: ("shortest request", "a short request"),
    OptimizationType.HYBRID: ("most tokens/s/GPU", "tokens/s/GPU"),
}
"""What is chosen by, and what is traded for the chance that targets are met."""

_WORTH_TELLING = 1.05
"""Of throughput: smaller differences are within the error of the estimates."""

_MUCH = 2.0
"""Of throughput: where targets that are a little looser allow so much more, their author may want to know."""


def why_selected(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, budget: int) -> str:
    """Say by what the choice was chosen, and what more throughput or a closer target would cost.

    Args:
        choice: The choice.
        deployable: All candidates that can be deployed, the choice among them.
        goal: The goal.
        budget: The GPUs that may be used.
    """
    first = f"{_fewest(choice, goal, budget)}{_aim(choice, goal)}"
    if meets_targets(choice, goal):
        estimates = "whose estimates " if choice.uncertainty else "that "
        reason = f"{first} among those {estimates}meet the targets"
    elif not violation(choice, goal, explicit=True):
        reason = f"{first}; {how_missed(choice, goal)} ({_given_up(deployable, goal)})"
    elif reaches_targets(deployable, goal):
        reason = f"no configuration that serves as much of the load meets every target ({how_missed(choice, goal)})"
    else:
        near = exact(round((NEAR - 1) * 100, 2))
        reason = (
            f"no configuration meets every target; {_aim(choice, goal)} among those within {near} % of the closest one"
            f"{_closest_that(choice, deployable, goal, budget)} ({how_missed(choice, goal)})"
        )
    return "; ".join([reason, *_balanced(choice, goal), *_trade(choice, deployable, goal, budget)])


def reaches_targets(deployable: Iterable[Candidate], goal: Goal) -> bool:
    """Say whether some candidate meets every target that the user wrote."""
    return any(not violation(candidate, goal, explicit=True) for candidate in deployable)


def _aim(choice: Candidate, goal: Goal) -> str:
    most, wanted = _AIMS[goal.objective]
    if goal.objective is OptimizationType.HYBRID and not targets_of(goal, explicit=True):
        if choice.uncertainty and targets_of(goal, explicit=False):
            return "best balance of tokens/s/GPU, tokens/s/user and the chance to meet the default targets"
        return "best balance of tokens/s/GPU and tokens/s/user"
    if choice.uncertainty and targets_of(goal, explicit=True):
        return f"best trade of {wanted} and the chance to meet the targets ({likelihood(chance(choice, goal))})"
    return most


def _fewest(choice: Candidate, goal: Goal, budget: int) -> str:
    if not has_load(goal):
        return ""
    share = Criteria.of(choice, goal, budget).served
    return "fewest GPUs that serve the load, then " if share == 1 else "largest share of the load, then "


def _given_up(deployable: Sequence[Candidate], goal: Goal) -> str:
    if any(not violation(candidate, goal, explicit=False) for candidate in deployable):
        return "default targets, which give way where they cost more than half of the throughput"
    return "default targets, which no configuration meets"


def _balanced(choice: Candidate, goal: Goal) -> Iterator[str]:
    """Say why numbers that are compared differ from those of the deployment as it starts."""
    if goal.autoscale and (density := autoscaled(choice)) != choice.numbers.tokens_per_s_per_gpu:
        yield f"compared as the planner will balance the workers: {significant(density)} tokens/s/GPU"


def _closest_that(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, budget: int) -> str:
    """Say what the closest one must do to be compared with."""
    rivals = _as_much(choice, deployable, goal, budget) if goal.request_rate is not None else deployable
    conditions = [
        *(["serves as much of the load"] if goal.request_rate is not None else []),
        *([f"works on more than {FEW} requests at a time"] if for_several(rivals, goal, budget, explicit=True) else []),
    ]
    return f" that {' and '.join(conditions)}" if conditions else ""


def _as_much(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, budget: int) -> list[Candidate]:
    served = Criteria.of(choice, goal, budget).served
    return [candidate for candidate in deployable if Criteria.of(candidate, goal, budget).served >= served]


def _trade(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, budget: int) -> Iterator[str]:
    """Say which other candidate has clearly more throughput, at which latency: within the targets, and beyond them."""
    if goal.objective is OptimizationType.THROUGHPUT and not targets_of(goal, explicit=True):
        return
    as_much = _as_much(choice, deployable, goal, budget)
    ours, met = _density(choice, goal, budget), meets_targets(choice, goal)
    within = [c for c in as_much if meets_targets(c, goal)] if met else nearest(as_much, goal, budget, explicit=True)
    densest = _densest(within, goal, budget)
    most = _density(densest, goal, budget)
    if most >= ours * _WORTH_TELLING:
        yield f"the most throughput is {_how_dense(densest, most / ours, goal, budget)}{how_likely(densest, goal)}"
    if met and targets_of(goal, explicit=True):
        looser = _densest([c for c in as_much if _nearly_meets(c, goal)], goal, budget)
        if _density(looser, goal, budget) >= max(ours, most) * _MUCH:
            near = exact(round((NEAR - 1) * 100, 2))
            gain = _how_dense(looser, _density(looser, goal, budget) / ours, goal, budget)
            yield f"targets that are {near} % looser allow {gain}"


def _densest(candidates: Sequence[Candidate], goal: Goal, budget: int) -> Candidate:
    return max(candidates, key=lambda c: (_density(c, goal, budget), c.id))


def _how_dense(candidate: Candidate, ratio: float, goal: Goal, budget: int) -> str:
    numbers = candidate.numbers
    return (
        f"{significant(_density(candidate, goal, budget))} tokens/s/GPU (+{percent(ratio)}) on {candidate.gpus} GPUs, "
        f"with TTFT {significant(numbers.ttft)} ms and ITL {significant(numbers.itl)} ms"
    )


def _nearly_meets(candidate: Candidate, goal: Goal) -> bool:
    return all(
        value <= target.value * (NEAR if target.explicit else 1) for _, value, target in targets(candidate, goal)
    )


def how_likely(candidate: Candidate, goal: Goal) -> str:
    """Say how likely a candidate meets the targets that the user wrote, after its numbers; empty where unknown."""
    if candidate.uncertainty is None or not targets_of(goal, explicit=True):
        return ""
    return f", {likelihood(chance(candidate, goal))} likely within the targets"


def price_of_closest(choice: Candidate, deployable: Sequence[Candidate], goal: Goal, budget: int) -> str:
    """Say what the configuration that comes closest to the targets would cost; empty where it is the choice."""
    closest = min(deployable, key=lambda c: (violation(c, goal, explicit=True), -_density(c, goal, budget), c.id))
    ours, theirs = _density(choice, goal, budget), _density(closest, goal, budget)
    if violation(choice, goal, explicit=True) == violation(closest, goal, explicit=True):
        return ""
    if wants_load(goal) and not violation(closest, goal, explicit=True):
        share = max(Criteria.of(c, goal, budget).served for c in deployable if not violation(c, goal, explicit=True))
        return f"Within the targets, {percentage(share)} of the load can be served"
    reached = (f"{name}={significant(value)}ms" for name, value, target in targets(closest, goal) if target.explicit)
    return (
        f"{' and '.join(reached)} would leave {significant(theirs)} tokens/s/GPU; "
        f"the deployed configuration has {significant(ours)}"
    )


def _density(candidate: Candidate, goal: Goal, budget: int) -> float:
    return Criteria.of(candidate, goal, budget).tokens_per_s_per_gpu


def gpus_that_serve(candidates: Iterable[Candidate], goal: Goal) -> int | None:
    """Return the fewest GPUs that serve the whole load within the written targets; None where no number does."""
    wanted = [c for c in candidates if not violation(c, goal, explicit=True)]
    return min((c.gpus_per_replica * math.ceil(_replicas(c, goal)) for c in wanted), default=None)


def _replicas(candidate: Candidate, goal: Goal) -> float:
    performance = candidate.numbers
    if goal.request_rate is not None:
        return goal.request_rate * candidate.replicas / performance.request_rate
    return (goal.concurrency or 0) * candidate.replicas / performance.concurrency


def how_missed(candidate: Candidate, goal: Goal) -> str:
    """Name the targets that a candidate misses, and by how much."""
    return ", ".join(
        f"misses {name}={exact(target.value)}ms by {percent(value / target.value)}"
        for name, value, target in missed(candidate, goal)
    )


def percent(ratio: float) -> str:
    """Write how far a ratio is from 1: 0.88 → ``12 %``, 1.002 → ``0.2 %``."""
    return f"{significant(abs(ratio - 1) * 100, digits=2)} %"
