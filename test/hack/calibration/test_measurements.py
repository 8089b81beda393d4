import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dgdr_api.candidate import Mode, Role
from dgdr_api.v1beta1 import Backend
from hack.calibration.measurements import COLUMNS, Measurement, Measurements, MeasurementsError, read

AGGREGATED = {
    "id": "point_c8_tp4_ep1_1", "silicon_data_source": "db-dump; config_id=1; silicon_concurrency=8; measured=2026-01-01T0",
    "backend": "vllm", "backend_version": "0.19.0", "model_path": "MiniMaxAI/MiniMax-M2.5", "system": "h200_sxm",
    "precision": "fp8", "mode": "agg", "isl": "1024", "osl": "512", "gemm_quant_mode": "fp8", "moe_quant_mode": "fp8",
    "batch_size": "8.0", "tp_size": "4.0", "pp_size": "1.0", "attention_dp_size": "1.0", "moe_tp_size": "4.0",
    "moe_ep_size": "1.0", "silicon_ttft_ms": "150.5", "silicon_tpot_ms": "12.5",
}  # fmt: skip
DISAGGREGATED = {
    **AGGREGATED, "model_path": "deepseek-ai/DeepSeek-R1", "mode": "disagg", "backend": "trtllm",
    "silicon_data_source": "db-dump; config_id=2; silicon_concurrency=64; measured=2026-02-01",
    **{f"prefill_{name}": value for name, value in {
        "batch_size": "1.0", "num_workers": "2.0", "tp_size": "4.0", "pp_size": "1.0", "attention_dp_size": "1.0",
        "moe_tp_size": "1.0", "moe_ep_size": "4.0"}.items()},
    **{f"decode_{name}": value for name, value in {
        "batch_size": "4.0", "num_workers": "2.0", "tp_size": "1.0", "pp_size": "1.0", "attention_dp_size": "8.0",
        "moe_tp_size": "1.0", "moe_ep_size": "8.0"}.items()},
}  # fmt: skip

Reader = Callable[..., Measurements]


@pytest.fixture
def measurements(tmp_path: Path) -> Reader:
    def write(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Measurements:
        content = io.StringIO()
        writer = csv.DictWriter(content, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        path = tmp_path / "sample.csv"
        path.write_text(content.getvalue(), encoding="utf-8")
        return read(path)

    return write


def only(found: Measurements) -> Measurement:
    (point,) = found.points
    return point


def source(concurrency: int = 8, day: str = "2026-01-01", *, dump: bool = True) -> str:
    return f"x; {'config_id=1; ' if dump else ''}silicon_concurrency={concurrency}; measured={day}"


def test_aggregated_point_is_read(measurements: Reader) -> None:
    point = only(measurements(AGGREGATED))
    assert (point.line, point.backend, point.mode, point.family) == (2, Backend.VLLM, Mode.AGGREGATED, "MiniMax-M2.5")
    assert (point.isl, point.osl, point.concurrency, point.gpus, point.ttft, point.itl) == (
        1024,
        512,
        8,
        4,
        150.5,
        12.5,
    )
    assert (point.shape, point.date, point.vetted) == (("1 × tp4 moe_tp4",), "2026-01-01", True)
    assert point.tokens_per_s_per_gpu == pytest.approx(1000 * 8 * 512 / (150.5 + 12.5 * 511) / 4)


def test_disaggregated_point_is_read(measurements: Reader) -> None:
    point = only(measurements(DISAGGREGATED))
    prefill, decode = point.workers
    assert (prefill.role, prefill.count, prefill.batch, prefill.parallelism.moe_ep) == (Role.PREFILL, 2, 1, 4)
    assert (decode.role, decode.count, decode.batch, decode.parallelism.dp) == (Role.DECODE, 2, 4, 8)
    assert (point.gpus, point.concurrency) == (2 * 4 + 2 * 8, 64)


def test_other_columns_are_refused(measurements: Reader) -> None:
    with pytest.raises(MeasurementsError, match=r"sample\.csv, line 1: other columns than expected: isl"):
        measurements(AGGREGATED, columns=tuple(name for name in COLUMNS if name != "isl"))
    with pytest.raises(MeasurementsError, match=r"line 1: .*: p99"):
        measurements(AGGREGATED, columns=(*COLUMNS, "p99"))
    with pytest.raises(MeasurementsError, match=r"line 1: .*: their order"):
        measurements(AGGREGATED, columns=COLUMNS[::-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"silicon_ttft_ms": "0"}, "silicon_ttft_ms=0 is no time that can be measured"),
        ({"silicon_ttft_ms": "-3"}, "silicon_ttft_ms=-3 is no time"),
        ({"silicon_tpot_ms": "nan"}, "silicon_tpot_ms=nan is no time"),
        ({"silicon_tpot_ms": "inf"}, "silicon_tpot_ms=inf is no time"),
        ({"silicon_ttft_ms": "soon"}, "silicon_ttft_ms='soon' is not a number"),
        ({"silicon_ttft_ms": ""}, "silicon_ttft_ms='' is not a number"),
        ({"silicon_ttft_ms": "12.4"}, r"silicon_ttft_ms=12\.4 is shorter than one step of decoding \(12\.5 ms\)"),
        ({"isl": "0"}, "isl=0 is not a whole number of 1 or more"),
        ({"osl": "1.5"}, r"osl=1\.5 is not a whole number"),
        ({"mode": "afd"}, "mode='afd' is none of agg, disagg"),
        ({"backend": "auto"}, "backend='auto' is none of vllm, sglang, trtllm"),
        ({"tp_size": ""}, "tp_size='' is not a number"),
        ({"system": ""}, "names no model or no system"),
    ],
)
def test_impossible_value_is_refused_with_its_line(measurements: Reader, changes: dict[str, str], message: str) -> None:
    with pytest.raises(MeasurementsError, match=rf"sample\.csv, line 3: {message}"):
        measurements(AGGREGATED, {**AGGREGATED, **changes})


