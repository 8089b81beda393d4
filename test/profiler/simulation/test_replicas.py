"""What is left out of hundreds of thousands of replicas is never what somebody would have chosen."""

import dataclasses
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.measurements import SiteCorrection
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.calibration import Calibration, Regime, with_chances
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.scaling import scale
from dgdr_controller.profiler.simulation import pairing
from dgdr_controller.profiler.simulation.corrections import corrected
from dgdr_controller.profiler.simulation.messages import Row, Search, Workers
from dgdr_controller.profiler.simulation.replicas import Numbers, Replicas, worth_showing
from dgdr_controller.profiler.simulation.rows import Facts, read_rows
from dgdr_controller.profiler.simulation.search import _marked
from dgdr_controller.profiler.simulation.steps import simulated
from test.builders.calibration import calibration, terms
from test.builders.calibration import row as errors_row

OSL = 500
MODEL = read_config({
    "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 5120, "num_attention_heads": 64,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 25600, "vocab_size": 151936,
    "max_position_embeddings": 40960,
})  # fmt: skip


def search(budget: int, **load: Any) -> Search:
    return Search(
        "acme/model",
        "h100_sxm",
        Backend.VLLM,
        Mode.DISAGGREGATED,
        budget,
        Nodes(8),
        80.0,
        8,
        1000,
        OSL,
        **load,
    )


def row(  # noqa: PLR0913, PLR0917 - the columns of a row
    gpus: int,
    ttft: float,
    tpot: float,
    rate: float,
    concurrency: float,
    batch: int,
    queue: float = 0.0,
    prompts: float = np.inf,
) -> Row:
    return {
        "tp": gpus, "pp": 1, "dp": 1, "moe_tp": 1, "moe_ep": 1, "cp": 1, "bs": batch, "kvcache": "fp8", "memory": 10.0,
        "num_total_gpus": gpus, "ttft": ttft, "tpot": tpot, "request_rate": rate, "tokens/s": rate * OSL,
        "concurrency": concurrency, "sources": ["silicon"], "deployable": True, "queue": queue, "decode_step": tpot,
        "prompt_rate": prompts,
    }  # fmt: skip


milliseconds = st.sampled_from([5.0, 8.0, 13.0, 21.0, 34.0, 55.0])
ROW: dict[str, Any] = {
    "gpus": st.sampled_from([1, 2, 4]),
    "ttft": milliseconds,
    "tpot": milliseconds,
    "rate": st.floats(0.5, 20).map(lambda value: round(value, 2)),
    "concurrency": st.integers(1, 64).map(float),
    "batch": st.integers(1, 512),
}
rows = st.builds(row, **ROW)
Load = dict[str, Any]
loads = st.sampled_from([{}, {"request_rate": 7.0}, {"concurrency": 40.0}, {"request_rate": 500.0}])
targets = st.none() | milliseconds.map(lambda value: Target(value=value * 0.9, explicit=True))


def candidate(estimate: Row, number: int) -> Candidate:
    e2e = estimate["ttft"] + estimate["tpot"] * (OSL - 1)
    return Candidate(
        backend=Backend.VLLM,
        backend_version="1",
        mode=Mode.AGGREGATED,
        workers=(
            Worker(
                role=Role.AGGREGATED, parallelism=Parallelism(tp=estimate["tp"]), count=1, batch=estimate["bs"],
                max_num_tokens=1000 + number,
            ),
        ),
        replicas=1,
        context_length=4000,
        source=Source.SILICON,
        performance=Performance(
            ttft=estimate["ttft"], itl=estimate["tpot"], e2e=e2e, tokens_per_s=estimate["tokens/s"],
            tokens_per_s_per_gpu=estimate["tokens/s"] / estimate["num_total_gpus"],
            tokens_per_s_per_user=1000 / estimate["tpot"],
            concurrency=estimate["concurrency"], request_rate=estimate["request_rate"],
        ),
    )  # fmt: skip


