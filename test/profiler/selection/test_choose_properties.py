from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, Outcome, Verdict
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection import choose as rules
from dgdr_controller.profiler.selection.judge import judge, warnings
from dgdr_controller.profiler.selection.likely import weight
from dgdr_controller.profiler.selection.pareto import Criteria, front
from dgdr_controller.profiler.selection.scaling import scale, served
from dgdr_controller.profiler.selection.targets import meets_targets, targets, violation
from test.builders.estimates import promising

BUDGET = 16
TARGETS = ("ttft", "itl", "e2e_latency")
Strategy = st.SearchStrategy[Candidate]


def drawn(data: st.DataObject, candidates: Strategy, goal: Goal) -> list[Candidate]:
    pool = data.draw(st.lists(candidates, min_size=1, max_size=12))
    distinct = {c.id: c for c in (scale(candidate, goal, BUDGET) for candidate in pool)}
    return promising(list(distinct.values()), goal)


def choose(pool: list[Candidate], goal: Goal, budget: int) -> Candidate | None:
    """Choose for a goal: what it means for the chances of each candidate is known."""
    return rules.choose(promising(pool, goal), goal, budget)


def never(_: Candidate) -> Verdict | None:
    return None


def only(goal: Goal, **values: object) -> Goal:
    """Return a goal without a load and without the planner, with these fields."""
    return goal.model_copy(update={"concurrency": None, "request_rate": None, "autoscale": False} | values)


def density(candidate: Candidate, goal: Goal) -> float:
    return Criteria.of(candidate, goal, BUDGET).tokens_per_s_per_gpu


def requests(candidate: Candidate) -> int:
    return candidate.workers[-1].batch * candidate.workers[-1].parallelism.dp


