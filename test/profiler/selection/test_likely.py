from hypothesis import given
from hypothesis import strategies as st

from dgdr_controller.profiler.selection.likely import Prospect, required, weighed

PROSPECTS = st.builds(Prospect, score=st.floats(1, 1e6), chance=st.floats(0.02, 0.98))


def itself(option: Prospect) -> Prospect:
    return option


def test_most_of_what_is_likely_enough_is_required() -> None:
    options = [Prospect(100, 0.79), Prospect(50, 0.8), Prospect(40, 0.99)]
    assert required(options, itself).score == 50
    assert required(options, itself, least=0.9).score == 40


def test_likeliest_is_taken_where_nothing_is_likely_enough_then_the_highest_score() -> None:
    assert required([Prospect(100, 0.2), Prospect(10, 0.5), Prospect(20, 0.5)], itself).score == 20


def test_chance_weighs_with_its_power() -> None:
    options = [Prospect(100, 0.5), Prospect(60, 0.7), Prospect(30, 0.95)]
    assert weighed(options, itself, 1.0).score == 100
    assert weighed(options, itself).score == 60
    assert weighed(options, itself, 6.0).score == 30


@given(st.lists(PROSPECTS, min_size=1, max_size=8))
def test_no_rule_takes_what_another_option_beats_in_both(options: list[Prospect]) -> None:
    for rule in (required, weighed):
        found = rule(options, itself)
        assert not any(o.score > found.score and o.chance > found.chance for o in options)
