"""Numbers in sentences."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dgdr_api.formatting import milliseconds, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (5.4, "5.4"),
        (0.125, "0.125"),
        (1740.6, "1740"),
        (99.96, "100"),
        (2000, "2000"),
        (-1740.6, "-1740"),
        (1e-9, "0.000000001"),
        (0.00001234, "0.0000123"),
        (1.5e15, "1500000000000000"),
    ],
)
def test_number_has_three_digits_that_carry_meaning(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(("digits", "text"), [(1, "200"), (2, "170"), (4, "174.1"), (5, "174.06")])
def test_digits_can_be_more_or_fewer(digits: int, text: str) -> None:
    assert significant(174.06, digits) == text


def test_latency_has_its_unit() -> None:
    assert milliseconds(17.349) == "17.3ms"


@given(st.floats(min_value=1e-12, max_value=1e12))
@example(0.00001)
def test_number_is_within_half_a_percent_and_has_no_exponent(value: float) -> None:
    text = significant(value)
    assert re.fullmatch(r"\d+(\.\d+)?", text)
    assert float(text) == pytest.approx(value, rel=0.00501)
