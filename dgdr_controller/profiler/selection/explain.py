"""Why the chosen candidate was chosen: by what, and how far behind the others are. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Source
from dgdr_api.formatting import exact, percentage, significant
from dgdr_api.results import Goal, Results
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.choose import Comparison, choose, dropped, steps
from dgdr_controller.profiler.selection.objective import rank
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.reach import FEW, requests
from dgdr_controller.profiler.selection.reasons import how_likely
from dgdr_controller.profiler.selection.targets import missed, targets, targets_of

_OBJECTIVES = {
    OptimizationType.THROUGHPUT: "tokens/s for the GPUs of the budget",
    OptimizationType.LATENCY: "the speed of a whole request",
    OptimizationType.HYBRID: "the balance of tokens/s/GPU and tokens/s/user",
}
_WEIGHED = "times the square of the chance to meet the targets"


@dataclass(frozen=True, slots=True)
class _Contest:
    """The winner and those that it is compared with.

    Attributes:
        choice: The winner.
        goal: The goal.
        budget: The GPUs that may be used.
        dropped: By which comparison each of the others was dropped.
    """

    choice: Candidate
    goal: Goal
    budget: int
    dropped: Mapping[str, Comparison]


def explain(results: Results) -> Iterator[str]:
    """Yield sentences: the rule, the winner, the runner-up, the best of each engine and mode, what became of all."""
    choice, goal, budget = results.choice, results.goal, results.hardware.total_gpus.value
    if choice is None:
        return
    if choice.source is Source.NAIVE:
        yield f"{choice.shape} of {choice.backend} is the smallest engine that the model fits in; nothing was compared."
        return
    deployable = _deployable(results)
    contest = _contest(choice, results)
    yield f"Candidates are compared by {', then '.join(_comparisons(goal, budget))}."
    yield f"The winner, {_name(choice)}: {_numbers(choice, contest)}."
    if choice.verdict is not None:
        yield f"Its verdict: {choice.verdict.reason}."
    others = [candidate for candidate in deployable if candidate.id != choice.id]
    runner_up = choose(others, goal, budget)
    if runner_up is not None:
        yield f"The runner-up, {_name(runner_up)}: {_behind(runner_up, contest)}."
    yield from _best_of_others(others, contest)
    counts = Counter(c.verdict.outcome for c in results.candidates if c.verdict)
    became = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    yield f"Of {len(results.candidates)} candidates: {became}."


def explain_candidate(candidate: Candidate, results: Results) -> Iterator[str]:
    """Yield sentences about one candidate: of the winner all of `explain`, of another one why it lost."""
    choice = results.choice
    if choice is not None and candidate.id == choice.id:
        yield from explain(results)
        return
    verdict = candidate.verdict
    yield f"{_name(candidate)} was not chosen{f': {verdict.outcome}, {verdict.reason}' if verdict else ''}."
    if choice is None or choice.performance is None or candidate.performance is None:
        return
    contest = _contest(choice, results)
    yield f"Its numbers: {_numbers(candidate, contest)}."
    yield f"The winner, {_name(choice)}: {_numbers(choice, contest)}."
    if candidate.is_offered:
        behind = _behind(candidate, contest).replace(f" ({_numbers(candidate, contest)})", "")
        yield f"Candidates are compared by {', then '.join(_comparisons(contest.goal, contest.budget))}."
        yield f"It comes after the winner: {behind}."


def _contest(choice: Candidate, results: Results) -> _Contest:
    goal, budget = results.goal, results.hardware.total_gpus.value
    return _Contest(choice, goal, budget, dropped(_deployable(results), goal, budget))


def _deployable(results: Results) -> list[Candidate]:
    return [candidate for candidate in results.candidates if candidate.is_offered]


def _comparisons(goal: Goal, budget: int) -> Iterator[str]:
    """Name what candidates are compared by, in that order."""
    for step in steps(goal, budget):
        if step.by is not Comparison.OBJECTIVE:
            yield step.by
    wanted = _OBJECTIVES[goal.objective]
    if targets_of(goal, explicit=True):
        promised = _OBJECTIVES[OptimizationType.THROUGHPUT] if goal.objective is OptimizationType.HYBRID else wanted
        wanted = f"{promised}, {_WEIGHED}"
    elif goal.objective is OptimizationType.HYBRID and targets_of(goal, explicit=False):
        wanted = f"{wanted}, times the chance to meet the default targets"
    yield f"{wanted} (optimizationType {goal.objective})"


def _name(candidate: Candidate) -> str:
    return f"{candidate.backend} {candidate.mode}, {candidate.shape} ({candidate.id})"


def _numbers(candidate: Candidate, contest: _Contest) -> str:
    numbers, criteria = candidate.numbers, Criteria.of(candidate, contest.goal, contest.budget)
    latencies = targets(candidate, contest.goal)
    reached = (f"{name} {significant(value)} ms of {exact(target.value)}" for name, value, target in latencies)
    density, speed = significant(criteria.tokens_per_s_per_gpu), significant(criteria.tokens_per_s_per_user)
    return (
        f"{density} tokens/s/GPU, {speed} tokens/s/user, {', '.join(reached)}, {significant(numbers.e2e)} ms a request"
        f"{how_likely(candidate, contest.goal)}"
    )


def _behind(candidate: Candidate, contest: _Contest) -> str:
    """Say by what a candidate comes after the winner."""
    choice, goal, budget = contest.choice, contest.goal, contest.budget
    match contest.dropped.get(candidate.id):
        case Comparison.SERVED:
            shares = [percentage(Criteria.of(c, goal, budget).served) for c in (candidate, choice)]
            return f"it serves {shares[0]} of the load, the winner {shares[1]}"
        case Comparison.WRITTEN:
            return _over(candidate, goal, explicit=True)
        case Comparison.DEFAULTS:
            return (
                _over(candidate, goal, explicit=False)
                or f"half of the throughput, or as many GPUs again, would be lost ({_numbers(candidate, contest)})"
            )
        case Comparison.GPUS:
            return f"it takes {candidate.gpus} GPUs, the winner {choice.gpus}{how_likely(choice, goal)}"
        case Comparison.OBJECTIVE:
            return _by_objective(candidate, contest)
        case None:
            return f"the same score ({_numbers(candidate, contest)})"


def _over(candidate: Candidate, goal: Goal, *, explicit: bool) -> str:
    return " and ".join(
        f"{name} is {significant(value)} ms, over {exact(target.value)}"
        for name, value, target in missed(candidate, goal)
        if target.explicit is explicit
    )


def _by_objective(candidate: Candidate, contest: _Contest) -> str:
    ours, theirs = (rank(c, contest.goal, contest.budget)[0] for c in (contest.choice, candidate))
    if theirs < ours:
        return f"a score {significant((1 - theirs / ours) * 100, 2)} % lower ({_numbers(candidate, contest)})"
    if requests(candidate) <= FEW:
        return f"its engines work on {requests(candidate)} requests at a time ({_numbers(candidate, contest)})"
    return f"another candidate is at least as good in everything ({_numbers(candidate, contest)})"


def _best_of_others(others: Sequence[Candidate], contest: _Contest) -> Iterator[str]:
    """Say of every other engine and mode how its best candidate compares."""
    kinds = dict.fromkeys((c.backend, c.mode) for c in others)
    for backend, mode in kinds:
        if (backend, mode) == (contest.choice.backend, contest.choice.mode):
            continue
        best = choose((c for c in others if (c.backend, c.mode) == (backend, mode)), contest.goal, contest.budget)
        if best is not None:
            yield f"The best of {_name(best)}: {_behind(best, contest)}."
