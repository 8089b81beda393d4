"""How many replicas of a candidate are wanted, and how much of the load they serve. Pure."""

import math

from dgdr_api.candidate import Candidate
from dgdr_controller.profiling_job.protocol import Goal


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


def has_load(goal: Goal) -> bool:
    """Say whether a load is given that must be served by what is deployed; the planner follows the load by itself."""
    return not goal.autoscale and (goal.concurrency is not None or goal.request_rate is not None)


def served(candidate: Candidate, goal: Goal, budget: int) -> float:
    """Return the share of the wanted load that the candidate serves, 0 to 1; 1 when no load is wanted.

    With the planner that is what it can make of the whole budget.
    """
    times = max(1, budget // candidate.gpus_per_replica) if goal.autoscale else 1
    if goal.concurrency is not None:
        return min(1.0, times * candidate.numbers.concurrency / goal.concurrency)
    if goal.request_rate is not None:
        return min(1.0, times * candidate.numbers.request_rate / goal.request_rate)
    return 1.0


def autoscaled(candidate: Candidate) -> float:
    """Return tokens/s/GPU where neither side waits for the other: each request takes its share of both.

    A worker of g GPUs that keeps up with r requests per second spends g / r GPU seconds on each.
    """
    performance = candidate.numbers
    rates = [(worker.parallelism.gpus, worker.request_rate) for worker in candidate.workers]
    gpu_seconds = sum(gpus / rate for gpus, rate in rates if rate)
    tokens = performance.tokens_per_s / performance.request_rate
    return tokens / gpu_seconds if gpu_seconds else performance.tokens_per_s_per_gpu