@given(data=st.data())
def test_choice_meets_the_written_targets_where_a_candidate_that_serves_as_much_does(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = [c for c in drawn(data, candidates, goal) if c.gpus <= BUDGET]
    choice = choose(pool, goal, BUDGET)
    if choice is None:
        return
    of_choice = Criteria.of(choice, goal, BUDGET).served
    rivals = [c for c in pool if goal.request_rate is None or Criteria.of(c, goal, BUDGET).served >= of_choice]
    if any(not violation(c, goal, explicit=True) for c in rivals):
        assert not violation(choice, goal, explicit=True)
    if goal.request_rate is not None:
        assert of_choice == max(Criteria.of(c, goal, BUDGET).served for c in pool)


@given(data=st.data())
def test_default_targets_cost_half_of_the_throughput_at_most(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = only(data.draw(goals))
    kept = [t if t and t.explicit else None for t in (goal.ttft, goal.itl)]
    free = goal.model_copy(update={"ttft": kept[0], "itl": kept[1]})
    pool = drawn(data, candidates, goal)
    choice, without = choose(pool, goal, BUDGET), choose(pool, free, BUDGET)
    assert choice is not None
    assert without is not None
    assert density(choice, goal) >= density(without, goal) / 2


@given(data=st.data())
def test_looser_target_never_yields_less_that_can_be_relied_on(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    """It may buy certainty instead of throughput: what is chosen is worth no less, apart from the ease of one engine."""
    objective = data.draw(st.sampled_from([OptimizationType.THROUGHPUT, OptimizationType.HYBRID]))
    goal = written(only(data.draw(goals), objective=objective))
    looser = loosened(goal, data.draw(st.sampled_from([1.1, 2.0, 10.0])))
    pool = [c for c in drawn(data, candidates, goal) if requests(c) > 2]
    choice, then = choose(pool, goal, BUDGET), choose(pool, looser, BUDGET)
    if choice is not None and then is not None and meets_targets(choice, goal):
        before = density(choice, goal) * weight(choice, goal)
        ease = 1.05 if objective is OptimizationType.HYBRID else 1 + 1e-9
        assert density(then, looser) * weight(then, looser) >= before / ease


def written(goal: Goal) -> Goal:
    """Return the goal as if its user had written every target."""
    kept = {name: t.model_copy(update={"explicit": True}) for name in TARGETS if (t := getattr(goal, name))}
    return goal.model_copy(update=kept)


def loosened(goal: Goal, factor: float) -> Goal:
    kept = {name: Target(value=t.value * factor, explicit=True) for name in TARGETS if (t := getattr(goal, name))}
    return goal.model_copy(update=kept)


@given(data=st.data())
def test_knee_has_no_neighbour_that_is_much_better_for_little(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = only(data.draw(goals), objective=OptimizationType.HYBRID, ttft=None, itl=None, e2e_latency=None)
    pool = drawn(data, candidates, goal)
    choice = choose(pool, goal, BUDGET)
    assert choice is not None
    here = Criteria.of(choice, goal, BUDGET)
    neighbours = front(pool, goal, BUDGET)  # the choice is on the front, and what is not may be anywhere
    if requests(choice) > 2:
        neighbours = [c for c in neighbours if requests(c) > 2]
    for there in (Criteria.of(c, goal, BUDGET) for c in neighbours):
        throughput = there.tokens_per_s_per_gpu / here.tokens_per_s_per_gpu
        speed = there.tokens_per_s_per_user / here.tokens_per_s_per_user
        assert max(throughput, speed) < 1.25 or min(throughput, speed) < 0.9


@given(data=st.data())
def test_more_gpus_never_serve_less_and_a_larger_load_never_a_larger_share(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals).model_copy(
        update={"autoscale": False, "concurrency": None, "request_rate": data.draw(st.sampled_from([0.5, 20.0, 300.0]))}
    )
    pool = data.draw(st.lists(candidates, min_size=1, max_size=12))
    larger = goal.model_copy(update={"request_rate": (goal.request_rate or 0) * 1.5})
    here = share(pool, goal, BUDGET)
    assert share(pool, goal, BUDGET * 2) >= here
    assert share(pool, larger, BUDGET) <= here
    assert share(pool, larger, BUDGET * 2) * 1.5 >= here * (1 - 1e-9)


def share(pool: list[Candidate], goal: Goal, budget: int) -> float:
    """Return the share of the load that the choice serves; 0 where there is none."""
    scaled = [scale(candidate, goal, budget) for candidate in pool]
    choice = choose([c for c in scaled if c.gpus <= budget], goal, budget)
    return 0.0 if choice is None else served(choice, goal, budget)


@given(data=st.data())
def test_choice_is_within_budget_and_on_the_front(
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
def test_order_of_the_candidates_does_not_matter(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    shuffled = data.draw(st.permutations(pool))
    assert judge(pool, goal, BUDGET, never) == judge(shuffled, goal, BUDGET, never)


@given(data=st.data())
def test_front_is_exactly_what_nothing_dominates(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = data.draw(goals)
    pool = drawn(data, candidates, goal)
    criteria = {c.id: Criteria.of(c, goal, BUDGET) for c in pool}
    undominated = {i for i, mine in criteria.items() if not any(o.dominates(mine) for o in criteria.values())}
    assert {c.id for c in front(pool, goal, BUDGET)} == undominated


@given(data=st.data())
def test_choice_is_near_the_closest_where_nothing_is_feasible(
    data: st.DataObject, candidates: Strategy, goals: st.SearchStrategy[Goal]
) -> None:
    goal = written(only(data.draw(goals)))
    pool = drawn(data, candidates, goal)
    choice = choose(pool, goal, BUDGET)
    assert choice is not None
    least = min(violation(c, goal, explicit=True) for c in pool)
    nearest = [c for c in pool if violation(c, goal, explicit=True) == least]
    limits = [
        max(target.value, *(targets(c, goal)[i][1] for c in nearest))
        for i, (_, _, target) in enumerate(targets(choice, goal))
    ]

    def within(candidate: Candidate, factor: float) -> bool:
        return all(
            value <= limit * factor for (_, value, _), limit in zip(targets(candidate, goal), limits, strict=True)
        )

    if not least:
        assert within(choice, 1)
    elif not within(choice, 1.15):  # nothing for more than two requests at a time comes so near
        assert goal.objective is not OptimizationType.LATENCY
        assert requests(choice) > 2
        assert not any(requests(c) > 2 for c in pool if within(c, 1.15))
        assert within(choice, 1.5)


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
    capacity = one.numbers.concurrency if goal.concurrency else one.numbers.request_rate
    assert many.replicas == full or many.replicas * capacity >= load * (1 - 1e-9)
    assert many.replicas == 1 or (many.replicas - 1) * capacity < load * (1 + 1e-9)


def test_planner_can_serve_a_load_by_all_it_may_use(make_candidate: Any, plain_goal: Goal) -> None:
    """A batch of one is the quickest for each request; four such engines never serve 40 of them at once."""
    goal = plain_goal.model_copy(
        update={"autoscale": True, "concurrency": 40.0, "objective": OptimizationType.LATENCY, "ttft": None}
    )
    quick, large = make_candidate(tp=2, batch=1, itl=8, per_gpu=10), make_candidate(tp=2, batch=16, itl=20, per_gpu=90)
    assert (served(quick, goal, 8), served(large, goal, 8)) == (0.1, 1.0)
    assert choose([quick, large], goal, 8) == large
    assert choose([quick], goal, 8) == quick
    told = warnings(judge([quick], goal, 8, never), goal, 8, "h200_sxm")
    assert any("Closest achievable: 10" in warning.message for warning in told)
