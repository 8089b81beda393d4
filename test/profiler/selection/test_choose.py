from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Outcome, Parallelism, Role, Verdict
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.judge import judge, warnings
from dgdr_controller.profiler.selection.likely import chance, weight
from dgdr_controller.profiler.selection.scaling import scale, served
from test.builders.estimates import erring, promising


def free(_: Any) -> Verdict | None:
    return None


def pool(make: Any, goal: Goal) -> dict[str, Any]:
    shapes = {
        "dense": make(tp=2, ttft=900, itl=29, per_gpu=1000),
        "knee": make(tp=4, ttft=400, itl=10, per_gpu=600),
        "fast": make(tp=8, ttft=150, itl=5, per_gpu=200),
        "too slow": make(tp=1, ttft=900, itl=40, per_gpu=1100),
        "worse": make(tp=2, batch=9, ttft=950, itl=29, per_gpu=900),
    }
    return {name: scale(shape, goal, 8) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("objective", "winner"),
    [
        (OptimizationType.THROUGHPUT, "dense"),
        (OptimizationType.LATENCY, "fast"),
        (OptimizationType.HYBRID, "knee"),  # 600²·100 beats 1000²·34 and 200²·200
    ],
)
def test_each_objective_has_its_winner(
    make_candidate: Any, plain_goal: Goal, objective: OptimizationType, winner: str
) -> None:
    goal = plain_goal.model_copy(update={"objective": objective})
    candidates = pool(make_candidate, goal)
    assert choose(candidates.values(), goal, budget=8) == candidates[winner]


def test_written_target_weighs_more_than_a_default_one(make_candidate: Any, plain_goal: Goal) -> None:
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


def test_unreachable_target_warns_with_what_the_choice_reaches(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(
        update={"ttft": Target(value=50, explicit=True), "itl": Target(value=1, explicit=True)}
    )
    (warning,) = warnings(judge([make_candidate(tp=8, ttft=119.6, itl=5.43)], goal, 8, free), goal, 8, "h100_sxm")
    assert warning.type == "SLAWarning"
    assert warning.message == (
        "Cannot meet TTFT=50ms and ITL=1ms with this model/hardware. Closest achievable: TTFT=120ms, ITL=5.43ms "
        "(vllm aggregated, 1 × tp8 on h100_sxm). Deploying with best available configuration"
    )


def test_missed_default_target_is_no_warning(make_candidate: Any, plain_goal: Goal) -> None:
    assert warnings(judge([make_candidate(itl=500)], plain_goal, 8, free), plain_goal, 8, "l4") == []


def test_load_beyond_the_budget_warns_with_the_share_served(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"request_rate": 40.0})
    most = scale(make_candidate(tp=2, per_gpu=1000), goal, 8)
    (warning,) = warnings(judge([most], goal, 8, free), goal, 8, "h100_sxm")
    assert warning.message == (
        "Cannot serve requestRate=40/s with 8 GPUs. Closest achievable: 20% of it. Requests beyond that wait, which the "
        "estimated TTFT leaves out. 40 GPUs serve it within the latency "
        "targets. Deploying with best available configuration"
    )
    written = goal.model_copy(update={"itl": Target(value=5, explicit=True)})
    missed, share = warnings(judge([most], written, 8, free), written, 8, "h100_sxm")
    assert missed.message.startswith("Cannot meet ITL=5ms")
    assert share.message == (
        "Cannot serve requestRate=40/s with 8 GPUs. Closest achievable: 20% of it. Requests beyond that wait, which the "
        "estimated TTFT leaves out. "
        "Deploying with best available configuration"
    )


