"""Why the chosen candidate was chosen: by what, and how far behind the others are. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dgdr_api.candidate import Candidate, Outcome, Source
from dgdr_api.formatting import exact, significant
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.scaling import has_load
from dgdr_controller.profiler.selection.targets import meets_targets, targets
from dgdr_controller.profiling_job.protocol import Goal, Results

_OUT = (Outcome.DOES_NOT_FIT, Outcome.OVER_BUDGET, Outcome.NOT_RENDERABLE)
_OBJECTIVES = {
    OptimizationType.THROUGHPUT: "tokens/s for the GPUs of the budget",
    OptimizationType.LATENCY: "the latency of a whole request",
    OptimizationType.HYBRID: "the product of tokens/s/GPU and tokens/s/user",
}


def explain(results: Results) -> Iterator[str]:
    """Yield sentences: the rule, the winner, the runner-up, the best of each engine and mode, what became of all."""
    choice, goal, budget = results.choice, results.goal, results.hardware.total_gpus.value
    if choice is None:
        return
    if choice.source is Source.NAIVE:
        yield f"{choice.shape} of {choice.backend} is the smallest engine that the model fits in; nothing was compared."
        return
    deployable = [c for c in results.candidates if c.verdict is None or c.verdict.outcome not in _OUT]
    yield _rule(goal)
    yield f"The winner, {_name(choice)}: {_numbers(choice, goal, budget)}."
    others = [candidate for candidate in deployable if candidate.id != choice.id]
    runner_up = choose(others, goal, budget)
    if runner_up is not None:
        yield f"The runner-up, {_name(runner_up)}: {_behind(runner_up, choice, goal, budget)}."
    yield from _best_of_others(others, choice, goal, budget)
    counts = Counter(c.verdict.outcome for c in results.candidates if c.verdict)
    became = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    yield f"Of {len(results.candidates)} candidates: {became}."


def _rule(goal: Goal) -> str:
    """Say what candidates are compared by, in that order (`selection.choose`)."""
    written = [t for t in (goal.ttft, goal.itl, goal.e2e_latency) if t and t.explicit]
    steps = [
        *(["the targets that you wrote"] if written else []),
        *(["the share of the load that is served"] if has_load(goal) else []),
        *(["the default targets"] if not goal.e2e_latency and len(written) < 2 else []),  # noqa: PLR2004 - both of them
        *(["the fewest GPUs"] if has_load(goal) else []),
        f"{_OBJECTIVES[goal.objective]} (optimizationType {goal.objective})",
    ]
    return f"Candidates are compared by {', then '.join(steps)}."


def _name(candidate: Candidate) -> str:
    return f"{candidate.backend} {candidate.mode}, {candidate.shape} ({candidate.id})"


def _score(candidate: Candidate, goal: Goal, budget: int) -> float:
    """Return what the objective maximises."""
    criteria = Criteria.of(candidate, goal, budget)
    match goal.objective:
        case OptimizationType.THROUGHPUT:
            return criteria.tokens_per_s_per_gpu
        case OptimizationType.LATENCY:
            return 1 / candidate.numbers.e2e
        case OptimizationType.HYBRID:
            return criteria.tokens_per_s_per_gpu * criteria.tokens_per_s_per_user


def _numbers(candidate: Candidate, goal: Goal, budget: int) -> str:
    numbers, criteria = candidate.numbers, Criteria.of(candidate, goal, budget)
    reached = (f"{name} {significant(v)} ms of {exact(target.value)}" for name, v, target in targets(candidate, goal))
    density, speed = significant(criteria.tokens_per_s_per_gpu), significant(criteria.tokens_per_s_per_user)
    return (
        f"{density} tokens/s/GPU, {speed} tokens/s/user, {', '.join(reached)}, {significant(numbers.e2e)} ms a request"
    )


def _behind(candidate: Candidate, choice: Candidate, goal: Goal, budget: int) -> str:
    """Say why a candidate comes after the winner."""
    if meets_targets(choice, goal) and not meets_targets(candidate, goal):
        missed = [
            (name, value, target.value) for name, value, target in targets(candidate, goal) if value > target.value
        ]
        return " and ".join(f"{name} is {significant(value)} ms, over {exact(limit)}" for name, value, limit in missed)
    if has_load(goal) and candidate.gpus != choice.gpus:
        return f"it takes {candidate.gpus} GPUs, the winner {choice.gpus}"
    ratio = _score(candidate, goal, budget) / _score(choice, goal, budget)
    by = f"a score {significant((1 - ratio) * 100, 2)} % lower" if ratio < 1 else "the same score"
    return f"{by} ({_numbers(candidate, goal, budget)})"


def _best_of_others(others: Sequence[Candidate], choice: Candidate, goal: Goal, budget: int) -> Iterator[str]:
    """Say of every other engine and mode how its best candidate compares."""
    kinds = dict.fromkeys((c.backend, c.mode) for c in others)
    for backend, mode in kinds:
        if (backend, mode) == (choice.backend, choice.mode):
            continue
        best = choose((c for c in others if (c.backend, c.mode) == (backend, mode)), goal, budget)
        if best is not None:
            yield f"The best of {_name(best)}: {_behind(best, choice, goal, budget)}."
