"""A run beside a plan: which runs are of what was estimated, and what is kept of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Source
from dgdr_api.errors import InvalidRequestError
from dgdr_api.measurements import SiteCorrection
from dgdr_api.results import Results
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Calibration, Estimated, site_corrections
from dgdr_controller.profiler.measurement.aiperf import BenchmarkRun
from dgdr_controller.profiler.measurement.comparison import Comparison, Measured, compare
from test.builders.measurements import ESTIMATED, estimated_candidate, estimated_results, measurements
from test.builders.results import candidate_of

TABLE = Calibration.load().digest
SHA256 = "ab" * 32


def ran(**changes: Any) -> BenchmarkRun:
    fields: dict[str, Any] = {
        "ttft": 120.0, "itl": 11.0, "isl": 4010.0, "osl": 1000.0, "concurrency": 64,
        "requests": 640, "model": "qwen/Qwen3-32b", "date": "2026-11-30T12:00:00",
    } | changes  # fmt: skip
    latency = fields["ttft"] + fields["itl"] * (fields["osl"] - 1)
    steady = round(fields["concurrency"] * fields["osl"] / latency * 1000, -1)
    return BenchmarkRun(**{"tokens_per_s": steady} | fields)


def compared(results: Results | None = None, *, gpus: int | None = None, **changes: Any) -> Comparison:
    return compare(results or estimated_results(), None, Measured(ran(**changes), SHA256, gpus), TABLE)


def refused(results: Results | None = None, candidate: str | None = None, **changes: Any) -> list[str]:
    gpus = changes.pop("gpus", None)
    with pytest.raises(InvalidRequestError) as caught:
        compare(results or estimated_results(), candidate, Measured(ran(**changes), SHA256, gpus), TABLE)
    return [str(error) for error in caught.value.errors]


def test_numbers_are_put_side_by_side() -> None:
    found = compared(ttft=450.0, tokens_per_s=5760.0)
    assert [(line.name, line.estimated, line.measured, line.is_within) for line in found.lines] == [
        ("TTFT ms", 100.0, 450.0, False),
        ("ITL ms", 10.0, 11.0, True),
        ("tokens/s/GPU", 800.0, 720.0, True),
    ]
    assert found.other_model == ""


def test_measurement_says_what_was_estimated_and_what_was_measured() -> None:
    kept = compared().measurement
    assert (kept.model, kept.gpu_sku, kept.backend, kept.gpus) == ("Qwen/Qwen3-32B", "h200_sxm", Backend.VLLM, 8)
    assert (kept.isl, kept.osl, kept.concurrency, kept.requests) == (4000, 1000, 64, 640)
    assert kept.corrected == ESTIMATED
    assert kept.simulated.ttft == pytest.approx(60)
    assert (kept.measured.ttft, kept.measured.itl, kept.measured.tokens_per_s_per_gpu) == (120.0, 11.0, 720.0)
    assert (kept.engine_version, kept.table, kept.sha256) == ("0.12.0", TABLE, SHA256)


def test_deployment_of_fewer_replicas_has_its_share_of_the_load() -> None:
    kept = compared(gpus=4, concurrency=32, requests=320).measurement
    assert (kept.gpus, kept.concurrency, kept.measured.tokens_per_s_per_gpu) == (4, 32, 720.0)


@pytest.mark.parametrize("changes", [{"concurrency": 58}, {"concurrency": 70}, {"isl": 4390.0}, {"osl": 905.0}])
def test_small_differences_are_none(changes: dict[str, Any]) -> None:
    assert compared(**changes).measurement.requests == 640


def test_fraction_of_a_request_in_flight_is_no_difference() -> None:
    assert compared(estimated_results(estimated_candidate(concurrency=1.4)), concurrency=1, requests=20)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"isl": 1010.0},
            ("input_sequence_length.avg: Invalid value: 1010.0: the estimates are for prompts of 4000 tokens: run AIPerf "
            "with --isl 4000"),
        ),
        (
            {"osl": 212.5},
            ("output_sequence_length.avg: Invalid value: 212.5: the estimates are for answers of 1000 tokens: run AIPerf "
            "with --osl 1000 --extra-inputs ignore_eos:true --use-server-token-count"),
        ),
        (
            {"concurrency": 16},
            ("concurrency: Invalid value: 16: the estimates of {id} are for 64 requests in flight on 8 GPUs: run AIPerf "
            "with --concurrency 64, or say with --candidate and --gpus what was measured"),
        ),
        (
            {"gpus": 4},
            ("concurrency: Invalid value: 64: the estimates of {id} are for 32 requests in flight on 4 GPUs: run AIPerf "
            "with --concurrency 32, or say with --candidate and --gpus what was measured"),
        ),
        (
            {"requests": 100},
            "request_count.avg: Invalid value: 100: too few for a mean at this load: run AIPerf with --request-count 640",
        ),
        (
            {"cached": 3500.0},
            ("usage_prompt_cache_read_tokens.avg: Invalid value: 3500.0: so many tokens of each prompt were in the prefix "
            "cache, and the estimates are for prompts that share nothing: run AIPerf with another --random-seed and more "
            "--num-dataset-entries than requests"),
        ),
        (
            {"tokens_per_s": 4000.0},
            ("output_token_throughput.avg: Invalid value: 4000.0: 64 requests in flight with this TTFT and ITL make 5760 "
            "tokens/s: the load was another for much of the run; run AIPerf with --request-count 640 or more"),
        ),
        ({"gpus": 6}, "--gpus: Invalid value: 6: must be a multiple of 4, the GPUs of one replica of {id}"),
    ],
)  # fmt: skip
def test_run_of_something_else_is_refused_with_the_way_out(changes: dict[str, Any], error: str) -> None:
    assert refused(**changes) == [error.format(id=estimated_candidate().id)]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    changes: dict[str, Any] = {
        "isl": 10.0,
        "osl": 10.0,
        "concurrency": 10,
        "requests": 3,
        "cached": 4000.0,
        "tokens_per_s": 1.0,
    }
    assert len(refused(**changes)) == 6


def test_candidate_is_found_by_its_id() -> None:
    other = estimated_candidate(2, replicas=1, concurrency=10.0)
    results = estimated_results(estimated_candidate(), other)
    measured = Measured(ran(concurrency=10, requests=100), SHA256)
    assert compare(results, other.id, measured, TABLE).candidate.id == other.id


@pytest.mark.parametrize(
    ("results", "candidate", "error"),
    [
        (estimated_results(), "vllm-agg-x", '--candidate: Not found: "vllm-agg-x": must be the id of a candidate in the'),
        (estimated_results(selected=None), None, "selected: Required value: no candidate is selected: name one with"),
        (
            estimated_results(candidate_of(4, replicas=2)),
            None,
            "candidates[{id}]: Invalid value: has no corrected estimates: only these are compared",
        ),
        (
            estimated_results(candidate_of(4, replicas=2, source=Source.NAIVE).model_copy(update={"performance": None})),
            None,
            "candidates[{id}]: Invalid value: has no corrected estimates",
        ),
        (
            estimated_results(estimate_errors=estimated_results().estimate_errors.model_copy(update={"table": "old"})),  # type: ignore[union-attr]
            None,
            'estimateErrors.table: Invalid value: "old": the estimates were corrected by the table of another version',
        ),
        (
            estimated_results(goal=estimated_results().goal.model_copy(update={"autoscale": True})),
            None,
            "goal.autoscale: Invalid value: true: the planner changes the workers: plan without",
        ),
        (
            estimated_results(goal=estimated_results().goal.model_copy(update={"osl": 1})),
            None,
            "goal.osl: Invalid value: 1: an output of one token has no time between tokens",
        ),
    ],
)  # fmt: skip
def test_plan_that_cannot_be_compared_is_refused(results: Results, candidate: str | None, error: str) -> None:
    (found,) = refused(results, candidate)
    assert found.startswith(error.format(id=results.candidates[0].id))


def test_other_model_is_told() -> None:
    assert compared(model="other/model").other_model == "other/model"
    assert compared(model="").other_model == ""


@given(st.floats(0.2, 5), st.floats(0.2, 5), st.floats(0.2, 5))
def test_earlier_measurements_are_not_counted_again(ttft: float, itl: float, throughput: float) -> None:
    """A plan that is corrected already gives the same measurement as one that is not."""
    plain = estimated_candidate()
    assert plain.performance is not None
    numbers = plain.performance
    changed = numbers.model_copy(
        update={
            "ttft": numbers.ttft * ttft,
            "itl": numbers.itl * itl,
            "tokens_per_s_per_gpu": numbers.tokens_per_s_per_gpu * throughput,
        }
    )
    site = SiteCorrection(
        backend=plain.backend, mode=plain.mode, measurements=1, ttft=ttft, itl=itl, tokens_per_s_per_gpu=throughput
    )
    results = estimated_results(plain.model_copy(update={"performance": changed}), site_corrections=(site,))
    kept = compared(results).measurement.corrected
    assert kept.ttft == pytest.approx(ESTIMATED.ttft, rel=1e-5)
    assert kept.itl == pytest.approx(ESTIMATED.itl, rel=1e-5)
    assert kept.tokens_per_s_per_gpu == pytest.approx(ESTIMATED.tokens_per_s_per_gpu, rel=1e-5)


def test_what_is_kept_corrects_plans_of_the_same_estimates() -> None:
    kept = compared().measurement
    estimated = Estimated(
        model=kept.model, gpu_sku=kept.gpu_sku, engine=kept.engine, engine_version=kept.engine_version, table=TABLE,
        versions={kept.backend: kept.backend_version},
    )  # fmt: skip
    (site,), unused = site_corrections(measurements(kept), estimated)
    assert unused == ""
    assert site.ttft == pytest.approx(1.2 ** (1 / 3))
    assert site.tokens_per_s_per_gpu == pytest.approx(0.9 ** (1 / 3))


@pytest.mark.parametrize(("name", "sku"), [("h200_sxm", "h200_sxm"), ("gb200_sxm", "gb200"), ("other", "other")])
def test_gpu_has_the_name_that_plans_compare(name: str, sku: str) -> None:
    hardware = estimated_results().hardware.model_copy(update={"gpu_sku": name})
    assert compared(estimated_results(hardware=hardware)).measurement.gpu_sku == sku
