"""The planner's curves of a deployment's workers, measured: at which lengths and loads, and what follows. Pure.

As Dynamo's own profiler has them: prompts of several lengths, one at a time; several numbers of sequences at several
lengths. Source: ``dynamo.profiler`` 1.6.1 ``utils/profile_prefill.py`` and ``utils/profile_decode.py``. There are fewer
points than it takes: the planner interpolates between them and goes on learning.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Mode, Role, Worker
from dgdr_api.curves import DecodeCurve, PrefillCurve, WorkerCurve
from dgdr_api.results import Goal
from dgdr_api.trials import CurvePoint

_PROMPT_SHARES = (0.25, 0.5, 1.0, 2.0)
_CONTEXT_SHARES = (0.5, 1.0, 2.0)
"""Lengths of prompts, as shares of the ones that are expected."""
_LOADS = 3
_MOST_TOKENS = 500
"""Output tokens of a request: enough to measure steps."""
_FEWEST = 3
"""Points without which nothing can be interpolated."""
_MS = 1000


@dataclass(frozen=True, slots=True)
class CurveLoad:
    """Something that is measured for a curve.

    Attributes:
        role: Whose curve it is for.
        isl: Input tokens of each request.
        osl: Output tokens of each.
        concurrency: Requests in flight.
    """

    role: Role
    isl: int
    osl: int
    concurrency: int

    def __str__(self) -> str:
        if self.role is Role.PREFILL:
            return f"prompts of {self.isl} tokens"
        return f"steps of {self.concurrency} requests with prompts of {self.isl} tokens"

    def is_of(self, point: CurvePoint) -> bool:
        """Say whether a point is what was measured of it."""
        return (point.role, point.isl, point.osl, point.concurrency) == (
            self.role, self.isl, self.osl, self.concurrency,
        )  # fmt: skip


def has_curves(trial: Candidate) -> bool:
    """Say whether curves of a deployment can be measured: of engines that do one of the two phases.

    A prompt alone does not tell what engines do whose ranks share experts: each of them waits for the others'.
    """
    return trial.mode is Mode.DISAGGREGATED and trial.workers[0].parallelism.dp == 1


def kv_tokens_of(trial: Candidate, of_a_rank: int | None) -> int | None:
    """Return how many tokens the KV cache of one decode worker holds; None where nobody says.

    The frontend has one number for all workers: it is that of decode workers only where all are alike.
    """
    prefill, decode = trial.workers
    if of_a_rank is None or prefill.parallelism != decode.parallelism:
        return None
    return of_a_rank * decode.parallelism.dp


def curve_loads(trial: Candidate, goal: Goal, kv_tokens: int | None) -> list[CurveLoad]:
    """Return what is measured of a deployment's workers.

    Args:
        trial: The deployment: one prefill and one decode role.
        goal: The lengths that are expected.
        kv_tokens: Tokens that the KV cache of one decode worker holds; None: not known, and as many as it was started
            for are tried.
    """
    _, decode = trial.workers
    osl = max(2, min(goal.osl, _MOST_TOKENS))
    prompts = _lengths(_PROMPT_SHARES, goal.isl, trial.context_length - 1)
    contexts = _lengths(_CONTEXT_SHARES, goal.isl, trial.context_length - osl)
    return [
        *(CurveLoad(Role.PREFILL, isl, 1, 1) for isl in prompts),
        *(CurveLoad(Role.DECODE, isl, osl, load) for isl in contexts for load in _loads(decode, isl + osl, kv_tokens)),
    ]


def curves_of(trial: Candidate, points: Iterable[CurvePoint], kv_tokens: int | None) -> tuple[WorkerCurve, ...]:
    """Return the curves of both roles; nothing where one has too few points.

    Args:
        trial: The deployment.
        points: What was measured of it.
        kv_tokens: As `curve_loads` has it; None: what it was started for.
    """
    mine = sorted(
        (point for point in points if point.trial == trial.id),
        key=lambda point: (point.isl, point.concurrency),
    )
    prefill, decode = trial.workers
    prompts = [point for point in mine if point.role is Role.PREFILL]
    steps = [point for point in mine if point.role is Role.DECODE and point.itl]
    if len(prompts) < _FEWEST or len(steps) < _FEWEST:
        return ()
    room = kv_tokens or _planned_tokens(decode, trial.context_length)
    return (
        _curve(trial, prefill).model_copy(update={"prefill": _prefill(prompts, prefill)}),
        _curve(trial, decode).model_copy(update={"decode": _decode(steps, decode, room)}),
    )


def in_place_of(estimated: Sequence[WorkerCurve], measured: Sequence[WorkerCurve]) -> tuple[WorkerCurve, ...]:
    """Return the measured curves and those estimated ones that are of other workers."""

    def worker(curve: WorkerCurve) -> tuple[object, ...]:
        return curve.backend, curve.role, curve.parallelism, curve.kv_cache_dtype

    known = {worker(curve) for curve in measured}
    return (*measured, *(curve for curve in estimated if worker(curve) not in known))


def _curve(trial: Candidate, worker: Worker) -> WorkerCurve:
    return WorkerCurve(
        backend=trial.backend,
        role=worker.role,
        parallelism=worker.parallelism,
        kv_cache_dtype=worker.kv_cache_dtype,
        is_measured=True,
    )


def _prefill(points: Sequence[CurvePoint], worker: Worker) -> PrefillCurve:
    """Return the curve of prompts, one at a time."""
    gpus = worker.parallelism.gpus
    return PrefillCurve(
        isl=tuple(point.isl for point in points),
        ttft=tuple(point.ttft for point in points),
        tokens_per_s_per_gpu=tuple(_MS * point.isl / point.ttft / gpus for point in points),
    )


def _decode(points: Sequence[CurvePoint], worker: Worker, kv_tokens: int) -> DecodeCurve:
    """Return the curve of steps. How many sequences decode at once follows from their rate (Little's law)."""
    held = {
        point: point.request_rate * point.itl * (point.osl - 1) / _MS / worker.count * _context(point) / kv_tokens
        for point in points
    }
    kept = [point for point in points if held[point] <= 1]  # what is more than there is room for has waited
    return DecodeCurve(
        kv_usage=tuple(held[point] for point in kept),
        context_length=tuple(map(_context, kept)),
        itl=tuple(point.itl for point in kept),
        tokens_per_s_per_gpu=tuple(point.tokens_per_s / worker.gpus for point in kept),
        max_kv_tokens=kv_tokens,
    )


def _context(point: CurvePoint) -> int:
    """Return the tokens of a sequence that is half generated."""
    return point.isl + point.osl // 2


def _lengths(shares: Sequence[float], isl: int, longest: int) -> list[int]:
    return sorted({max(1, min(longest, math.ceil(isl * share))) for share in shares})


def _loads(worker: Worker, tokens: int, kv_tokens: int | None) -> list[int]:
    """Return numbers of requests in flight, evenly in their ratio, up to what a role's workers hold."""
    most = worker.batch * worker.parallelism.dp
    if kv_tokens:
        most = min(most, max(1, kv_tokens // tokens))
    return sorted({max(1, round((most * worker.count) ** (step / (_LOADS - 1)))) for step in range(_LOADS)})


def _planned_tokens(worker: Worker, context_length: int) -> int:
    return worker.batch * worker.parallelism.dp * context_length