def test_arrivals_are_served_before_a_written_target_is_met(make_candidate: Any, plain_goal: Goal) -> None:
    """At a rate that is not served a queue grows without end, and the target fails all the same."""
    goal = plain_goal.model_copy(update={"request_rate": 10.0, "itl": Target(value=30, explicit=True)})
    steady = scale(make_candidate(tp=1, batch=1, itl=25, per_gpu=100), goal, 1)
    busy = scale(make_candidate(tp=1, batch=512, itl=49, per_gpu=12_000), goal, 1)
    judgement = judge([steady, busy], goal, 1, free)
    assert judgement.choice is not None
    assert judgement.choice.id == busy.id
    assert judgement.choice.verdict is not None
    assert judgement.choice.verdict.reason == (
        "no configuration that serves as much of the load meets every target (misses ITL=30ms by 63 %)"
    )
    missed, more = warnings(judgement, goal, 1, "h200_sxm")
    assert missed.message.startswith(
        "Cannot meet ITL=30ms at requestRate=10/s with this model/hardware. Closest achievable: ITL=49ms "
    )
    assert more.message == ("The budget serves requestRate=10/s only outside of the latency targets: it takes 100 GPUs")


def test_requests_in_flight_are_served_after_the_written_targets(make_candidate: Any, plain_goal: Goal) -> None:
    """They wait for their answers: fewer of them at a time are slower together and not one by one."""
    goal = plain_goal.model_copy(update={"concurrency": 64.0, "itl": Target(value=30, explicit=True)})
    steady = scale(make_candidate(tp=1, batch=16, itl=25, per_gpu=100), goal, 1)
    busy = scale(make_candidate(tp=1, batch=64, itl=49, per_gpu=12_000), goal, 1)
    assert choose([steady, busy], goal, 1) == steady


def test_default_target_does_not_starve_the_load(make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"request_rate": 4.0})
    slow = scale(make_candidate(tp=2, itl=31, per_gpu=500), goal, 8)
    steady = scale(make_candidate(tp=4, itl=29, per_gpu=450), goal, 8)
    assert choose([slow, steady], goal, 8) == slow


def written(goal: Goal, **targets: float) -> Goal:
    return goal.model_copy(update={name: Target(value=value, explicit=True) for name, value in targets.items()})


def promised(goal: Goal, row: str, candidate: Any) -> Candidate:
    """The candidate with as many replicas as are wanted, its errors those of a row."""
    (found,) = promising([scale(erring(candidate, row), goal, 8)], goal)
    return found


@pytest.mark.parametrize("objective", [OptimizationType.HYBRID, OptimizationType.THROUGHPUT])
def test_throughput_is_weighed_against_the_chance_to_meet_the_targets(
    make_candidate: Any, plain_goal: Goal, objective: OptimizationType
) -> None:
    goal = written(plain_goal, ttft=1000, itl=20).model_copy(update={"objective": objective})
    fast = promised(goal, "narrow", make_candidate(tp=8, itl=7.8, per_gpu=395))
    safe = promised(goal, "narrow", make_candidate(tp=4, batch=100, itl=16.4, per_gpu=700))
    edge = promised(goal, "narrow", make_candidate(tp=4, batch=128, itl=19.4, per_gpu=812))
    over = promised(goal, "narrow", make_candidate(tp=4, batch=160, itl=20.1, per_gpu=1600))
    assert [round(chance(c, goal), 2) for c in (fast, safe, edge, over)] == [0.96, 0.92, 0.62, 0.47]
    judgement = judge([fast, safe, edge, over], goal, 8, free)
    assert judgement.choice is not None
    assert judgement.choice.id == safe.id
    assert judgement.choice.verdict is not None
    assert judgement.choice.verdict.reason == (
        "best trade of tokens/s/GPU and the chance to meet the targets (92 %) among those whose estimates meet the "
        "targets; the most throughput is 812 tokens/s/GPU (+16 %) on 8 GPUs, with TTFT 100 ms and ITL 19.4 ms, 62 % likely within the "
        "targets"
    )


