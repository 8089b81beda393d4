"""The planner's curves of measured workers: at which lengths and loads, and what follows from the points."""

from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role, Source, Worker
from dgdr_api.results import Goal
from dgdr_api.trials import CurvePoint
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.measurement.worker_curves import (
    CurveLoad,
    curve_loads,
    curves_of,
    has_curves,
    in_place_of,
    kv_tokens_of,
)

GOAL = Goal(isl=4000, osl=1000, objective=OptimizationType.THROUGHPUT, autoscale=True)


def worker(role: Role, *, count: int = 1, batch: int = 64, **parallelism: int) -> Worker:
    shape = Parallelism(**({"tp": 4} | parallelism))
    return Worker(role=role, parallelism=shape, count=count, batch=batch, max_num_tokens=8192)


def trial(
    *, context: int = 32768, prefill: dict[str, Any] | None = None, decode: dict[str, Any] | None = None
) -> Candidate:
    return Candidate(
        backend=Backend.VLLM, backend_version="0.31.0", mode=Mode.DISAGGREGATED, replicas=1, source=Source.SILICON,
        workers=(worker(Role.PREFILL, **({"batch": 1} | (prefill or {}))), worker(Role.DECODE, **(decode or {}))), context_length=context,
    )  # fmt: skip


def point(of: Candidate, load: CurveLoad, **numbers: float) -> CurvePoint:
    seen = {"ttft": 0.1 * load.isl, "itl": 0.0 if load.osl == 1 else 10.0} | numbers
    rate = load.concurrency * 1000 / (seen["ttft"] + seen["itl"] * (load.osl - 1))
    return CurvePoint(
        trial=of.id, role=load.role, isl=load.isl, osl=load.osl, concurrency=load.concurrency, requests=20,
        tokens_per_s=rate * load.osl, request_rate=rate, ttft=seen["ttft"], itl=seen["itl"],
    )  # fmt: skip


def test_prompts_are_around_the_expected_length_one_at_a_time() -> None:
    loads = [load for load in curve_loads(trial(), GOAL, 1_000_000) if load.role is Role.PREFILL]
    assert [(load.isl, load.osl, load.concurrency) for load in loads] == [
        (1000, 1, 1),
        (2000, 1, 1),
        (4000, 1, 1),
        (8000, 1, 1),
    ]


def test_batches_reach_what_the_cache_holds() -> None:
    loads = [load for load in curve_loads(trial(decode={"count": 2}), GOAL, 100_000) if load.role is Role.DECODE]
    most = {isl: max(load.concurrency for load in loads if load.isl == isl) for isl in (2000, 4000, 8000)}
    assert most == {2000: 2 * (100_000 // 2500), 4000: 2 * (100_000 // 4500), 8000: 2 * (100_000 // 8500)}
    assert {min(load.concurrency for load in loads if load.isl == isl) for isl in most} == {1}
    assert {load.osl for load in loads} == {500}


def test_no_sequence_is_longer_than_the_engine_takes() -> None:
    short = trial(context=5000)
    assert max(load.isl + load.osl for load in curve_loads(short, GOAL, None)) == 5000


def test_curves_are_those_of_one_worker() -> None:
    deployed = trial(decode={"count": 2})
    loads = curve_loads(deployed, GOAL, 1_000_000)
    prefill, decode = curves_of(deployed, [point(deployed, load) for load in loads], 1_000_000)
    assert (prefill.role, decode.role) == (Role.PREFILL, Role.DECODE)
    assert prefill.is_measured
    assert prefill.prefill is not None
    assert prefill.prefill.ttft == tuple(0.1 * isl for isl in prefill.prefill.isl)
    assert prefill.prefill.tokens_per_s_per_gpu == pytest.approx([10_000 / 4] * 4)
    found = decode.decode
    assert found is not None
    assert found.max_kv_tokens == 1_000_000
    for usage, context, itl, rate in zip(
        found.kv_usage, found.context_length, found.itl, found.tokens_per_s_per_gpu, strict=True
    ):
        # The worker's sequences in their steps make its tokens: the rate of its four GPUs.
        sequences = rate * 4 * itl / 1000
        assert usage == pytest.approx(sequences * context / 1_000_000, rel=0.01)


@pytest.mark.parametrize("lacking", Role.__members__.values())
def test_no_curve_is_made_of_too_few_points(lacking: Role) -> None:
    deployed = trial()
    points = [point(deployed, load) for load in curve_loads(deployed, GOAL, None)]
    kept = [p for p in points if p.role is not lacking] + [p for p in points if p.role is lacking][:2]
    assert bool(curves_of(deployed, kept, None)) == (lacking is Role.AGGREGATED)
    assert curves_of(trial(decode={"batch": 32}), points, None) == (), "they are of another deployment"


def test_measured_curves_stand_in_for_the_estimated_ones_of_the_same_worker() -> None:
    deployed = trial()
    measured = curves_of(deployed, [point(deployed, load) for load in curve_loads(deployed, GOAL, None)], None)
    estimated = [curve.model_copy(update={"is_measured": False}) for curve in measured]
    other = estimated[0].model_copy(update={"parallelism": Parallelism(tp=8)})
    assert in_place_of([*estimated, other], measured) == (*measured, other)
    assert in_place_of(estimated, ()) == tuple(estimated)


def test_cache_of_a_worker_is_that_of_its_ranks_where_all_workers_are_alike() -> None:
    alike = trial(decode={"tp": 4})
    assert kv_tokens_of(alike, 1000) == 1000
    assert kv_tokens_of(alike, None) is None
    assert kv_tokens_of(trial(decode={"tp": 1, "dp": 4}), 1000) is None, "it may be that of prefill workers"


def test_load_beyond_the_cache_tells_nothing_of_steps() -> None:
    deployed = trial()
    loads = curve_loads(deployed, GOAL, 1_000_000)
    points = [point(deployed, load) for load in loads]
    largest = max((p for p in points if p.role is Role.DECODE), key=lambda p: p.concurrency * p.isl)
    room = largest.request_rate * largest.itl * (largest.osl - 1) / 1000 * (largest.isl + largest.osl // 2) * 0.9
    decode = curves_of(deployed, points, int(room))[1].decode
    assert decode is not None
    assert max(decode.kv_usage) <= 1
    assert len(decode.itl) < len([p for p in points if p.role is Role.DECODE])


def test_engines_that_do_both_have_none() -> None:
    both = Candidate(
        backend=Backend.VLLM, backend_version="0.31.0", mode=Mode.AGGREGATED, replicas=1, source=Source.SILICON,
        workers=(worker(Role.AGGREGATED),), context_length=8192,
    )  # fmt: skip
    assert has_curves(trial())
    assert not has_curves(trial(prefill={"tp": 1, "dp": 4})), "one prompt does not tell what four ranks do"
    assert not has_curves(both)
