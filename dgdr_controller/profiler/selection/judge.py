"""A verdict with its reason on every candidate, and the warnings that the choice calls for. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Outcome, Verdict
from dgdr_api.formatting import exact, likelihood, significant
from dgdr_api.request_warnings import RequestWarning, SLAWarning
from dgdr_api.results import Goal
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.likely import EVEN, chance
from dgdr_controller.profiler.selection.pareto import Criteria, front
from dgdr_controller.profiler.selection.reasons import (
    gpus_that_serve,
    how_missed,
    percent,
    price_of_closest,
    reaches_targets,
    why_selected,
)
from dgdr_controller.profiler.selection.scaling import autoscaled, has_load, served, wants_load
from dgdr_controller.profiler.selection.targets import chances, meets_targets, missed_targets, targets

Rejection = Callable[[Candidate], Verdict | None]
"""Says why a candidate cannot be deployed at all, or None if it can."""


def warnings(judgement: "Judgement", goal: Goal, budget: int, gpu: str) -> list[RequestWarning]:
    """Return the warnings that the user of this choice must see: targets missed, load not served."""
    choice = judgement.choice
    if choice is None:
        return []
    found = []
    enough = gpus_that_serve(judgement.deployable, goal) if has_load(goal) else None
    if missed := missed_targets(choice, judgement.deployable, goal, explicit=True):
        configuration = f"{choice.backend} {choice.mode}, {choice.shape} on {gpu}"
        price = price_of_closest(choice, judgement.deployable, goal, budget)
        in_the_way = _load(goal) if wants_load(goal) and reaches_targets(judgement.deployable, goal) else ""
        found.append(SLAWarning.closest(missed, configuration, price, in_the_way))
    elif (together := chance(choice, goal)) < EVEN:
        found.append(SLAWarning.uncertain(_promises(choice, goal), together, _likeliest(judgement, goal, budget)))
    if (share := served(choice, goal, budget)) < 1:
        found.append(SLAWarning.share_served(_load(goal), share, budget, enough))
    elif missed and enough is not None:
        found.append(SLAWarning.more_gpus(_load(goal), enough))
    return found


def _promises(choice: Candidate, goal: Goal) -> list[str]:
    """Name each written target with how likely it is met."""
    known = chances(choice)
    return [
        f"{name}={exact(target.value)}ms is {likelihood(known[name])} likely"
        for name, _, target in targets(choice, goal)
        if target.explicit and name in known
    ]


def _likeliest(judgement: "Judgement", goal: Goal, budget: int) -> str:
    """Say which configuration is likeliest to meet the targets, and its throughput; empty if it is the choice."""
    choice = judgement.choice

    def promise(candidate: Candidate) -> tuple[float, float, str]:
        return chance(candidate, goal), Criteria.of(candidate, goal, budget).tokens_per_s_per_gpu, candidate.id

    best = max(judgement.deployable, key=promise)
    if choice is None or promise(best)[0] <= chance(choice, goal):
        return ""
    found, density, _ = promise(best)
    return (
        f"The likeliest configuration, {best.backend} {best.mode}, {best.shape}, has {likelihood(found)} at "
        f"{significant(density)} tokens/s/GPU"
    )


def _load(goal: Goal) -> str:
    return (
        f"requestRate={exact(goal.request_rate)}/s"
        if goal.request_rate
        else f"concurrency={exact(goal.concurrency or 0)}"
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """All candidates with their verdicts: the choice first, the rest of the front, then the losers."""

    candidates: list[Candidate]
    pareto: list[Candidate]
    choice: Candidate | None
    deployable: list[Candidate]


def judge(candidates: Sequence[Candidate], goal: Goal, budget: int, rejection: Rejection) -> Judgement:
    """Choose among candidates and write a verdict with its reason on every one of them."""
    rejected = {c.id: verdict for c in candidates if (verdict := rejection(c) or _over_budget(c, budget))}
    deployable = [c for c in candidates if c.id not in rejected]
    choice = choose(deployable, goal, budget)
    best = front(deployable, goal, budget)
    on_front = {c.id for c in best}

    def verdict_on(candidate: Candidate) -> Verdict:
        if candidate.id in rejected:
            return rejected[candidate.id]
        if choice is not None and candidate.id == choice.id:
            return Verdict(outcome=Outcome.SELECTED, reason=why_selected(choice, deployable, goal, budget))
        if not meets_targets(candidate, goal):
            return Verdict(outcome=Outcome.MISSES_TARGET, reason=how_missed(candidate, goal))
        if candidate.id in on_front and choice is not None:
            return Verdict(outcome=Outcome.ALTERNATIVE, reason=_compared(candidate, choice, goal))
        return Verdict(outcome=Outcome.DOMINATED, reason=_dominator(candidate, best, goal, budget))

    judged = {c.id: c.model_copy(update={"verdict": verdict_on(c)}) for c in candidates}
    order = sorted(judged.values(), key=lambda c: (c.id not in on_front, *_standing(c)))
    order.sort(key=lambda c: choice is None or c.id != choice.id)
    return Judgement(
        order,
        [judged[c.id] for c in best],
        judged[choice.id] if choice else None,
        [c for c in order if c.id not in rejected],
    )


def _standing(candidate: Candidate) -> tuple[object, ...]:
    """Order of display: outcome, then tokens/s/GPU."""
    outcome = candidate.verdict.outcome if candidate.verdict else Outcome.DOMINATED
    return (list(Outcome).index(outcome), -candidate.numbers.tokens_per_s_per_gpu, candidate.id)


def _over_budget(candidate: Candidate, budget: int) -> Verdict | None:
    if candidate.gpus <= budget:
        return None
    return Verdict(outcome=Outcome.OVER_BUDGET, reason=f"needs {candidate.gpus} GPUs; the budget is {budget}")


def _compared(candidate: Candidate, choice: Candidate, goal: Goal) -> str:
    """Say what an alternative gives and takes against the choice."""
    ours, theirs = candidate.numbers, choice.numbers
    density = autoscaled if goal.autoscale else lambda one: one.numbers.tokens_per_s_per_gpu
    pairs = (
        ("tokens/s/user", ours.tokens_per_s_per_user, theirs.tokens_per_s_per_user),
        ("tokens/s/GPU", density(candidate), density(choice)),
        ("TTFT", ours.ttft, theirs.ttft),
        ("GPUs", candidate.gpus, choice.gpus),
    )
    parts = [f"{name} {'+' if a > b else '−'}{percent(a / b)}" for name, a, b in pairs if a != b and b]
    return f"{', '.join(parts)} vs selected" if parts else "as good as the selected one"


def _dominator(candidate: Candidate, best: Sequence[Candidate], goal: Goal, budget: int) -> str:
    criteria = Criteria.of(candidate, goal, budget)
    by = next((c for c in best if Criteria.of(c, goal, budget).dominates(criteria)), None)
    return f"{by.id} ({by.mode}, {by.shape}) is at least as good in everything" if by else "equal to the selected one"