def test_price_of_a_strict_target_is_told_where_a_looser_one_gives_much_more(
    make_candidate: Any, plain_goal: Goal
) -> None:
    goal = written(plain_goal, ttft=300, itl=10)
    alone = make_candidate(tp=8, batch=1, ttft=296, itl=7.9, per_gpu=4)
    many = make_candidate(tp=8, batch=9, ttft=338, itl=11.3, per_gpu=31)
    far = make_candidate(tp=8, batch=99, ttft=340, itl=11.6, per_gpu=300)
    judgement = judge([alone, many, far], goal, 8, free)
    assert judgement.choice is not None
    assert judgement.choice.verdict is not None
    assert judgement.choice.verdict.reason == (
        "most tokens/s/GPU among those that meet the targets; targets that are 15 % looser allow 31 tokens/s/GPU (+680 %) on "
        "8 GPUs, with TTFT 338 ms and ITL 11.3 ms"
    )


def test_wide_errors_make_a_candidate_worth_less(make_candidate: Any, plain_goal: Goal) -> None:
    goal = written(plain_goal, itl=20)
    known = promised(goal, "narrow", make_candidate(tp=4, itl=15, per_gpu=600))
    unknown = promised(goal, "wide", make_candidate(tp=4, batch=9, itl=15, per_gpu=650))
    assert choose([known, unknown], goal, 8) == known
    free_of_targets = plain_goal.model_copy(update={"objective": OptimizationType.THROUGHPUT})
    assert choose([known, unknown], free_of_targets, 8) == unknown


def test_default_targets_weigh_once_and_written_ones_twice(make_candidate: Any, plain_goal: Goal) -> None:
    candidate = promised(plain_goal, "wide", make_candidate(itl=30, ttft=2000))
    assert weight(candidate, plain_goal) == pytest.approx(0.5 * 0.5)
    both = written(plain_goal, ttft=2000, itl=30)
    assert weight(promised(both, "wide", make_candidate(itl=30, ttft=2000)), both) == pytest.approx(0.25 * 0.25)


def test_warning_says_how_likely_targets_are_met_that_the_estimates_meet(make_candidate: Any, plain_goal: Goal) -> None:
    goal = written(plain_goal, ttft=110, itl=10.5).model_copy(update={"objective": OptimizationType.THROUGHPUT})
    dense = promised(goal, "wide", make_candidate(ttft=100, itl=10, per_gpu=900))
    safe = promised(goal, "narrow", make_candidate(tp=4, ttft=60, itl=6, per_gpu=50))
    judgement = judge([dense, safe], goal, 8, free)
    (warning,) = warnings(judgement, goal, 8, "h200_sxm")
    assert warning.type == "SLAWarning"
    assert warning.message == (
        "The estimates are within the targets, but may be off: TTFT=110ms is 56 % likely, ITL=10.5ms is 53 % likely; all "
        "of them: 29 %. The likeliest configuration, vllm aggregated, 2 × tp4, has 96 % at 50 tokens/s/GPU. Measure the "
        "deployment before you rely on it"
    )
    (alone,) = warnings(judge([dense], goal, 8, free), goal, 8, "h200_sxm")
    assert "likeliest" not in alone.message
    assert warnings(judge([safe], goal, 8, free), goal, 8, "h200_sxm") == []


def test_target_that_may_be_met_all_the_same_is_unlikely_and_not_impossible(
    make_candidate: Any, plain_goal: Goal
) -> None:
    goal = written(plain_goal, itl=10)
    for itl, sentence in (
        (11, "Unlikely to meet ITL=10ms (33 % likely) with this model/hardware."),
        (30, "Cannot meet ITL=10ms with this model/hardware."),
    ):
        judgement = judge([promised(goal, "skewed", make_candidate(itl=itl))], goal, 8, free)
        (warning,) = warnings(judgement, goal, 8, "h200_sxm")
        assert warning.message.startswith(sentence)


