"""A site's own measurements correct estimates: by how much, which of them, and what stays as it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Mode
from dgdr_api.measurements import Measurement, SiteCorrection
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Estimated, Regime, site_corrections
from test.builders.calibration import calibration, row, simulated
from test.builders.measurements import SOURCE, measurement, measurements, numbers

VLLM: dict[str, Any] = {"backend": Backend.VLLM, "mode": Mode.AGGREGATED}
ESTIMATED = Estimated(
    model="Qwen/Qwen3-32B",
    gpu_sku="h200_sxm",
    engine="AIConfigurator",
    engine_version="0.12.0",
    table="0" * 12,
    versions={Backend.VLLM: "0.24.0", Backend.SGLANG: "0.5.14"},
)
RATIOS = st.floats(0.1, 10)


def corrections(*found: Measurement) -> list[SiteCorrection]:
    kept, unused = site_corrections(measurements(*found), ESTIMATED)
    assert unused == ""
    return kept


def factors(site: SiteCorrection) -> tuple[float, float, float]:
    return site.ttft, site.itl, site.tokens_per_s_per_gpu


def candidates(*ratios: float) -> list[Measurement]:
    return [measurement(ratio, ratio, ratio, candidate=f"vllm-agg-{n}") for n, ratio in enumerate(ratios)]


def test_one_measurement_counts_a_third() -> None:
    (site,) = corrections(measurement(8.0, 1.0, 0.125))
    assert factors(site) == pytest.approx((2.0, 1.0, 0.5))
    assert (site.backend, site.mode, site.measurements) == (Backend.VLLM, Mode.AGGREGATED, 1)


def test_two_measurements_count_half() -> None:
    (site,) = corrections(*candidates(2.0, 8.0))
    assert factors(site) == pytest.approx((2.0, 2.0, 2.0))  # the root of their geometric mean, 4


@given(st.lists(RATIOS, min_size=1, max_size=20))
def test_correction_is_between_none_and_what_was_measured(ratios: list[float]) -> None:
    (site,) = corrections(*candidates(*ratios))
    low, high = min(*ratios, 1.0), max(*ratios, 1.0)
    assert all(low * 0.999 <= factor <= high * 1.001 for factor in factors(site))


@given(st.lists(RATIOS, min_size=1, max_size=10), st.randoms())
def test_order_of_measurements_does_not_matter(ratios: list[float], random: Any) -> None:
    found = candidates(*ratios)
    shuffled = random.sample(found, len(found))
    assert factors(corrections(*found)[0]) == factors(corrections(*shuffled)[0])


@given(RATIOS)
def test_many_measurements_outweigh_the_table(ratio: float) -> None:
    (site,) = corrections(*candidates(*[ratio] * 198))
    assert site.ttft == pytest.approx(ratio, rel=0.03)


@given(RATIOS, st.integers(2, 5))
def test_repeating_a_run_changes_nothing(ratio: float, times: int) -> None:
    runs = [measurement(ratio, sha256=f"{n}" * 64) for n in range(times)]
    (once,), (often,) = corrections(runs[0]), corrections(*runs)
    assert often.measurements == 1
    assert factors(often) == pytest.approx(factors(once))


def test_engines_modes_and_drafts_are_corrected_apart() -> None:
    found = corrections(
        measurement(2.0),
        measurement(3.0, mode=Mode.DISAGGREGATED),
        measurement(4.0, backend=Backend.SGLANG, backend_version="0.5.14"),
        measurement(5.0, draft_tokens=1),
    )
    assert [(s.backend, s.mode, s.draft_tokens) for s in found] == [
        (Backend.SGLANG, Mode.AGGREGATED, 0),
        (Backend.VLLM, Mode.AGGREGATED, 0),
        (Backend.VLLM, Mode.AGGREGATED, 1),
        (Backend.VLLM, Mode.DISAGGREGATED, 0),
    ]


@pytest.mark.parametrize("other", [{"model": "Qwen/Qwen3-8B"}, {"gpu_sku": "h100_sxm"}])
def test_other_models_and_gpus_are_left_alone(other: dict[str, Any]) -> None:
    assert corrections(measurement(2.0, **other)) == []


def test_model_is_the_same_however_it_is_spelled() -> None:
    assert len(corrections(measurement(2.0, model="qwen/qwen3-32b"))) == 1


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            {"engine_version": "0.11.0"},
            "compared with estimates by AIConfigurator 0.11.0, these are by AIConfigurator 0.12.0",
        ),
        ({"engine": "AISimulate"}, "compared with estimates by AISimulate 0.12.0, these are by AIConfigurator 0.12.0"),
        ({"backend_version": "0.20.0"}, "compared with estimates by vllm 0.20.0, these are by vllm 0.24.0"),
        (
            {"measured": numbers(1.0, 1.0, 0.04)},
            "tokens/s/GPU is 0.04 times the estimate: something else was measured",
        ),
        ({"table": "f" * 12}, "compared with estimates by table ffffffffffff, these are by table 000000000000"),
    ],
)
def test_measurement_beside_other_estimates_is_named_and_not_used(other: dict[str, Any], why: str) -> None:
    found = measurement(2.0).model_copy(update=other)
    kept, unused = site_corrections(measurements(found, measurement(3.0)), ESTIMATED)
    assert [site.measurements for site in kept] == [1]
    assert unused == f"Some measurements of {SOURCE} are not used: 0.{found.key}: {why}; run dgdr calibrate again"


def test_warning_names_a_few_and_counts_the_rest() -> None:
    unread = tuple(f"{number}.json: must be a text" for number in range(7))
    kept, unused = site_corrections(measurements(unread=unread), ESTIMATED)
    assert kept == []
    assert unused.endswith("; 4.json: must be a text; and 2 more")


# --- What a table does with them

SITE = SiteCorrection(**VLLM, measurements=3, ttft=2.0, itl=1.5, tokens_per_s_per_gpu=0.5)
TABLE = calibration([row(1.2, **VLLM, regime=Regime.LIGHT), row(1.5, **VLLM)])
CORRECTED = TABLE.with_site([SITE])


def test_estimates_of_what_was_measured_are_multiplied() -> None:
    before, after = TABLE.correct(simulated()), CORRECTED.correct(simulated())
    assert after.ttft == pytest.approx(before.ttft * 2)
    assert after.itl == pytest.approx(before.itl * 1.5)
    assert after.tokens_per_s_per_gpu == pytest.approx(before.tokens_per_s_per_gpu * 0.5)
    assert after.e2e == pytest.approx(after.ttft + after.itl * 100)
    assert after.title == f"{before.row.title}, 3 measurements of this site"


@pytest.mark.parametrize("other", [{"backend": Backend.SGLANG}, {"mode": Mode.DISAGGREGATED}, {"draft_tokens": 1}])
def test_estimates_of_what_was_not_measured_stay(other: dict[str, Any]) -> None:
    assert CORRECTED.correct(simulated(**other)) == TABLE.correct(simulated(**other))


def test_ranges_are_as_wide_as_before() -> None:
    before, after = (table.uncertainty(table.correct(simulated())) for table in (TABLE, CORRECTED))
    for name in ("ttft", "itl", "e2e", "tokens_per_s_per_gpu"):
        narrow, wide = getattr(before, name), getattr(after, name)
        assert wide.high / wide.low == pytest.approx(narrow.high / narrow.low)


def test_errors_are_found_by_the_title_that_an_estimate_says() -> None:
    title = CORRECTED.uncertainty(CORRECTED.correct(simulated())).row
    plain = TABLE.uncertainty(TABLE.correct(simulated())).row
    errors = CORRECTED.errors([title, plain])
    assert errors.rows[title] == errors.rows[plain] == TABLE.errors([plain]).rows[plain]
    assert errors.table == TABLE.digest == CORRECTED.digest


def test_table_of_the_package_has_nothing_of_a_site() -> None:
    assert "site" not in CORRECTED.model_dump(by_alias=True)


def test_tables_are_told_apart() -> None:
    assert TABLE.digest != calibration([row(1.2, **VLLM)]).digest
