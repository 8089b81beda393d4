import hashlib
import json
import math
from importlib import metadata
from typing import Any

import pytest

from dgdr_api.candidate import Mode, Performance
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.calibration import (
    Calibration,
    CalibrationError,
    Corrected,
    Distributions,
    Regime,
    with_chances,
)
from hack.calibration.estimates import ENGINE, installed
from test.builders.calibration import calibration, row, simulated, terms

VLLM: dict[str, Any] = {"backend": Backend.VLLM, "mode": Mode.AGGREGATED}


def wanted(**targets: Any) -> Goal:
    return Goal(isl=1000, osl=101, objective=OptimizationType.THROUGHPUT, **targets)


def test_narrowest_row_is_used_and_named() -> None:
    table = calibration([row(1.5, **VLLM, regime=Regime.HEAVY), row(1.2, **VLLM), row(1.1, mode=Mode.AGGREGATED)])
    found = table.correct(simulated(decode=1.0))
    assert found.row.title == "vllm, aggregated, heavy prompts"
    assert found.itl == pytest.approx(15)


@pytest.mark.parametrize(
    ("changes", "title", "itl"),
    [
        ({"decode": 100.0}, "vllm, aggregated", 12),
        ({"backend": Backend.SGLANG}, "aggregated", 11),
        ({"mode": Mode.DISAGGREGATED}, "all engines and modes", 10),
    ],
)
def test_unknown_combination_falls_back_to_a_wider_row(changes: dict[str, Any], title: str, itl: float) -> None:
    table = calibration([row(1.5, **VLLM, regime=Regime.HEAVY), row(1.2, **VLLM), row(1.1, mode=Mode.AGGREGATED)])
    found = table.correct(simulated(**changes))
    assert found.row.title == title
    assert found.itl == pytest.approx(itl)


def test_ttft_is_the_sum_of_its_steps_times_the_median_of_the_row() -> None:
    table = calibration([row(1.5, **VLLM)], [terms(2.0, queue=0.1, decode=0.5, constant_ms=7.0, **VLLM)])
    assert table.correct(simulated()).ttft == pytest.approx(1.5 * (80 + 32 + 4 + 7))


def test_terms_of_another_engine_are_not_used() -> None:
    table = calibration([], [terms(9.0, **VLLM)])
    assert table.correct(simulated(backend=Backend.TRTLLM)).ttft == pytest.approx(40)


def test_throughput_is_that_of_the_corrected_latencies() -> None:
    found = calibration([row(1.25, **VLLM, throughput=row().throughput)]).correct(simulated())
    assert found.tokens_per_s_per_gpu == pytest.approx(1000 * 8 * 101 / (50 + 12.5 * 100) / 2)


def distributions(table: Calibration, found: Corrected) -> Distributions:
    return Distributions.of(found, found.row.errors(table.probabilities), table.probabilities)


DOUBLE = calibration([row(1.0, 2.0, **VLLM)])


def test_range_of_80_percent_is_from_the_first_to_the_last_tenth() -> None:
    found = DOUBLE.uncertainty(DOUBLE.correct(simulated()))
    assert (found.itl.low, found.itl.high) == pytest.approx((5, 20))
    assert (found.ttft.low, found.ttft.high) == pytest.approx((20, 80))
    assert found.row == "vllm, aggregated"


@pytest.mark.parametrize(
    ("target", "chance"), [(10, 0.5), (20, 0.9), (5, 0.1), (14.142, 0.7), (1, 0.02), (1000, 0.98), (0, 0.02)]
)
def test_chance_is_read_off_the_quantiles_and_never_certain(target: float, chance: float) -> None:
    found = distributions(DOUBLE, DOUBLE.correct(simulated()))
    assert found.itl.chance_within(target) == pytest.approx(chance, abs=1e-4)


def test_output_of_one_token_has_no_itl_to_miss() -> None:
    found = DOUBLE.correct(simulated(osl=1, itl=0.0))
    assert distributions(DOUBLE, found).itl.chance_within(5) == 1
    assert found.itl == 0