def test_target_out_of_reach_does_not_leave_the_gpus_to_one_request(make_candidate: Any, plain_goal: Goal) -> None:
    alone = make_candidate(tp=8, batch=1, ttft=590, itl=9.8, per_gpu=10)
    near = make_candidate(tp=8, batch=24, ttft=600, itl=11.2, per_gpu=200)
    far = make_candidate(tp=8, batch=64, ttft=900, itl=12, per_gpu=400)
    goal = written(plain_goal, ttft=300, itl=10)
    judgement = judge([alone, near, far], goal, 8, free)
    assert judgement.choice is not None
    assert judgement.choice.id == near.id
    assert judgement.choice.verdict is not None
    assert judgement.choice.verdict.reason == (
        "no configuration meets every target; most tokens/s/GPU among those within 15 % of the closest one (misses TTFT=300ms by 100 %, misses ITL=10ms by 12 %)"
    )
    (warning,) = warnings(judgement, goal, 8, "h200_sxm")
    assert (
        "TTFT=590ms and ITL=9.8ms would leave 10 tokens/s/GPU; the deployed configuration has 200. " in warning.message
    )


def test_target_out_of_reach_prefers_several_requests_half_again_as_far(make_candidate: Any, plain_goal: Goal) -> None:
    alone = make_candidate(tp=8, batch=1, ttft=212, itl=5, per_gpu=20)
    pair = make_candidate(tp=8, batch=2, ttft=240, itl=6, per_gpu=31)
    several = make_candidate(tp=8, batch=3, ttft=255, itl=7, per_gpu=42)
    more = make_candidate(tp=8, batch=8, ttft=290, itl=9, per_gpu=76)
    far = make_candidate(tp=8, batch=16, ttft=330, itl=19, per_gpu=97)
    goal = written(plain_goal, ttft=200, itl=50)
    judgement = judge([alone, pair, several, more, far], goal, 8, free)
    assert judgement.choice is not None
    assert judgement.choice.id == more.id
    assert judgement.choice.verdict is not None
    assert judgement.choice.verdict.reason == (
        "no configuration meets every target; most tokens/s/GPU among those within 15 % of the closest one that works on more than 2 requests at a time (misses TTFT=200ms by 45 %)"
    )
    assert choose([alone, pair, far], goal, 8) == pair
    assert choose([alone, pair, more], goal.model_copy(update={"objective": OptimizationType.LATENCY}), 8) == alone


def test_default_target_costs_half_of_the_throughput_at_most(make_candidate: Any, plain_goal: Goal) -> None:
    slow = scale(make_candidate(tp=2, batch=64, itl=40, per_gpu=1000), plain_goal, 8)
    steady = scale(make_candidate(tp=4, batch=16, itl=29, per_gpu=490), plain_goal, 8)
    assert choose([slow, steady], plain_goal, 8) == slow
    cheap = scale(make_candidate(tp=4, batch=17, itl=29, per_gpu=510), plain_goal, 8)
    assert choose([slow, steady, cheap], plain_goal, 8) == cheap


@pytest.mark.parametrize("targets", [{}, {"itl": 40}])
def test_engine_for_one_or_two_requests_is_for_nobody_who_can_have_more(
    make_candidate: Any, plain_goal: Goal, targets: dict[str, float]
) -> None:
    few = [make_candidate(batch=1, itl=5, per_gpu=180), make_candidate(batch=2, itl=11, per_gpu=235)]
    more = [make_candidate(batch=3, itl=17, per_gpu=260), make_candidate(batch=5, itl=29, per_gpu=285)]
    goal = written(plain_goal, **targets)
    choice = choose([*few, *more], goal, 8)
    assert choice in more
    assert choose(few, goal, 8) in few


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
        "knee": "selected: best balance of tokens/s/GPU and tokens/s/user among those that meet the targets; "
        "the most throughput is 1000 tokens/s/GPU (+67 %) on 8 GPUs, with TTFT 900 ms and ITL 29 ms",
        "dense": "alternative: tokens/s/user −66 %, tokens/s/GPU +67 %, TTFT +120 % vs selected",
        "fast": "alternative: tokens/s/user +100 %, tokens/s/GPU −67 %, TTFT −62 % vs selected",
        "too slow": "misses-target: misses ITL=30ms by 33 %",
        "worse": f"dominated: {candidates['dense'].id} (aggregated, 4 × tp2) is at least as good in everything",
        "odd": "not-renderable: three",
        "huge": "over-budget: needs 16 GPUs; the budget is 8",
    }


