from typing import Any

import pytest

from dgdr_api.candidate import Mode, Outcome, Parallelism, Role, Verdict
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.judge import judge, warnings
from dgdr_controller.profiler.selection.scaling import scale
from dgdr_controller.profiling_job.protocol import Goal, Target


def free(_: Any) -> Verdict | None:
    return None


def pool(make: Any, goal: Goal) -> dict[str, Any]:
    shapes = {
        "dense": make(tp=2, ttft=900, itl=29, per_gpu=1000),
        "knee": make(tp=4, ttft=400, itl=10, per_gpu=600),
        "fast": make(tp=8, ttft=150, itl=5, per_gpu=200),
        "too slow": make(tp=1, ttft=900, itl=40, per_gpu=2000),
        "worse": make(tp=2, batch=9, ttft=950, itl=29, per_gpu=900),
    }
    return {name: scale(shape, goal, 8) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("objective", "winner"),
    [
        (OptimizationType.THROUGHPUT, "dense"),
        (OptimizationType.LATENCY, "fast"),
        (OptimizationType.HYBRID, "knee"),  # 600·100 beats 1000·34 and 200·200
    ],
)
def test_each_objective_has_its_winner(
    make_candidate: Any, plain_goal: Goal, objective: OptimizationType, winner: str
) -> None:
    goal = plain_goal.model_copy(update={"objective": objective})
    candidates = pool(make_candidate, goal)
    assert choose(candidates.values(), goal, budget=8) == candidates[winner]


def test_a_written_target_weighs_more_than_a_default_one(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"ttft": Target(value=200, explicit=True)})
    prompt = make_candidate(ttft=150, itl=45)
    steady = make_candidate(tp=4, ttft=250, itl=20)
    assert choose([prompt, steady], goal, budget=8) == prompt


def test_gpus_left_idle_count_against_a_candidate(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"objective": OptimizationType.THROUGHPUT})
    wide = scale(make_candidate(tp=4, per_gpu=101), goal, 6)
    snug = scale(make_candidate(tp=2, per_gpu=100), goal, 6)
    assert (wide.gpus, snug.gpus) == (4, 6)
    assert choose([wide, snug], goal, 6) == snug


def test_fewer_gpus_beat_more_throughput_with_a_load(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"concurrency": 16.0})
    small = scale(make_candidate(tp=1, batch=16, per_gpu=100), goal, 8)
    large = scale(make_candidate(tp=4, batch=16, per_gpu=900), goal, 8)
    assert choose([small, large], goal, 8) == small


def test_ties_go_to_fewer_gpus_then_aggregated(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"concurrency": 8.0})
    free_of_load = plain_goal.model_copy(update={"objective": OptimizationType.THROUGHPUT})
    small, large = make_candidate(tp=2, per_gpu=200), make_candidate(tp=4, per_gpu=100)
    assert choose([large, small], free_of_load, 8) == small
    together = make_candidate(tp=2)
    prefill = together.workers[0].model_copy(update={"role": Role.PREFILL, "parallelism": Parallelism(tp=1)})
    decode = prefill.model_copy(update={"role": Role.DECODE})
    apart = make_candidate(tp=2, mode=Mode.DISAGGREGATED, workers=(prefill, decode), backend=Backend.SGLANG)
    assert apart.id < together.id  # so that it is not the name that decides
    assert apart.gpus == together.gpus
    for pool_of_two in ([together, apart], [apart, together]):
        assert choose(pool_of_two, goal, 8) == together


def test_an_unreachable_target_warns_with_what_the_choice_reaches(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(
        update={"ttft": Target(value=50, explicit=True), "itl": Target(value=1, explicit=True)}
    )
    (warning,) = warnings(judge([make_candidate(tp=8, ttft=119.6, itl=5.43)], goal, 8, free), goal, 8, "h100_sxm")
    assert warning.type == "SLAWarning"
    assert warning.message == (
        "Cannot meet TTFT=50ms and ITL=1ms with this model/hardware. Closest achievable: TTFT=120ms, ITL=5.43ms "
        "(vllm aggregated, 1 × tp8 on h100_sxm). Deploying with best available configuration"
    )


def test_a_missed_default_target_is_no_warning(make_candidate: Any, plain_goal: Goal) -> None:
    assert warnings(judge([make_candidate(itl=500)], plain_goal, 8, free), plain_goal, 8, "l4") == []


def test_a_load_beyond_the_budget_warns_with_the_share_served(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"request_rate": 40.0})
    most = scale(make_candidate(tp=2, per_gpu=1000), goal, 8)
    (warning,) = warnings(judge([most], goal, 8, free), goal, 8, "h100_sxm")
    assert warning.message.startswith("Cannot serve requestRate=40/s with 8 GPUs. Closest achievable: 20% of it.")
    written = goal.model_copy(update={"itl": Target(value=20, explicit=True)})
    (warning,) = warnings(judge([most], written, 8, free), written, 8, "h100_sxm")
    assert warning.message.startswith("Cannot serve requestRate=40/s with 8 GPUs within the latency targets. ")


def test_a_default_target_does_not_starve_the_load(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"request_rate": 4.0})
    slow = scale(make_candidate(tp=2, itl=31, per_gpu=500), goal, 8)
    steady = scale(make_candidate(tp=4, itl=29, per_gpu=450), goal, 8)
    assert choose([slow, steady], goal, 8) == slow
    written = goal.model_copy(update={"itl": Target(value=30, explicit=True)})
    assert choose([slow, steady], written, 8) == steady


def test_every_loser_says_why(make_candidate: Any, plain_goal: Goal) -> None:
    candidates = pool(make_candidate, plain_goal) | {
        "odd": make_candidate(tp=3),
        "huge": make_candidate(tp=16),
    }

    def rejection(candidate: Any) -> Verdict | None:
        odd = candidate.gpus == 3
        return Verdict(outcome=Outcome.NOT_RENDERABLE, reason="three") if odd else None

    judged = {c.id: c.verdict for c in judge(list(candidates.values()), plain_goal, 8, rejection).candidates}
    said = {name: f"{v.outcome}: {v.reason}" for name, c in candidates.items() if (v := judged[c.id])}
    assert said == {
        "knee": "selected: best product of tokens/s/GPU and tokens/s/user among those that meet the targets",
        "dense": "alternative: tokens/s/user −66 %, tokens/s/GPU +67 %, TTFT +120 % vs selected",
        "fast": "alternative: tokens/s/user +100 %, tokens/s/GPU −67 %, TTFT −62 % vs selected",
        "too slow": "misses-target: misses ITL=30ms by 33 %",
        "worse": f"dominated: {candidates['dense'].id} (aggregated, 4 × tp2) is at least as good in everything",
        "odd": "not-renderable: three",
        "huge": "over-budget: needs 16 GPUs; the budget is 8",
    }