WORKLOAD_ROWS = st.builds(
    row,
    **ROW,
    queue=st.sampled_from([10.0, 900.0, 4000.0, 90_000.0]),
    prompts=st.sampled_from([np.inf, 3.0]),
)
DISAGG: dict[str, Any] = {"backend": Backend.VLLM, "mode": Mode.DISAGGREGATED}
TABLE = calibration(
    [
        errors_row(0.8, 1.2, **DISAGG, regime=Regime.LIGHT),
        errors_row(1.3, 2.0, **DISAGG, regime=Regime.MEDIUM),
        errors_row(1.1, 3.0, **DISAGG, regime=Regime.HEAVY),
    ],
    [terms(0.5, queue=0.01, decode=2.0, constant_ms=3.0, **DISAGG)],
)


SITE = SiteCorrection(**DISAGG, measurements=2, ttft=1.7, itl=0.8, tokens_per_s_per_gpu=1.1)
TABLES = st.sampled_from([TABLE, TABLE.with_site([SITE])])


@given(st.lists(WORKLOAD_ROWS, min_size=1, max_size=30), TABLES)
def test_many_are_corrected_as_one_is(found: list[Row], corrections: Calibration) -> None:
    wanted = search(8, calibration=corrections)
    many = corrected(table(found), wanted)
    for number, estimate in enumerate(found):
        one = corrections.correct(simulated(estimate, wanted))
        per_gpu = many.served[number] * OSL / many.gpus[number]
        assert (many.ttft[number], many.itl[number], per_gpu) == pytest.approx(
            (one.ttft, one.itl, one.tokens_per_s_per_gpu)
        )
        assert list(Regime)[many.errors[number]] is one.row.regime


@given(
    st.lists(WORKLOAD_ROWS, min_size=1, max_size=30, unique_by=lambda estimate: estimate["bs"]),
    st.sampled_from([4, 8, 32]),
    st.sampled_from(OptimizationType),
    targets,
    targets,
    TABLES,
)
def test_best_of_all_is_among_those_that_are_shown_whatever_their_errors(
    found: list[Row],
    budget: int,
    objective: OptimizationType,
    ttft: Target | None,
    itl: Target | None,
    corrections: Calibration,
) -> None:
    goal = Goal(isl=1000, osl=OSL, ttft=ttft, itl=itl, objective=objective)
    wanted = search(budget, calibration=corrections)

    def promised(estimate: Row, number: int) -> Candidate:
        one, raw = corrections.correct(simulated(estimate, wanted)), candidate(estimate, number)
        numbers = {"performance": one.applied(raw.numbers), "uncertainty": corrections.uncertainty(one)}
        errors = corrections.errors([one.title])
        return with_chances(scale(raw.model_copy(update=numbers), goal, budget), goal, errors)

    candidates = [promised(estimate, number) for number, estimate in enumerate(found)]
    shown = worth_showing(corrected(table(found), wanted), wanted)
    best, kept = choose(candidates, goal, budget), choose([candidates[i] for i in shown], goal, budget)
    assert best is not None
    assert kept is not None
    assert kept.numbers.ttft == pytest.approx(best.numbers.ttft)
    assert kept.numbers.itl == pytest.approx(best.numbers.itl)
    assert Criteria.of(kept, goal, budget).tokens_per_s_per_gpu == pytest.approx(
        Criteria.of(best, goal, budget).tokens_per_s_per_gpu
    )


def table(found: list[Row]) -> Replicas:
    def column(key: str) -> Numbers:
        return np.array([float(estimate[key]) for estimate in found])

    rate = column("request_rate")
    return Replicas(
        shape=np.zeros(len(found), dtype=np.int64), ttft=column("ttft"), itl=column("tpot"), rate=rate, served=rate,
        concurrency=column("concurrency"), queue=column("queue"), decode=column("decode_step"),
        prompts=column("prompt_rate"), gpus=column("num_total_gpus"),
        deployable=np.array([estimate["deployable"] for estimate in found]),
        errors=np.zeros(len(found), dtype=np.int64),
    )  # fmt: skip


