"""What a thorough search can deploy as a trial, and at which loads an estimate of it is known. Pure."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from dgdr_api.candidate import Candidate, Mode, Performance, Worker
from dgdr_api.results import Goal
from dgdr_controller.profiler.simulation.operating_points import STEP_MULTIPLE

_STEP = 1.08
"""Ratio of neighbouring loads that are looked at."""

_BELOW = 0.5
"""Share of the lowest estimated load down to which an option is looked at: estimates leave out loads that they take
for worse than others, and may be wrong by that much."""

_MS = 1000


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be deployed as a trial.

    Attributes:
        trial: One replica, started for the largest load that it is measured at.
        points: Its operating points as estimated, one replica each, by rising concurrency; empty where nothing is
            estimated (source *naive*).
    """

    trial: Candidate
    points: tuple[Candidate, ...]

    @property
    def kind(self) -> tuple[object, ...]:
        """What options share whose estimates err for the same reasons: engine, mode and draft tokens."""
        return (self.trial.backend, self.trial.mode, self.trial.draft_tokens)

    @property
    def shape(self) -> tuple[object, ...]:
        """The parallelism of the workers, in their roles."""
        return tuple((worker.role, worker.parallelism) for worker in self.trial.workers)

    @property
    def most(self) -> int:
        """The largest load of one replica, in requests in flight."""
        worker = self.trial.workers[-1]
        return worker.batch * _ranks(worker)

    def loads(self, goal: Goal, budget: int) -> list[int]:
        """Return the loads of one replica that can be measured, rising: in steps, and the goal's load shared evenly.

        None is above the goal's, which never comes; latencies of fewer requests than estimated are those of the
        fewest.
        """
        lowest = max(1.0, self.points[0].numbers.concurrency * _BELOW) if self.points else 1.0
        most = self.most
        if goal.concurrency is None:
            return self._distinct(_steps(lowest, most))
        most = min(most, math.ceil(goal.concurrency))
        lowest = min(lowest, most)
        replicas = range(1, max(1, budget // self.trial.gpus_per_replica) + 1)
        shared = {math.ceil(goal.concurrency / count) for count in replicas}
        return self._distinct(load for load in (*_steps(lowest, most), *shared) if lowest <= load <= most)

    def _distinct(self, loads: Iterable[int]) -> list[int]:
        """Return loads, rising, one for each batch that the engine is started for: the largest."""
        ranks = _ranks(self.trial.workers[-1])
        return sorted({math.ceil(load / ranks): load for load in sorted(loads)}.values())

    def estimate(self, load: int) -> Performance:
        """Return what one replica is estimated to do at a load, interpolated between the operating points.

        Latencies below the lowest operating point, and above the highest one, are those of that point.
        """
        return _interpolated([point.numbers for point in self.points], load)

    def simulated(self, load: int) -> Performance:
        """Return the same by the simulator itself, without any correction."""
        return _interpolated([point.simulated or point.numbers for point in self.points], load)

    def at(self, load: int, performance: Performance) -> Candidate:
        """Return one replica that is started for a load, with its numbers, of which no chances are known."""
        base = next((point for point in self.points if _requests(point) >= load), self.trial)
        *others, last = base.workers
        batch = min(last.batch, math.ceil(load / _ranks(last)))
        workers = (*others, last.model_copy(update={"batch": batch}))
        return base.model_copy(update={"workers": workers, "performance": performance, "uncertainty": None})


def options(candidates: Iterable[Candidate]) -> list[Option]:
    """Group candidates that one deployment can be measured for: they differ in the load that they are started for.

    Args:
        candidates: Candidates that can be deployed, of any number of replicas.

    Returns:
        The options, in the order of the first candidate of each.
    """
    grouped: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(_deployment(candidate), []).append(candidate.scaled(1))
    return [_option(same_step) for group in grouped.values() for same_step in _by_step(group)]


def performance_of(load: int, ttft: float, itl: float, osl: int, gpus: int) -> Performance:
    """Return the performance of one replica that has so many requests in flight (Little's law).

    Args:
        load: Requests in flight.
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        osl: Tokens of an answer.
        gpus: GPUs of the replica.
    """
    e2e = ttft + itl * (osl - 1)
    rate = load * _MS / e2e
    return Performance(
        ttft=ttft,
        itl=itl,
        e2e=e2e,
        tokens_per_s=rate * osl,
        tokens_per_s_per_gpu=rate * osl / gpus,
        tokens_per_s_per_user=_MS / itl if itl else _MS * osl / e2e,
        concurrency=load,
        request_rate=rate,
    )


def _deployment(candidate: Candidate) -> tuple[object, ...]:
    """Return what tells deployments apart, but the load that the last worker is started for."""
    *others, last = candidate.workers
    return (
        candidate.backend,
        candidate.mode,
        candidate.draft_tokens,
        *((w.parallelism, w.count, w.kv_cache_dtype, w.batch, w.max_num_tokens) for w in others),
        (last.parallelism, last.count, last.kv_cache_dtype),
    )


def _by_step(group: list[Candidate]) -> Iterator[list[Candidate]]:
    """Split candidates by the tokens of prompts in one engine step; a decode worker's step has none."""
    if group[0].mode is Mode.DISAGGREGATED:
        yield group
        return
    ordered = sorted(group, key=_prompt_tokens)
    starts = [0]
    for index, candidate in enumerate(ordered):
        if _prompt_tokens(candidate) - _prompt_tokens(ordered[starts[-1]]) >= STEP_MULTIPLE:
            starts.append(index)
    yield from (ordered[start:end] for start, end in pairwise([*starts, len(ordered)]))


def _prompt_tokens(candidate: Candidate) -> int:
    """Return the tokens of one step that prompts have; rounding adds less than `STEP_MULTIPLE` to them."""
    worker = candidate.workers[-1]
    return worker.max_num_tokens - worker.batch * (1 + candidate.draft_tokens)


def _option(group: list[Candidate]) -> Option:
    trial = max(group, key=_requests)
    if trial.performance is None:
        return Option(trial, ())
    return Option(trial, tuple(sorted(group, key=lambda c: (c.numbers.concurrency, c.numbers.e2e, c.id))))


def _requests(candidate: Candidate) -> int:
    worker = candidate.workers[-1]
    return worker.batch * _ranks(worker)


def _ranks(worker: Worker) -> int:
    """Return how many batches the workers of a role work on at once."""
    return worker.count * worker.parallelism.dp


def _steps(lowest: float, most: int) -> Iterator[int]:
    """Yield whole loads that can be told apart, the largest among them."""
    load = float(most)
    while load >= lowest:
        yield math.floor(load)
        load = min(load / _STEP, math.ceil(load) - 1)


def _interpolated(points: list[Performance], load: int) -> Performance:
    """Interpolate latencies between operating points; the rest follows from them."""
    loads = [point.concurrency for point in points]
    after = bisect_left(loads, load)
    low, high = points[max(0, after - 1)], points[min(after, len(points) - 1)]
    span = math.log(high.concurrency / low.concurrency)
    share = min(1.0, max(0.0, math.log(load / low.concurrency) / span)) if span else 0.0
    ttft, itl = (
        getattr(low, name) ** (1 - share) * getattr(high, name) ** share if getattr(low, name) else 0.0
        for name in ("ttft", "itl")
    )
    tokens, gpus = low.tokens_per_s / low.request_rate, low.tokens_per_s / low.tokens_per_s_per_gpu
    return performance_of(load, ttft, itl, round(tokens), round(gpus))
