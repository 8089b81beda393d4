"""How fast workers are at other loads than the planned one: what Dynamo's planner begins with.

Points as in Dynamo's own profiler: prompts of 17 lengths, one at a time; six batches at each of six contexts. Source:
``dynamo.profiler`` 1.6.1 ``utils/profile_prefill.py``, ``utils/profile_decode.py``, and their granularities in
``utils/profile_common.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.candidate import KvCacheDtype, Parallelism, Role
from dgdr_api.curves import DecodeCurve, PrefillCurve, WorkerCurve
from dgdr_controller.profiler.simulation.aic.estimates import Estimator
from dgdr_controller.profiler.simulation.aic.task import task_of
from dgdr_controller.profiler.simulation.messages import SHAPE, Search
from dgdr_controller.profiler.simulation.operating_points import Point
from dgdr_controller.profiler.simulation.shapes import Parallel

_PROMPTS, _CONTEXTS, _BATCHES = 17, 6, 6
_SHORTEST = 100
_MOST_REQUESTS = 2000
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """What curves are wanted of.

    Attributes:
        search: The search that found the workers.
        workers: Role and shape of each.
        longest: Longest sequence in tokens that one of them is started for.
    """

    search: Search
    workers: tuple[tuple[Role, Parallelism], ...]
    longest: int


def curves(asked: Asked) -> list[WorkerCurve]:
    """Estimate the curves; runs in a worker process.

    Raises:
        Exception: A fault of AIC.
    """
    task = task_of(asked.search)
    estimators = {role: Estimator.of(task, asked.search, role) for role in {role for role, _ in asked.workers}}
    return [_curve(estimators[role], shape, asked.longest) for role, shape in asked.workers]


def _curve(estimator: Estimator, shape: Parallelism, longest: int) -> WorkerCurve:
    parallel: Parallel = tuple(getattr(shape, name) for name in SHAPE)
    prefills = estimator.role is Role.PREFILL
    quantised = estimator.config(parallel).kvcache_quant_mode.name == "fp8"
    return WorkerCurve(
        backend=estimator.wanted.backend,
        role=estimator.role,
        parallelism=shape,
        kv_cache_dtype=KvCacheDtype.FP8 if quantised else KvCacheDtype.AUTO,
        prefill=_prefill(estimator, parallel, shape, longest) if prefills else None,
        decode=None if prefills else _decode(estimator, parallel, shape, longest),
    )


def _prefill(estimator: Estimator, parallel: Parallel, shape: Parallelism, longest: int) -> PrefillCurve:
    lengths = _spread(_SHORTEST, longest, _PROMPTS)
    config = estimator.config(parallel)
    times = []
    for isl in lengths:
        summary = estimator.predictor(config, isl=isl)(Point(1))
        times.append(sum(summary.get_context_latency_dict().values()))
    return PrefillCurve(
        isl=tuple(lengths),
        ttft=_rounded(times),
        tokens_per_s_per_gpu=_rounded(
            [1000 * isl * shape.dp / time / shape.gpus for isl, time in zip(lengths, times, strict=True)]
        ),
    )


def _decode(estimator: Estimator, parallel: Parallel, shape: Parallelism, longest: int) -> DecodeCurve:
    """Estimate steps: a batch of sequences of one length, and what it takes of the KV cache."""
    config = estimator.config(parallel)
    room = _room(estimator, config)
    usage, lengths, times, rates = [], [], [], []
    for context in _spread(_SHORTEST, longest, _CONTEXTS):
        predict = estimator.predictor(config, isl=context, osl=2)  # one step after the first token
        most = max(1, min(_MOST_REQUESTS, room // context))
        for batch in _spread(1, most, _BATCHES):
            itl = sum(predict(Point(batch)).get_generation_latency_dict().values())
            usage.append(min(1.0, batch * context / room))
            lengths.append(context)
            times.append(itl)
            rates.append(1000 * batch * shape.dp / itl / shape.gpus)
    return DecodeCurve(
        kv_usage=_rounded(usage),
        context_length=tuple(lengths),
        itl=_rounded(times),
        tokens_per_s_per_gpu=_rounded(rates),
        max_kv_tokens=room * shape.dp,
    )


def _room(estimator: Estimator, config: object) -> int:
    """Return how many tokens the KV cache of one attention data-parallel rank holds."""
    wanted = estimator.wanted
    memory = estimator.predictor(config)(Point(1)).get_memory()
    per_token = memory["kvcache"] / (wanted.isl + wanted.osl)
    return max(wanted.isl + wanted.osl, int((wanted.usable_gib - memory["total"] + memory["kvcache"]) / per_token))


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Leave the digits that estimates carry at most."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def _spread(first: int, last: int, count: int) -> Sequence[int]:
    """Return so many whole numbers, evenly from the first to the last; fewer where there are not so many."""
    return sorted({first + round(step * (last - first) / (count - 1)) for step in range(count)})
