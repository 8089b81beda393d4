import math
from typing import Any

import numpy as np
import pytest

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Regime
from hack.calibration.__main__ import line, text
from hack.calibration.estimates import Sample
from hack.calibration.fit import fit, nnls, widening
from hack.calibration.validate import error, errors, family, left_out, system
from test.builders.calibration import measurement, provenance, sample


def planted(name: str, factor: float = 1.0, count: int = 12, **changes: Any) -> list[Sample]:
    """Points of a family whose TTFT is 2 × prompt + 0.1 × queue + 20 ms, and whose ITL is the estimate's, by a factor."""
    found = []
    for number in range(count):
        prompt, batch = 20.0 + 15 * number, 1 + (number * 5) % 12
        queue, decode = prompt * batch, 5.0 + (number * 7) % 11
        point = measurement(
            name,
            batch=batch,
            line=number + 2,
            ttft=factor * (2 * prompt + 0.1 * queue + 20),
            itl=factor * decode,
            **changes,
        )
        found.append(sample(point, ttft=prompt, queue=queue, decode=decode, itl=decode))
    return found


FAMILIES = [*planted("A"), *planted("B"), *planted("C"), *planted("D")]


def test_nnls_finds_what_was_planted_and_nothing_negative() -> None:
    matrix = np.array([[1.0, 2, 0.5], [2, 1, 0.1], [3, 5, 2], [1, 1, 1]])
    assert nnls(matrix, matrix @ np.array([2.0, 0, 3])) == pytest.approx([2, 0, 3])
    target = matrix @ np.array([2.0, -1, 3])
    found = nnls(matrix, target)
    assert (found >= 0).all()
    for change in (0.01, -0.01):
        for column in range(3):
            other = np.maximum(found + change * np.eye(3)[column], 0)
            assert np.linalg.norm(matrix @ found - target) <= np.linalg.norm(matrix @ other - target) + 1e-12


def test_nnls_takes_fewer_columns_where_two_are_the_same() -> None:
    matrix = np.array([[1.0, 1], [2, 2]])
    assert matrix @ nnls(matrix, np.array([3.0, 6])) == pytest.approx([3, 6])


def test_terms_of_ttft_are_found() -> None:
    found = fit(FAMILIES, provenance()).ttft[0]
    assert (found.backend, found.mode) == (Backend.VLLM, Mode.AGGREGATED)
    assert (found.simulated, found.queue, found.constant_ms) == pytest.approx((2, 0.1, 20), rel=0.01)


def test_few_odd_points_do_not_move_the_terms() -> None:
    odd = sample(measurement("A", ttft=9000.0), ttft=40.0, queue=320.0, decode=8.0)
    found = fit([*FAMILIES, odd], provenance()).ttft[0]
    assert (found.simulated, found.queue) == pytest.approx((2, 0.1), rel=0.05)


def test_families_weigh_alike_whatever_their_points() -> None:
    many = [*planted("A", 2.0, count=60), *planted("B"), *planted("C")]
    table = fit(many, provenance())
    found = table.correct(many[-1].simulated)
    assert found.itl == pytest.approx(many[-1].measured.itl, rel=0.01)  # two of three families


def test_range_holds_families_that_differ() -> None:
    table = fit([*planted("A", 0.5), *planted("B"), *planted("C"), *planted("D", 2.0)], provenance())
    between = table.uncertainty(table.correct(FAMILIES[0].simulated)).itl
    assert between.low <= 0.5 * FAMILIES[0].simulated.itl < 2 * FAMILIES[0].simulated.itl <= between.high


def test_row_of_fewer_families_is_wider() -> None:
    assert widening(3) > widening(6) > widening(20) > 1
    assert widening(6) == pytest.approx(1.08 * 1.132, rel=0.01)  # √(7/6) · t(0.9, 5)/z(0.9) by the approximation
    assert math.isfinite(widening(1))


def test_engine_with_few_families_has_no_row_of_its_own() -> None:
    few = [*FAMILIES, *planted("A", backend=Backend.SGLANG), *planted("B", backend=Backend.SGLANG)]
    table = fit(few, provenance())
    assert {row.backend for row in table.rows} == {Backend.VLLM, None}
    assert table.correct(few[-1].simulated).row.title == "aggregated"


def test_row_of_a_regime_draws_to_the_wider_one() -> None:
    light = [
        sample(measurement(name, ttft=1000.0, itl=12.0), ttft=1.0, queue=1.0, decode=10.0, itl=10.0)
        for name in "ABC"
        for _ in range(40)
    ]
    table = fit([*FAMILIES, *light], provenance())
    rows = {row.regime: row for row in table.rows if row.backend is Backend.VLLM}
    assert rows[Regime.LIGHT].families == 4
    middle = table.probabilities.index(0.5)
    assert 0 < rows[Regime.LIGHT].itl[middle] <= math.log(1.2) + 1e-3
    assert rows[Regime.LIGHT].itl[0] < 0 < rows[Regime.LIGHT].itl[-1]


def test_rows_are_sorted_from_narrow_to_wide() -> None:
    rows = fit(FAMILIES, provenance()).rows
    widths = [(row.backend, row.mode, row.regime).count(None) for row in rows]
    assert widths == sorted(widths)
    assert widths[-1] == 3


def test_left_out_family_says_nothing_of_itself() -> None:
    found = left_out([*FAMILIES, *planted("E", 3.0)], family, provenance())
    odd = [outcome for outcome in found if outcome.sample.measured.family == "E"]
    assert all(outcome.itl_error == pytest.approx(1 / 3 - 1, abs=0.01) for outcome in odd)
    assert not any(outcome.holds()["itl"] for outcome in odd)


def test_systems_are_left_out_the_same_way() -> None:
    slower = [*planted("A", 2.0, system="l40s"), *planted("B", 2.0, system="l40s"), *planted("C", 2.0, system="l40s")]
    found = left_out([*FAMILIES, *slower], system, provenance())
    odd = [outcome for outcome in found if outcome.sample.measured.system == "l40s"]
    assert all(outcome.ttft_error == pytest.approx(-0.5, abs=0.02) for outcome in odd)


def test_errors_are_summed_up_for_all_and_for_every_engine_and_mode() -> None:
    found = left_out(FAMILIES, family, provenance())
    assert [(cell.backend, cell.mode, cell.points) for cell in errors(found)] == [
        (None, None, 48),
        (Backend.VLLM, Mode.AGGREGATED, 48),
    ]
    cell = error(found)
    assert (cell.families, cell.itl_within_20_percent) == (4, 1.0)
    assert cell.ttft_mean == pytest.approx(0, abs=0.01)
    assert "48 points, 4 families: TTFT median" in line(cell)


def test_table_is_written_with_a_line_for_each_row_and_reads_back() -> None:
    table = fit(FAMILIES, provenance())
    content = text(table)
    assert type(table).parse(content) == table
    assert sum('"throughput"' in one for one in content.splitlines()) == len(table.rows)
