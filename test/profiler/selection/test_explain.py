from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Outcome
from dgdr_api.results import Goal, Results, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.explain import explain, explain_candidate
from dgdr_controller.profiler.selection.judge import judge
from dgdr_controller.profiler.selection.scaling import scale
from test.builders.results import candidate_of, results_of


def judged(*candidates: Candidate, **goal: Any) -> Results:
    """Judge candidates as the profiler does."""
    defaults = {"ttft": Target(value=2000, explicit=False), "itl": Target(value=30, explicit=False)}
    fields: dict[str, Any] = {"isl": 4000, "osl": 1000, "objective": OptimizationType.THROUGHPUT} | defaults | goal
    wanted = Goal(**fields)
    scaled = [scale(candidate, wanted, 8) for candidate in candidates]
    judgement = judge(scaled, wanted, 8, lambda _: None)
    assert judgement.choice is not None
    results = results_of(judgement.candidates, selected=0)
    return results.model_copy(update={"goal": wanted})


FAST, DENSE = candidate_of(4, per_gpu=400, ttft=60), candidate_of(2, per_gpu=500, ttft=100)


def test_runner_up_is_named_with_its_distance() -> None:
    rule, winner, verdict, runner_up, *_, last = explain(judged(FAST, DENSE))
    assert rule == (
        "Candidates are compared by the default targets, then tokens/s for the GPUs of the budget "
        "(optimizationType throughput)."
    )
    assert verdict == "Its verdict: most tokens/s/GPU among those that meet the targets."
    assert winner.startswith("The winner, vllm aggregated, 4 × tp2 (vllm-agg-")
    assert "500 tokens/s/GPU" in winner
    assert runner_up.startswith("The runner-up, vllm aggregated, 2 × tp4 (vllm-agg-")
    assert "a score 20 % lower (400 tokens/s/GPU" in runner_up
    assert last == "Of 2 candidates: 1 alternative, 1 selected."


def test_runner_up_that_misses_a_target_is_told_by_that() -> None:
    target = Target(value=80, explicit=True)
    rule, winner, _, runner_up, *_ = explain(judged(FAST, DENSE, ttft=target))
    assert "the targets that you wrote" in rule
    assert "TTFT 60 ms of 80" in winner
    assert runner_up.endswith("TTFT is 100 ms, over 80.")


def test_fewer_gpus_win_with_a_load() -> None:
    rule, _, _, runner_up, *_ = explain(judged(FAST, DENSE, concurrency=8.0))
    assert "the share of the load that is served, then the default targets, then the fewest GPUs" in rule
    assert runner_up.endswith("it takes 4 GPUs, the winner 2.")


@pytest.mark.parametrize("objective", OptimizationType)
def test_runner_up_is_never_said_to_be_ahead_of_the_winner(objective: OptimizationType) -> None:
    lines = list(explain(judged(FAST, DENSE, candidate_of(1, per_gpu=300, ttft=300), objective=objective)))
    assert len([line for line in lines if "% lower" in line or "% longer" in line]) == 1


def test_runner_up_says_by_what_it_comes_after() -> None:
    few = candidate_of(4, per_gpu=900, batch=2)
    *_, runner_up, last = explain(judged(FAST, few, objective=OptimizationType.HYBRID))
    assert "its engines work on 2 requests at a time (900 tokens/s/GPU" in runner_up
    assert last.startswith("Of 2 candidates")
    slow = candidate_of(1, per_gpu=600, ttft=2500)
    *_, runner_up, last = explain(judged(FAST, slow))
    assert runner_up.endswith("TTFT is 2500 ms, over 2000.")
    *_, runner_up, last = explain(judged(FAST, DENSE, request_rate=3.9))
    assert "it serves" in runner_up


def test_single_candidate_has_no_runner_up() -> None:
    lines = list(explain(judged(DENSE)))
    assert not any("runner-up" in line for line in lines)
    assert lines[-1] == f"Of 1 candidates: 1 {Outcome.SELECTED}."


def test_loser_is_held_against_the_winner() -> None:
    results = judged(FAST, DENSE)
    choice, loser = results.candidates
    verdict, numbers, winner, rule, behind = explain_candidate(loser, results)
    assert verdict.startswith(f"vllm aggregated, 2 × tp4 ({loser.id}) was not chosen: alternative, ")
    assert numbers.startswith("Its numbers: 400 tokens/s/GPU, ")
    assert winner.startswith(f"The winner, vllm aggregated, 4 × tp2 ({choice.id}): 500 tokens/s/GPU, ")
    assert rule.startswith("Candidates are compared by the default targets, ")
    assert behind == "It comes after the winner: a score 20 % lower."


def test_winner_is_explained_as_the_choice() -> None:
    results = judged(FAST, DENSE)
    assert list(explain_candidate(results.candidates[0], results)) == list(explain(results))


def test_candidate_of_a_search_without_a_winner_has_its_verdict_alone() -> None:
    results = judged(FAST, DENSE).model_copy(update={"selected": None})
    (line,) = explain_candidate(results.candidates[1], results)
    assert "was not chosen: alternative, " in line
