"""The search of thorough on what rapid truly estimates: dense models, pairs, mixtures of experts."""

from functools import partial

import pytest

from dgdr_controller.profiler.measurement.trial_search import Limits
from hack.bench.thorough.cases import CASES, Case, goals
from hack.bench.thorough.report import MOST_TIME, NEAR, Outcome, compare
from hack.bench.thorough.surfaces import Surface

pytestmark = pytest.mark.aic

DENSE, PAIRS, _, EXPERTS = CASES


def outcomes(case: Case, goal_name: str, seeds: int) -> list[Outcome]:
    found = dict(goals())[goal_name]
    surfaces = [Surface(case.options(), found, case.gpus, seed) for seed in range(seeds)]
    return list(map(partial(compare, limits=Limits()), surfaces))


@pytest.mark.parametrize(
    ("case", "goal_name", "seeds"),
    [
        (DENSE, "throughput within written targets", 3),
        (DENSE, "3 requests/s", 3),
        (PAIRS, "hybrid within written targets", 3),
        (EXPERTS, "throughput", 2),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else None,
)
def test_search_finds_a_choice_near_the_best_in_a_share_of_the_time(case: Case, goal_name: str, seeds: int) -> None:
    found = outcomes(case, goal_name, seeds)
    assert [outcome.found for outcome in found if outcome.found < NEAR] == [], [outcome.words for outcome in found]
    assert all(outcome.time <= MOST_TIME for outcome in found)
    assert all(len(outcome.search.points) <= 10 and len(outcome.search.deployed) <= 5 for outcome in found)