@given(
    st.lists(rows, min_size=1, max_size=40),
    st.sampled_from([4, 7, 8, 32]),
    loads,
    st.sampled_from(OptimizationType),
    targets,
    targets,
)
def test_best_of_all_is_among_those_that_are_shown(
    found: list[Row],
    budget: int,
    load: Load,
    objective: OptimizationType,
    ttft: Target | None,
    itl: Target | None,
) -> None:
    goal = Goal(isl=1000, osl=OSL, ttft=ttft, itl=itl, objective=objective, **load)
    candidates = [scale(candidate(estimate, number), goal, budget) for number, estimate in enumerate(found)]
    shown = worth_showing(table(found), search(budget, **load))
    best, kept = choose(candidates, goal, budget), choose([candidates[i] for i in shown], goal, budget)
    assert best is not None
    assert kept is not None
    assert Criteria.of(kept, goal, budget) == Criteria.of(best, goal, budget)
    assert (kept.gpus, kept.numbers.e2e) == (best.gpus, best.numbers.e2e)


@given(
    st.lists(rows, min_size=1, max_size=4),
    st.lists(rows, min_size=1, max_size=6),
    st.sampled_from([2, 5, 8]),
    loads,
    st.booleans(),
)
def test_workers_are_paired_as_well_as_by_trying_everything(
    prefills: list[Row],
    decodes: list[Row],
    budget: int,
    load: Load,
    same: bool,  # noqa: FBT001 - drawn
) -> None:
    wanted = search(budget, **load)
    workers = Workers({Role.PREFILL: prefills, Role.DECODE: decodes}, same_tp=lambda _prefill, _decode: same)
    everything = [
        (*numbers, p, d)
        for p, d in product(prefills, decodes)
        if not same or p["tp"] == d["tp"]
        for numbers in tried(p, d, budget)
    ]
    pairs = pairing.pair(workers, wanted)
    if pairs is None:
        assert not everything
        return
    found = list(pairing.rows(pairs, range(pairs.prefill.size), workers))
    for replica in found:
        assert replica["num_total_gpus"] <= budget
        assert (
            replica["num_total_gpus"]
            == replica["(p)tp"] * replica["(p)workers"] + replica["(d)tp"] * replica["(d)workers"]
        )
        assert not same or replica["(p)tp"] == replica["(d)tp"]
    # Whichever counts of workers somebody tries, one of ours serves as much and is as fast.
    for rate, gpus, prefill, decode in everything:
        assert any(
            ours["ttft"] == pytest.approx(prefill["ttft"] * pairing.QUEUED_TTFT, abs=0.001)
            and ours["tpot"] == decode["tpot"]
            and ours["request_rate"] / ours["num_total_gpus"] >= rate / gpus - 0.001
            for ours in found
        )
        assert any(
            ours["tpot"] == decode["tpot"]
            and (load or ours["request_rate"] * (budget // ours["num_total_gpus"]) >= rate * (budget // gpus) * 0.999)
            for ours in found
        )


def test_pair_worked_out_by_hand() -> None:
    """2 × 5/s · 0.9 of prefill, 1 × 9/s · 0.92 of decode: decode is the slower side, on 2 · 1 + 1 · 4 GPUs."""
    workers = Workers(
        {Role.PREFILL: [row(1, 100.0, 0.0, 5.0, 1.0, 1)], Role.DECODE: [row(4, 0.0, 20.0, 9.0, 48.0, 48)]}
    )
    pairs = pairing.pair(workers, search(6))
    assert pairs is not None
    found = list(pairing.rows(pairs, worth_showing(pairs.replicas, search(6)), workers))
    (best,) = found
    assert (best["(p)workers"], best["(d)workers"], best["num_total_gpus"]) == (2, 1, 6)
    assert (best["ttft"], best["tpot"], best["concurrency"]) == (180.0, 20.0, 48.0)
    assert best["request_rate"] == pytest.approx(8.28)
    assert (best["(p)request_rate"], best["(d)request_rate"]) == pytest.approx((4.5, 8.28))


@pytest.mark.parametrize("side", [Role.PREFILL, Role.DECODE])
def test_pair_is_as_deployable_as_both_of_its_workers(side: Role) -> None:
    worker = row(1, 50.0, 20.0, 5.0, 8.0, 8)
    rows: dict[Role, list[Row]] = {
        role: [{**worker, "deployable": role is not side}] for role in (Role.PREFILL, Role.DECODE)
    }
    pairs = pairing.pair(Workers(rows), search(4))
    assert pairs is not None
    assert not pairs.replicas.deployable.any()


def test_many_small_workers_go_together() -> None:
    """A decode worker that serves 1/20 of what a prefill worker does is there twenty times."""
    workers = Workers({Role.PREFILL: [row(1, 10.0, 0.0, 20.0, 1.0, 1)], Role.DECODE: [row(1, 0.0, 20.0, 1.0, 4.0, 4)]})
    pairs = pairing.pair(workers, search(64))
    assert pairs is not None
    assert max(replica["(d)workers"] for replica in pairing.rows(pairs, range(pairs.prefill.size), workers)) >= 19


@pytest.mark.parametrize("factor", [1e-4, 1.0, 1e4])
def test_rates_of_any_size_are_told_apart(factor: float) -> None:
    found = [row(1, 50.0, 10.0 + number / 10, rate * factor, 8.0, 8) for number, rate in enumerate((7.0, 7.4, 7.1))]
    assert worth_showing(table(found), search(8)) == [0, 1]


def test_worker_that_needs_more_memory_than_there_is_is_no_replica_to_deploy() -> None:
    found = [{**row(1, 50.0, 10.0, 1.0, 8.0, 8), "memory": memory} for memory in (79.9, 80.1)]
    assert [marked["deployable"] for marked in _marked(found, Role.AGGREGATED, search(8))] == [True, False]


def tried(prefill: Row, decode: Row, budget: int) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = []
    for p, d in product(range(1, budget + 1), repeat=2):
        gpus = p * prefill["num_total_gpus"] + d * decode["num_total_gpus"]
        if gpus <= budget:
            found.append((min(p * prefill["request_rate"] * 0.9, d * decode["request_rate"] * 0.92), gpus))
    return found


distinct = st.lists(rows, min_size=1, max_size=6, unique_by=lambda estimate: estimate["bs"])


@given(distinct, distinct, targets, targets)
def test_sides_are_each_the_best_by_themselves_for_the_planner(
    prefills: list[Row], decodes: list[Row], ttft: Target | None, itl: Target | None
) -> None:
    """One worker of each role, each with the most requests per second for each of its GPUs under its target."""
    wanted = search(8, autoscale=True)
    workers = Workers({Role.PREFILL: prefills, Role.DECODE: decodes})
    pairs = pairing.pair(workers, wanted)
    assert pairs is not None
    found = list(pairing.rows(pairs, worth_showing(pairs.replicas, wanted), workers))
    assert all((replica["(p)workers"], replica["(d)workers"]) == (1, 1) for replica in found)
    candidates = read_rows(found, wanted, Facts(MODEL, {Backend.VLLM: "1"}, 81_920)).candidates
    goal = Goal(isl=1000, osl=OSL, ttft=ttft, itl=itl, objective=OptimizationType.THROUGHPUT, autoscale=True)
    choice = choose([scale(option, goal, 8) for option in candidates], goal, 8)
    assert choice is not None
    assert choice.replicas == 1
    prompt = [p for p in prefills if ttft is None or p["ttft"] * pairing.QUEUED_TTFT <= ttft.value]
    quick = [d for d in decodes if itl is None or d["tpot"] <= itl.value]
    assume(prompt and quick)
    for worker, side, share in zip(choice.workers, (prompt, quick), (0.9, 0.92), strict=True):
        assert worker.request_rate is not None
        best = max(estimate["request_rate"] * share / estimate["num_total_gpus"] for estimate in side)
        assert worker.request_rate / worker.gpus == pytest.approx(best, abs=0.002)


def test_every_shape_is_shown_where_it_would_be_good() -> None:
    slow: list[Any] = [row(1, 20.0, itl, 1.0, 4.0, 1) for itl in (10.0, 11.0, 40.0)]
    fast = row(2, 5.0, 5.0, 90.0, 64.0, 1)
    replicas = dataclasses.replace(table([*slow, fast]), shape=np.array([0, 0, 0, 1]))
    assert worth_showing(replicas, search(8)) == [0, 2, 3]


def test_replica_that_cannot_be_deployed_hides_none_that_can() -> None:
    better = {**row(1, 5.0, 10.0, 9.0, 64.0, 1), "deployable": False}
    found = [row(1, 20.0, itl, 1.0, 4.0, 1) for itl in (10.1, 10.2)]
    assert worth_showing(table([better, *found]), search(8)) == [0, 1]
