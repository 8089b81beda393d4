"""Options of a thorough search: few and quick ones, made without a simulator."""

from typing import Any

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.results import Goal, Target
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.measurement.options import Option, options, performance_of

ISL, OSL = 4000, 1000
_LOADS = (1, 2, 4, 8, 16, 32, 64, 128)


def goal_of(objective: OptimizationType = OptimizationType.THROUGHPUT, **other: Any) -> Goal:
    """Make a goal; ``ttft`` and ``itl`` in ms are targets as a user writes them."""
    for name in ("ttft", "itl"):
        if name in other:
            other[name] = Target(value=other[name], explicit=True)
    return Goal(isl=ISL, osl=OSL, objective=objective, **other)


def aggregated(tp: int, load: int, **other: Any) -> Candidate:
    """Make an aggregated candidate of one replica at a load: ITL rises with it, and falls with the GPUs."""
    ttft, itl = 60 + 240 / tp + 12 * load / tp, 5 + 12 / tp + 0.55 * load / tp**0.9
    worker = Worker(
        role=Role.AGGREGATED, parallelism=Parallelism(tp=tp), count=1, batch=load, max_num_tokens=5504 + load // 64 * 64
    )
    return _candidate(Mode.AGGREGATED, (worker,), load, ttft, itl, **other)


def disaggregated(prefill: int, decode: int, load: int) -> Candidate:
    """Make a disaggregated candidate of one replica: prefill workers of one GPU each, one decode worker."""
    prefilling = Worker(
        role=Role.PREFILL, parallelism=Parallelism(tp=1), count=prefill, batch=1, max_num_tokens=5504, request_rate=2
    )
    decoding = Worker(
        role=Role.DECODE, parallelism=Parallelism(tp=decode), count=1, batch=load, max_num_tokens=512, request_rate=8
    )
    ttft, itl = 300 + 9 * load / prefill, 4 + 10 / decode + 0.4 * load / decode**0.9
    return _candidate(Mode.DISAGGREGATED, (prefilling, decoding), load, ttft, itl)


def estimated_options() -> tuple[Option, ...]:
    """Return six options: four aggregated ones, two disaggregated ones."""
    agg = [aggregated(tp, load) for tp in (1, 2, 4, 8) for load in _LOADS if load <= 48 * tp]
    disagg = [disaggregated(n, tp, load) for n, tp in ((2, 2), (4, 4)) for load in _LOADS]
    return tuple(options([*agg, *disagg]))


def naive_options(*widths: int) -> tuple[Option, ...]:
    """Return options of which nothing is estimated."""
    return tuple(options(aggregated(tp, 64, performance=None, source=Source.NAIVE) for tp in widths))


def measured(trial: str, concurrency: int, *, ttft: float = 100.0, itl: float = 10.0, **other: Any) -> MeasuredPoint:
    """Make a point that agrees with Little's law."""
    seen = performance_of(concurrency, ttft, itl, OSL, 1)
    fields = {"tokens_per_s": seen.tokens_per_s, "request_rate": seen.request_rate, "requests": 10 * concurrency}
    return MeasuredPoint(trial=trial, concurrency=concurrency, ttft=ttft, itl=itl, **(fields | other))


def _candidate(mode: Mode, workers: tuple[Worker, ...], load: int, ttft: float, itl: float, **other: Any) -> Candidate:
    gpus = sum(worker.gpus for worker in workers)
    fields: dict[str, Any] = {
        "backend": Backend.VLLM,
        "backend_version": "0.31.0",
        "mode": mode,
        "workers": workers,
        "replicas": 1,
        "context_length": 10_000 - load,
        "performance": performance_of(load, ttft, itl, OSL, gpus),
        "source": Source.MIXED,
    }
    return Candidate(**(fields | other))
