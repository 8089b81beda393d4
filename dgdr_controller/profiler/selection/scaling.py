"""How many replicas of a candidate are wanted, and how much of the load they serve. Pure."""

import math

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal


def scale(candidate: Candidate, goal: Goal, budget: int) -> Candidate:
    """Return a candidate of one replica with as many replicas as are wanted.

    Without a load: as many as the budget holds. With one: the fewest that serve it, or all that the budget holds.
    One replica at least, also where that is over budget (`judge` says so). With the planner: one, it adds the others.
    """
    if goal.autoscale:
        return candidate.scaled(1)
    affordable = max(1, budget // candidate.gpus_per_replica)
    needed = affordable
    if goal.concurrency is not None:
        needed = _replicas(goal.concurrency / candidate.numbers.concurrency, affordable)
    if goal.request_rate is not None:
        needed = _replicas(goal.request_rate / candidate.numbers.request_rate, affordable)
    return candidate.scaled(max(1, needed))


def _replicas(wanted: float, affordable: int) -> int:
    """Round up to whole replicas, where so many are affordable."""
    return affordable if wanted >= affordable else math.ceil(wanted)


def wants_load(goal: Goal) -> bool:
    """Say whether a load is given."""
    return goal.concurrency is not None or goal.request_rate is not None


def has_load(goal: Goal) -> bool:
    """Say whether a load is given that must be served by what is deployed; the planner follows the load by itself."""
    return wants_load(goal) and not goal.autoscale


def served(candidate: Candidate, goal: Goal, budget: int) -> float:
    """Return the share of the wanted load that the candidate serves, 0 to 1; 1 when no load is wanted.

    With the planner that is what it can make of the whole budget: it sets the number of workers of each role.
    """
    if goal.autoscale and goal.request_rate is not None and (rate := _balanced_rate(candidate, budget)):
        return min(1.0, rate / goal.request_rate)
    times = max(1, budget // candidate.gpus_per_replica) if goal.autoscale else 1
    if goal.concurrency is not None:
        return min(1.0, times * candidate.numbers.concurrency / goal.concurrency)
    if goal.request_rate is not None:
        return min(1.0, times * candidate.numbers.request_rate / goal.request_rate)
    return 1.0


def _balanced_rate(candidate: Candidate, budget: int) -> float:
    """Return the requests per second of the best numbers of prefill and decode workers; 0 where that is not known."""
    if len(candidate.workers) != 2 or not all(worker.request_rate for worker in candidate.workers):  # noqa: PLR2004
        return 0.0
    (prefill, decode), rates = candidate.workers, [worker.request_rate or 0.0 for worker in candidate.workers]
    most = max(1, (budget - decode.parallelism.gpus) // prefill.parallelism.gpus)
    return max(
        min(count * rates[0], max(1, (budget - count * prefill.parallelism.gpus) // decode.parallelism.gpus) * rates[1])
        for count in range(1, most + 1)
    )


def autoscaled(candidate: Candidate) -> float:
    """Return tokens/s/GPU where neither side waits for the other: each request takes its share of both.

    A worker of g GPUs that keeps up with r requests per second spends g / r GPU seconds on each.
    """
    performance = candidate.numbers
    rates = [(worker.parallelism.gpus, worker.request_rate) for worker in candidate.workers]
    gpu_seconds = sum(gpus / rate for gpus, rate in rates if rate)
    tokens = performance.tokens_per_s / performance.request_rate
    return tokens / gpu_seconds if gpu_seconds else performance.tokens_per_s_per_gpu
