from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, Outcome, Verdict
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.judge import judge, warnings
from dgdr_controller.profiler.selection.pareto import Criteria, front
from dgdr_controller.profiler.selection.scaling import scale, served
from dgdr_controller.profiler.selection.targets import meets_targets, violation
from dgdr_controller.profiling_job.protocol import Goal

BUDGET = 16
Strategy = st.SearchStrategy[Candidate]


def drawn(data: st.DataObject, candidates: Strategy, goal: Goal) -> list[Candidate]:
    pool = data.draw(st.lists(candidates, min_size=1, max_size=12))
    distinct = {c.id: c for c in (scale(candidate, goal, BUDGET) for candidate in pool)}
    return list(distinct.values())


def never(_: Candidate) -> Verdict | None:
    return None


@given(data=st.data())
def test_an_infeasible_candidate_never_wins_while_a_feasible_one_is_within_budget(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    judgement = judge(drawn(data, candidates, goal), goal, BUDGET, never)
    affordable = [c for c in judgement.candidates if c.gpus <= BUDGET]
    if judgement.choice is None:
        assert not affordable
        return
    if any(not violation(c, goal, explicit=True) for c in affordable):
        assert not violation(judgement.choice, goal, explicit=True)
    # Default targets give way to a load that was asked for, and to nothing else.
    of_choice = Criteria.of(judgement.choice, goal, BUDGET).served
    as_good = [c for c in affordable if Criteria.of(c, goal, BUDGET).served >= of_choice]
    if any(meets_targets(c, goal) for c in as_good):
        assert meets_targets(judgement.choice, goal)


@given(data=st.data())
def test_the_choice_is_within_budget_and_on_the_front(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    judgement = judge(drawn(data, candidates, goal), goal, BUDGET, never)
    if judgement.choice is None:
        assert all(c.gpus > BUDGET for c in judgement.candidates)
        return
    assert judgement.choice.gpus <= BUDGET
    mine = Criteria.of(judgement.choice, goal, BUDGET)
    others = [Criteria.of(c, goal, BUDGET) for c in judgement.candidates if c.gpus <= BUDGET]
    assert not any(other.dominates(mine) for other in others)
    assert judgement.choice.id in {c.id for c in judgement.pareto}


@given(data=st.data())
def test_the_order_of_the_candidates_does_not_matter(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    shuffled = data.draw(st.permutations(pool))
    assert judge(pool, goal, BUDGET, never) == judge(shuffled, goal, BUDGET, never)


@given(data=st.data())
def test_the_front_is_exactly_what_nothing_dominates(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    criteria = {c.id: Criteria.of(c, goal, BUDGET) for c in pool}
    undominated = {i for i, mine in criteria.items() if not any(o.dominates(mine) for o in criteria.values())}
    assert {c.id for c in front(pool, goal, BUDGET)} == undominated


@given(data=st.data())
def test_choice_comes_closest_to_the_written_targets_when_nothing_is_feasible(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    choice = choose(pool, goal, BUDGET)
    assert choice is not None
    assert violation(choice, goal, explicit=True) == min(violation(c, goal, explicit=True) for c in pool)


@given(data=st.data())
def test_every_candidate_gets_one_verdict_and_exactly_one_is_selected(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    judgement = judge(pool, goal, BUDGET, never)
    assert sorted(c.id for c in judgement.candidates) == sorted(c.id for c in pool)
    verdicts = [c.verdict for c in judgement.candidates]
    assert all(verdict is not None and verdict.reason for verdict in verdicts)
    selected = [v for v in verdicts if v and v.outcome is Outcome.SELECTED]
    assert len(selected) == (judgement.choice is not None)


@given(data=st.data())
def test_replicas_serve_the_load_with_the_fewest_or_fill_the_budget(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal, one = data.draw(goals), data.draw(candidates)
    many = scale(one, goal, BUDGET)
    full = max(1, BUDGET // one.gpus)
    assert 1 <= many.replicas <= full
    if goal.autoscale:  # the planner adds the others
        assert many.replicas == 1
        return
    load = goal.concurrency or goal.request_rate
    if load is None:
        assert many.replicas == full
        return
    each = one.numbers.concurrency if goal.concurrency else one.numbers.request_rate
    assert many.replicas == full or many.replicas * each >= load * (1 - 1e-9)
    assert many.replicas == 1 or (many.replicas - 1) * each < load * (1 + 1e-9)


def test_the_planner_can_serve_a_load_by_all_it_may_use(make_candidate: Any, plain_goal: Goal) -> None:
    """A batch of one is the quickest for each request; four such engines never serve 40 of them at once."""
    goal = plain_goal.model_copy(
        update={"autoscale": True, "concurrency": 40.0, "objective": OptimizationType.LATENCY, "ttft": None}
    )
    quick, large = make_candidate(tp=2, batch=1, itl=8, per_gpu=10), make_candidate(tp=2, batch=16, itl=20, per_gpu=90)
    assert (served(quick, goal, 8), served(large, goal, 8)) == (0.1, 1.0)
    assert choose([quick, large], goal, 8) == large
    assert choose([quick], goal, 8) == quick
    told = warnings(judge([quick], goal, 8, never), goal, 8, "h200_sxm")
    assert any("Closest achievable: 10" in each.message for each in told)