def test_chance_of_a_whole_request_is_that_of_ttft_as_far_as_it_is_ttft_and_of_throughput_beyond() -> None:
    skewed = (-2.0, math.log(0.8), 0.0, math.log(4.0), 3.0)
    table = calibration([row(1.0, 2.0, **VLLM, throughput=skewed)])
    found = distributions(table, table.correct(simulated()))
    latency, share = 40 + 10 * 100, 40 / 1040
    assert found.e2e.estimate == pytest.approx(latency)
    assert found.e2e.range.high == pytest.approx(latency * 2**share * (1 / 0.8) ** (1 - share), rel=1e-3)
    assert found.e2e.range.low == pytest.approx(latency * 0.5**share * (1 / 4) ** (1 - share), rel=1e-3)
    assert found.e2e.chance_within(0) == pytest.approx(0.02)


def test_request_of_one_token_is_its_ttft() -> None:
    skewed = (-2.0, math.log(0.8), 0.0, math.log(4.0), 3.0)
    table = calibration([row(1.0, 2.0, **VLLM, throughput=skewed)])
    found = distributions(table, table.correct(simulated(osl=1, itl=0.0)))
    for limit in (10, 40, 70, 500):
        assert found.e2e.chance_within(limit) == pytest.approx(found.ttft.chance_within(limit))


def test_throughput_ends_where_prompts_are_not_read_in_time_and_so_do_requests_in_flight() -> None:
    found = DOUBLE.correct(simulated(most_tokens_per_s_per_gpu=100.0))
    littles = 1000 * 8 * 101 / 1040 / 2
    assert found.tokens_per_s_per_gpu == pytest.approx(100)
    assert found.kept_up == pytest.approx(100 / littles)
    raw = Performance(
        ttft=40, itl=10, e2e=1040, tokens_per_s=700, tokens_per_s_per_gpu=350, tokens_per_s_per_user=100,
        concurrency=8, request_rate=7,
    )  # fmt: skip
    numbers = found.applied(raw)
    assert numbers.concurrency == pytest.approx(numbers.request_rate * numbers.e2e / 1000, rel=0.02)  # Little's law
    assert DOUBLE.correct(simulated(most_tokens_per_s_per_gpu=9999.0)).kept_up == 1


def test_chances_of_a_goal_are_those_of_its_targets(make_candidate: Any) -> None:
    table = calibration([row(1.0, 2.0, **VLLM)])
    found = table.correct(simulated())
    plain = make_candidate(ttft=40, itl=10).model_copy(update={"uncertainty": table.uncertainty(found)})
    errors = table.errors(["vllm, aggregated"])
    both = wanted(ttft=Target(value=80, explicit=True), itl=Target(value=10, explicit=False))
    promised = with_chances(plain, both, errors).uncertainty
    assert promised is not None
    assert (promised.chances.ttft, promised.chances.itl, promised.chances.e2e) == pytest.approx(
        (0.9, 0.5, None), abs=1e-4
    )
    assert with_chances(plain, both, None) == plain


def test_errors_are_relative_to_the_corrected_estimate() -> None:
    table = calibration([row(1.5, 2.0, **VLLM)])
    errors = table.errors(["vllm, aggregated", "no such row"])
    assert list(errors.rows) == ["vllm, aggregated"]
    assert errors.rows["vllm, aggregated"].itl == pytest.approx((0.25, 0.5, 1, 2, 4))
    assert not errors.rows["vllm, aggregated"].pooled
    assert table.errors(["all engines and modes"]).rows["all engines and modes"].pooled


def test_performance_with_corrected_numbers_agrees_with_itself() -> None:
    raw = Performance(
        ttft=100, itl=10, e2e=1100, tokens_per_s=700, tokens_per_s_per_gpu=350, tokens_per_s_per_user=100,
        concurrency=8, request_rate=7,
    )  # fmt: skip
    found = calibration([row(2.0, **VLLM, throughput=row().throughput)]).correct(simulated())
    changed = found.applied(raw)
    assert (changed.ttft, changed.itl, changed.tokens_per_s_per_user) == pytest.approx((80, 20, 50))
    assert changed.e2e == pytest.approx(80 + 20 * 100)
    assert changed.tokens_per_s_per_gpu == pytest.approx(1000 * 8 * 101 / 2080 / 2)
    assert changed.tokens_per_s / raw.tokens_per_s == pytest.approx(changed.tokens_per_s_per_gpu / 350)
    assert changed.request_rate / raw.request_rate == pytest.approx(changed.tokens_per_s_per_gpu / 350)
    assert changed.concurrency == 8