def test_one_engine_is_simpler_than_workers_that_hand_caches_over(make_candidate: Any, plain_goal: Goal) -> None:
    goal = written(plain_goal, itl=20)
    together = make_candidate(tp=4, batch=48, itl=16.8, per_gpu=702)
    prefill, decode = (together.workers[0].model_copy(update={"role": role}) for role in (Role.PREFILL, Role.DECODE))
    apart = make_candidate(tp=8, itl=16.4, per_gpu=701, mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    pool = [scale(together, goal, 8), scale(apart, goal, 8)]
    assert choose(pool, goal, 8) == pool[0]
    much = make_candidate(tp=8, itl=16.4, per_gpu=780, mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    better = scale(much, goal, 8)
    assert choose([pool[0], better], goal, 8) == better


def test_planner_sets_the_number_of_workers_of_each_role(make_candidate: Any, plain_goal: Goal) -> None:
    """Four prefill and two decode workers serve 8 requests/s with 8 GPUs; whole pairs would serve 4."""
    goal = plain_goal.model_copy(update={"autoscale": True, "request_rate": 10.0})
    worker = make_candidate(tp=1).workers[0]
    prefill = worker.model_copy(update={"role": Role.PREFILL, "request_rate": 2.0})
    decode = worker.model_copy(update={"role": Role.DECODE, "request_rate": 4.0, "parallelism": Parallelism(tp=2)})
    pair = make_candidate(tp=3, mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    assert served(pair, goal, 8) == 0.8
    (warning,) = warnings(judge([pair], goal, 8, free), goal, 8, "h200_sxm")
    assert "Closest achievable: 80% of it." in warning.message


def test_planner_balances_what_candidates_are_compared_by(make_candidate: Any, plain_goal: Goal) -> None:
    """A prefill worker spends 0.5 GPU seconds on a request of 1000 tokens, a decode worker as much: 1000 tokens/s/GPU."""
    goal = plain_goal.model_copy(update={"autoscale": True})
    worker = make_candidate(tp=1).workers[0]
    prefill = worker.model_copy(update={"role": Role.PREFILL, "request_rate": 2.0})
    decode = worker.model_copy(update={"role": Role.DECODE, "request_rate": 4.0, "parallelism": Parallelism(tp=2)})
    slow = decode.model_copy(update={"request_rate": 2.0, "batch": 4})
    pair = make_candidate(tp=3, mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    other = make_candidate(tp=3, itl=8, mode=Mode.DISAGGREGATED, workers=(prefill, slow), per_gpu=200)
    judgement = judge([pair, other], goal, 8, free)
    reasons = {c.id: c.verdict.reason for c in judgement.candidates if c.verdict}
    assert "; compared as the planner will balance the workers: 1000 tokens/s/GPU" in reasons[pair.id]
    assert reasons[other.id] == "tokens/s/user +25 %, tokens/s/GPU −33 % vs selected"


@pytest.mark.parametrize("autoscale", [False, True])
def test_load_that_stands_in_the_way_of_a_target_is_named(
    make_candidate: Any, plain_goal: Goal, *, autoscale: bool
) -> None:
    goal = written(plain_goal, ttft=500, itl=50).model_copy(update={"request_rate": 4.0, "autoscale": autoscale})
    all_of_it = make_candidate(tp=8, batch=64, ttft=513, itl=34, per_gpu=500)
    in_time = make_candidate(tp=8, batch=63, ttft=331, itl=34, per_gpu=490)
    judgement = judge([all_of_it, in_time], goal, 8, free)
    assert judgement.choice is not None
    assert judgement.choice.id == all_of_it.id
    message = warnings(judgement, goal, 8, "h100_sxm")[0].message
    assert message.startswith(
        "Cannot meet TTFT=500ms at requestRate=4/s with this model/hardware. Closest achievable: "
    )
    assert "Within the targets, 98% of the load can be served. " in message
