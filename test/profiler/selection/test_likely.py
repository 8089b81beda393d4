"""How likely targets are met; what that is worth is tested with the choice."""

from typing import Any

import pytest

from dgdr_api.estimates import Chances, Interval, Uncertainty
from dgdr_api.results import Goal, Target
from dgdr_controller.profiler.selection.likely import chance, weight

NOWHERE = Interval(low=1, high=2)


def uncertain(**chances: float) -> Uncertainty:
    ranges = dict.fromkeys(("ttft", "itl", "e2e", "tokens_per_s_per_gpu"), NOWHERE)
    return Uncertainty(row="vllm", chances=Chances(**chances), **ranges)


def goal(plain: Goal, **written: bool) -> Goal:
    return plain.model_copy(update={name: Target(value=10, explicit=explicit) for name, explicit in written.items()})


def test_chances_of_written_targets_multiply(make_candidate: Any, plain_goal: Goal) -> None:
    candidate = make_candidate().model_copy(update={"uncertainty": uncertain(ttft=0.9, itl=0.5)})
    assert chance(candidate, goal(plain_goal, ttft=True, itl=True)) == pytest.approx(0.45)
    assert chance(candidate, goal(plain_goal, ttft=True, itl=False)) == pytest.approx(0.9)
    assert weight(candidate, goal(plain_goal, ttft=True, itl=True)) == pytest.approx(0.45**2)


def test_default_targets_are_no_promise(make_candidate: Any, plain_goal: Goal) -> None:
    candidate = make_candidate().model_copy(update={"uncertainty": uncertain(ttft=0.1, itl=0.1)})
    assert chance(candidate, plain_goal) == 1
    assert weight(candidate, plain_goal) == pytest.approx(0.1 * 0.1)


def test_what_is_unknown_makes_no_difference(make_candidate: Any, plain_goal: Goal) -> None:
    both = goal(plain_goal, ttft=True, itl=True)
    assert chance(make_candidate(), both) == 1
    partly = make_candidate().model_copy(update={"uncertainty": uncertain(ttft=0.5)})
    assert chance(partly, both) == 0.5