@pytest.mark.parametrize(
    ("queue", "regime"),
    [(0.0, Regime.LIGHT), (99.0, Regime.LIGHT), (100.0, Regime.MEDIUM), (299.0, Regime.MEDIUM), (300.0, Regime.HEAVY)],
)
def test_regime_is_the_share_of_time_that_prompts_take(queue: float, regime: Regime) -> None:
    assert simulated(queue=queue, osl=100, decode=(1000 - queue) / 100).regime is regime


def test_engine_that_only_reads_prompts_is_heavy() -> None:
    assert simulated(decode=0.0).regime is Regime.HEAVY


def test_table_is_refused_for_another_simulator_version_or_data() -> None:
    table = calibration()
    table.check("AIConfigurator", "0.12.0", "a" * 64)
    with pytest.raises(CalibrationError, match=r"are for aiconfigurator 0\.12\.0.*from aisimulate 0\.12\.0"):
        table.check("aisimulate", "0.12.0")
    with pytest.raises(CalibrationError, match=r"from aiconfigurator 0\.12\.1; run make calibration"):
        table.check("aiconfigurator", "0.12.1")
    with pytest.raises(CalibrationError, match=r"other measurements than systems/silicon_sample\.csv.*found bbbb"):
        table.check("aiconfigurator", "0.12.0", "b" * 64)


def changed(**parts: Any) -> str:
    return json.dumps({**json.loads(calibration([row(**VLLM)]).model_dump_json(by_alias=True)), **parts})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Invalid JSON"),
        (changed(probabilities=[0.1, 0.5, 0.4, 0.9, 0.95]), "probabilities must rise"),
        (changed(probabilities=[0.1, 0.2, 0.5, 0.9, 1.0]), "between 0 and 1"),
        (changed(probabilities=[0.1, 0.2, 0.5, 0.7, 0.9]), "symmetric around 0.5"),
        (changed(probabilities=[0.1, 0.5, 0.9]), "a quantile for each probability"),
        (changed(rows=[json.loads(row(itl=(0, 1, 0, 2, 3)).model_dump_json(by_alias=True))]), "rising, is expected"),
        (changed(rows=[json.loads(row(**VLLM).model_dump_json(by_alias=True))]), "must be for all engines and modes"),
        (changed(ttft=[json.loads(terms(**VLLM).model_dump_json(by_alias=True))]), "must be for all engines and modes"),
        (changed(schemaVersion="calibration.dgdr.nvidia.com/v2"), "schemaVersion"),
        (changed(extra=1), "extra"),
    ],
)
def test_table_that_is_damaged_is_refused_with_the_reason(content: str, message: str) -> None:
    with pytest.raises(CalibrationError, match=message) as caught:
        Calibration.parse(content)
    assert "make calibration" in str(caught.value)


def test_shipped_table_is_for_the_simulator_that_is_installed() -> None:
    digest = hashlib.sha256(installed().read_bytes()).hexdigest()
    Calibration.load().check(ENGINE, metadata.version(ENGINE), digest)


@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM])
@pytest.mark.parametrize("mode", list(Mode))
def test_shipped_table_answers_for_every_engine_and_mode(backend: Backend, mode: Mode) -> None:
    table = Calibration.load()
    found = distributions(table, table.correct(simulated(backend=backend, mode=mode)))
    for number in (found.ttft, found.itl, found.e2e, found.tokens_per_s_per_gpu):
        assert 0 < number.range.low < number.estimate < number.range.high


def test_shipped_table_says_what_it_was_fitted_to() -> None:
    fitted = Calibration.load().provenance
    assert fitted.points == sum(fitted.families.values()) == sum(fitted.systems.values())
    assert fitted.errors[0].points == fitted.points
    assert abs(fitted.errors[0].ttft_median) <= 0.08