def test_line_with_too_few_values_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.csv").write_text(",".join(COLUMNS) + "\na,b\n", encoding="utf-8")
    with pytest.raises(MeasurementsError, match="line 2: has another number of values"):
        read(tmp_path / "sample.csv")


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"attention_dp_size": "", "moe_tp_size": "1", "moe_ep_size": "4"}, "tp4 moe_ep4"),
        ({"attention_dp_size": "", "tp_size": "1", "moe_tp_size": "4"}, "tp1 dp4 moe_tp4"),
        ({"id": "x_tp4_ep4_1", "tp_size": "16", "moe_tp_size": "4", "moe_ep_size": "4"}, "tp4 moe_ep4"),
        (
            {"id": "x_tp4_ep4_1", "tp_size": "1", "attention_dp_size": "16", "moe_tp_size": "4", "moe_ep_size": "4"},
            "tp1 dp4 moe_ep4",
        ),
        ({"id": "x_tp4_epnone_1", "tp_size": "4", "moe_tp_size": "2", "moe_ep_size": "2"}, "tp4 moe_tp2 moe_ep2"),
    ],
)
def test_parallelism_is_read_in_whichever_way_it_is_written(
    measurements: Reader, changes: dict[str, str], shape: str
) -> None:
    assert only(measurements({**AGGREGATED, **changes})).shape == (f"1 × {shape}",)


def test_dense_model_has_no_experts(measurements: Reader) -> None:
    dense = {**AGGREGATED, "model_path": "meta-llama/Llama-3.1-70B", "moe_tp_size": "4"}
    assert only(measurements(dense)).shape == ("1 × tp4",)


def test_batch_is_that_of_each_attention_rank(measurements: Reader) -> None:
    spread = {"tp_size": "1", "attention_dp_size": "4", "silicon_data_source": source(10), "batch_size": "10"}
    point = only(measurements({**AGGREGATED, **spread}))
    assert (point.workers[0].batch, point.concurrency) == (3, 10)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tp_size": "12", "moe_tp_size": "12"}, "of whole deployments or shapes that no engine has"),
        ({"tp_size": "2"}, "of whole deployments or shapes that no engine has"),
        ({"attention_dp_size": "0"}, "of whole deployments or shapes that no engine has"),
        ({"silicon_data_source": "db-dump"}, "of an unknown concurrency"),
        ({"model_path": "org/unknown"}, "of models that AIC has no checkpoint of"),
        ({"mode": "disagg"}, "disaggregated, of an unknown number of workers"),
    ],
)
def test_point_that_cannot_be_compared_is_counted_with_its_reason(
    measurements: Reader, changes: dict[str, str], reason: str
) -> None:
    found = measurements({**AGGREGATED, **changes})
    assert found.points == ()
    assert found.unused[reason] == 1


def test_copies_in_other_exports_count_once_also_where_they_are_rounded(measurements: Reader) -> None:
    copy = {**AGGREGATED, "silicon_data_source": source(dump=False), "silicon_ttft_ms": "150.52"}
    found = measurements({**copy, "silicon_data_source": source(day="")}, copy, AGGREGATED)
    assert only(found).vetted
    assert found.unused["copies in overlapping exports"] == 2


def test_newest_run_of_a_configuration_counts(measurements: Reader) -> None:
    older = {**AGGREGATED, "silicon_data_source": source(day="2025-12-31"), "silicon_tpot_ms": "13.5"}
    found = measurements(AGGREGATED, older)
    assert only(found).itl == 12.5
    assert found.unused["older runs of the same configuration"] == 1
    assert found.dates == ("2026-01-01", "2026-01-01")


def speculative(itl: float, day: str, **changes: Any) -> dict[str, str]:
    return {**AGGREGATED, "silicon_data_source": source(day=day, dump=False), "silicon_tpot_ms": str(itl), **changes}


def test_day_that_is_far_faster_is_taken_for_speculative_decoding(measurements: Reader) -> None:
    fast = speculative(7.5, "2026-03-01")
    alone = speculative(7.0, "2026-03-01", isl="2048")  # nothing to compare with, but of that day
    found = measurements(AGGREGATED, fast, alone)
    assert only(found).itl == 12.5
    assert found.unused["runs with speculative decoding that are not marked"] == 2


def test_faster_version_of_an_engine_is_not(measurements: Reader) -> None:
    assert only(measurements(AGGREGATED, speculative(10.5, "2026-03-01"))).itl == 10.5


def test_vetted_run_is_not(measurements: Reader) -> None:
    vetted = {**speculative(7.5, "2026-03-01"), "silicon_data_source": source(day="2026-03-01")}
    assert only(measurements(AGGREGATED, vetted)).itl == 7.5


def test_hash_is_that_of_the_file(measurements: Reader) -> None:
    assert measurements(AGGREGATED).sha256 == measurements(AGGREGATED).sha256 != measurements(DISAGGREGATED).sha256
