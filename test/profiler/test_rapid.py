"""Every way in which a search can end, told by a pool that replays events."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.candidate import Mode, Source
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import Results, SearchOutcome
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.releases import release_of
from dgdr_controller.profiler.calibration import Calibration
from dgdr_controller.profiler.errors import InterruptedRunError, NotDeployableError, ProfilerError, RequestRefusedError
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.model.hub import Hub
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.rapid import rapid
from dgdr_controller.profiler.selection.judge import judge
from dgdr_controller.profiler.selection.notes import notes
from dgdr_controller.profiler.simulation.messages import Survey
from dgdr_controller.profiler.simulation.search_plan import plan_searches
from dgdr_controller.profiler.simulation.worker_pool import Answered
from test.builders.measurements import measurement, measurements
from test.builders.replayed_pool import (
    CONFIG,
    ROW,
    ROW_OF_A_PAIR,
    SURVEY,
    Ending,
    Replay,
    answered,
    lost,
    no_hub,
    refused,
    silent,
    wanted,
)


def run(pool: Replay, access: Callable[[str], str | None] = lambda _: None, **spec: Any) -> Results:
    return rapid(wanted(**spec), silent, pool=pool, hub=Hub(download=no_hub, refusal=access))


def test_model_that_engines_could_not_download_is_a_warning() -> None:
    asked = []

    def gated(model: str) -> str:
        asked.append(model)
        return f"Model '{model}' is gated"

    results = run(Replay(answered(ROW), answered()), gated)
    (name,) = asked
    assert f"Engines could not download the model: Model '{name}' is gated" in [w.message for w in results.warnings]


def test_model_that_an_engine_serves_in_one_worker_only_is_not_searched_apart() -> None:
    survey = replace(SURVEY, content=CONFIG | {"architectures": ["Lfm2ForCausalLM"]})
    results = run(Replay(answered(ROW), answered(ROW), lambda r: Answered(r, survey, 0.1)))
    agg, disagg = results.searches
    assert (agg.mode, agg.outcome) == (Mode.AGGREGATED, SearchOutcome.FOUND)
    assert (disagg.mode, disagg.outcome) == (Mode.DISAGGREGATED, SearchOutcome.NO_CANDIDATE)
    assert disagg.message == "vllm 0.31.0 cannot transfer the caches of Lfm2ForCausalLM"


@pytest.mark.parametrize(("release", "searched"), [((1, 3), ["vllm", "sglang"]), ((1, 2), ["vllm"]), ((1, 1), [])])
def test_engines_of_older_images_that_do_not_load_the_model_are_not_searched(
    release: tuple[int, int], searched: list[str]
) -> None:
    survey = replace(SURVEY, content=CONFIG | {"architectures": ["DeepseekV4ForCausalLM"]})
    pool = Replay(answered(ROW), answered(), lambda r: Answered(r, survey, 0.1))
    asked = replace(wanted(backend="auto"), release=release_of(release))
    if not searched:
        asked = replace(asked, backend=Backend.VLLM)
        with pytest.raises(RequestRefusedError) as refused:
            rapid(asked, silent, pool=pool, hub=Hub(download=no_hub, refusal=lambda _: None))
        assert str(refused.value) == (
            "Model 'Qwen/Qwen3-32B' not supported by backend 'vllm': it has architecture DeepseekV4ForCausalLM; trtllm "
            "loads it"
        )
        return
    results = rapid(asked, silent, pool=pool, hub=Hub(download=no_hub, refusal=lambda _: None))
    reasons = {str(report.backend): report.message for report in results.searches}
    for engine, since in (("vllm", "1.2"), ("sglang", "1.3")):
        why = "does not load architecture DeepseekV4ForCausalLM; that of Dynamo"
        left_out = f"the engine of Dynamo 1.{release[1]} {why} {since} or later does"
        assert (reasons[engine] == left_out) is (engine not in searched)


def test_model_that_only_another_release_loads_is_refused_with_the_way_out() -> None:
    survey = replace(SURVEY, content=CONFIG | {"architectures": ["BaichuanForCausalLM"]})
    pool = Replay(answered(ROW), answered(), lambda r: Answered(r, survey, 0.1))
    dropped = replace(survey, content=CONFIG | {"architectures": ["JAISLMHeadModel"]})
    with pytest.raises(RequestRefusedError, match="sglang loads it"):
        rapid(wanted(), silent, pool=pool, hub=Hub(download=no_hub, refusal=lambda _: None))
    pool = Replay(answered(ROW), answered(), lambda r: Answered(r, dropped, 0.1))
    with pytest.raises(RequestRefusedError) as refused:
        rapid(wanted(), silent, pool=pool, hub=Hub(download=no_hub, refusal=lambda _: None))
    assert str(refused.value).endswith(
        "it has architecture JAISLMHeadModel; the images are of Dynamo 1.6: set spec.image to a release that loads it "
        "(vllm of Dynamo 1.2)"
    )


def test_hub_is_not_asked_where_engines_load_from_a_cache() -> None:
    def ask(model: str) -> str:
        raise AssertionError(model)

    results = run(Replay(answered(ROW), answered()), ask, modelCache={"pvcName": "claim", "pvcModelPath": "a"})
    assert not any("Hugging Face hub" in warning.message for warning in results.warnings)


def test_hub_that_does_not_answer_holds_nothing_up() -> None:
    answer = threading.Event()
    try:
        assert not run(Replay(answered(ROW), answered()), lambda _: str(answer.wait(60))).warnings
    finally:
        answer.set()


def test_search_that_finds_nothing_costs_only_itself_and_is_no_warning() -> None:
    results = run(Replay(answered(ROW), answered(reason="nothing fits")))
    assert results.choice is not None
    agg, disagg = results.searches
    assert (agg.outcome, agg.candidates) == (SearchOutcome.FOUND, 1)
    assert (disagg.outcome, disagg.message) == (SearchOutcome.NO_CANDIDATE, "nothing fits")
    assert results.warnings == ()


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (refused("SystemExit", "1"), "the simulator failed with SystemExit: 1"),
        (refused("MemoryError", ""), "the simulator failed with MemoryError"),
        (refused("KeyError", "'a'\n 'b'"), "the simulator failed with KeyError: 'a' 'b'"),
        (lost("its process was killed by SIGKILL"), "its process was killed by SIGKILL"),
    ],
)
def test_search_that_fails_is_a_warning(ending: Ending, message: str) -> None:
    results = run(Replay(answered(ROW), ending))
    assert results.choice is not None
    assert (results.searches[1].outcome, results.searches[1].message) == (SearchOutcome.FAILED, message)
    (warning,) = results.warnings
    assert warning.type == "ConfigurationWarning"
    assert warning.message.startswith(f"The search of vllm disaggregated failed ({message}): ")


def test_failures_without_any_candidate_are_worth_another_run() -> None:
    with pytest.raises(InterruptedRunError, match="vllm aggregated: took longer than 1 s"):
        run(Replay(lost("took longer than 1 s"), answered(reason="nothing fits")))


def test_request_that_the_simulator_finds_nothing_for_is_planned_by_memory_fit() -> None:
    results = run(Replay(answered(reason="no data for this"), answered(reason="no data for this")))
    assert results.choice is not None
    assert (results.choice.source, results.choice.performance) == (Source.NAIVE, None)
    assert (results.provenance.mode, results.provenance.perf_database) == ("naive", {})
    assert [search.message for search in results.searches] == ["no data for this", "no data for this"]
    by_memory, context = results.warnings
    assert {by_memory.type, context.type} == {"ConfigurationWarning"}
    assert by_memory.message == (
        "Model 'Qwen/Qwen3-32B' not supported by AIC. Generated DGD uses reasonable defaults but may not be "
        "SLA-optimized. Use searchStrategy: thorough for SLA optimization (no data for this)"
    )
    assert context.message.startswith("Engines refuse requests of more than 20000 tokens, prompt and output together: ")


def test_planner_that_finds_no_pair_of_workers_scales_engines_that_do_both() -> None:
    """Latencies are held only of pairs, so they alone are searched at first."""
    pool = Replay(answered(ROW), answered(reason="8 GPUs are too few for a prefill and a decode worker"))
    results = run(pool, features={"planner": True}, sla={"ttft": 1000, "itl": 30})
    assert [report.mode for report in results.searches] == [Mode.DISAGGREGATED, Mode.AGGREGATED]
    assert results.choice is not None
    assert (results.choice.mode, results.choice.replicas) == (Mode.AGGREGATED, 1)
    assert results.warnings == ()


@pytest.mark.parametrize(
    ("sla", "modes"),
    [
        ({"itl": 30}, [Mode.DISAGGREGATED]),
        ({"optimizationType": "throughput"}, [Mode.AGGREGATED, Mode.DISAGGREGATED]),
    ],
)
def test_planner_that_only_follows_the_load_scales_engines_of_both_modes(
    sla: dict[str, Any], modes: list[Mode]
) -> None:
    two = ROW | {f"({role}){key}": value for role in "pd" for key, value in ROW.items()}
    results = run(Replay(answered(ROW), answered(two | {"num_total_gpus": 8})), features={"planner": True}, sla=sla)
    assert [report.mode for report in results.searches if report.outcome is SearchOutcome.FOUND] == modes


def test_model_that_fits_nowhere_is_refused_with_the_number_of_gpus_that_would_do() -> None:
    nothing = answered(reason="does not fit")
    with pytest.raises(
        NotDeployableError, match=r"does not fit on 2 × l4: .* 61 GiB.* sufficient number of these GPUs is 4$"
    ):
        run(Replay(nothing, nothing), hardware={"gpuSku": "l4", "totalGpus": 2})


def test_rows_that_were_dropped_are_counted() -> None:
    results = run(Replay(answered(ROW, ROW | {"num_total_gpus": 8}, ROW | {"tp": 0}), answered()))
    assert results.searches[0].message == (
        "1 rows with a GPU count that is not that of their parallelism were dropped; "
        "1 rows with values that make no sense were dropped"
    )


def test_engines_without_data_are_listed() -> None:
    results = run(Replay(answered(ROW), answered()), backend="auto")
    assert [(s.backend, s.mode.value[:3], s.outcome.value) for s in results.searches] == [
        ("vllm", "agg", "found"),
        ("vllm", "dis", "no-candidate"),
        ("sglang", "agg", "found"),
        ("sglang", "dis", "no-candidate"),
        ("trtllm", "agg", "no-candidate"),
        ("trtllm", "dis", "no-candidate"),
    ]
    assert results.searches[4].message == "AIConfigurator 0.12.0 has no performance data for trtllm on h200_sxm"
    assert set(results.provenance.perf_database) == {"vllm", "sglang"}


LIMITED = replace(SURVEY, databases={}, limits={Backend.VLLM: "0.24.0", Backend.SGLANG: "0.5.14"})


def test_gpu_without_measured_data_is_estimated_from_its_limits_with_a_warning() -> None:
    row = ROW | {"sources": ["empirical"]}
    survey: Ending = lambda request: Answered(request, LIMITED, 0.1)  # noqa: E731
    results = run(Replay(answered(row), answered(), survey), hardware={"gpuSku": "l4", "vramMb": 80_000})
    assert results.choice is not None
    assert (results.choice.source, results.choice.backend_version) == (Source.EMPIRICAL, "0.24.0")
    assert (results.provenance.mode, results.provenance.perf_database) == ("rapid", {})
    assert "computed from the bandwidth and peak rate of l4" in results.provenance.notes[0]
    assert (
        ConfigurationWarning.note(
            "AIC has no measured data for l4: the numbers are computed from the GPU's limits and may be off by 30 % beyond "
            "the usual error of estimates"
        )
        in results.warnings
    )


def test_estimates_are_corrected_and_say_by_what() -> None:
    results = run(Replay(answered(ROW), answered(ROW_OF_A_PAIR)))
    assert results.choice is not None
    assert results.choice.simulated is not None
    assert results.choice.simulated.ttft == ROW["ttft"] != results.choice.numbers.ttft
    assert results.estimate_errors is not None
    rows = {c.uncertainty.row for c in results.candidates if c.uncertainty}
    assert rows == set(results.estimate_errors.rows)
    assert any(row.startswith("vllm, aggregated") for row in rows)
    assert results.estimate_errors.source == "aiconfigurator 0.12.0, systems/silicon_sample.csv"
    corrected, pooled, *_ = results.provenance.notes
    assert corrected.startswith("Estimates are medians, corrected by 2414 public measurements of 10 model families; ")
    assert pooled == (
        "Too few models were measured with vllm disaggregated: the ranges are those of all engines, and may not hold for them."
    )
    chances = results.choice.uncertainty.chances if results.choice.uncertainty else None
    assert chances is not None
    assert (chances.ttft is None, chances.itl is None, chances.e2e) == (False, False, None)  # of the default targets


def test_table_for_another_simulator_is_not_used_and_a_warning_says_so() -> None:
    newer = replace(SURVEY, engine_version="0.13.0")
    results = run(Replay(answered(ROW), answered(), lambda r: Answered(r, newer, 0.1)))
    assert results.choice is not None
    assert (results.choice.simulated, results.choice.uncertainty, results.estimate_errors) == (None, None, None)
    assert results.choice.numbers.ttft == ROW["ttft"]
    assert (
        ConfigurationWarning.note(
            "Estimates are not corrected by measurements: the corrections are for aiconfigurator 0.12.0, the estimates are "
            "from AIConfigurator 0.13.0; run make calibration"
        )
        in results.warnings
    )
    assert any("TTFT is an optimistic estimate" in note for note in results.provenance.notes)


@pytest.mark.parametrize(("sku", "slow"), [("b200_sxm", True), ("h200_sxm", False)])
def test_experts_of_vllm_on_blackwell_are_said_to_be_better_than_they_look(sku: str, slow: bool) -> None:  # noqa: FBT001
    experts = read_config(CONFIG | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1536})
    request, model = wanted(hardware={"gpuSku": sku}), Model("m", "m", "m", experts, None, ())
    judgement = judge([], request.goal, 8, lambda _: None)
    vllm = replace(judgement, candidates=[run(Replay(answered(ROW), answered())).candidates[0]])
    said = " ".join(notes(request, model, vllm, None, measured=True))
    assert ("It is likely better than its estimates" in said) is slow
    assert ("AIC's data for mixtures of experts are uneven" in said) is not slow
    assert "likely better" not in " ".join(notes(request, model, judgement, None, measured=True))


@pytest.mark.parametrize(
    ("known", "searched"),
    [
        (LIMITED, {Backend.VLLM: "0.24.0", Backend.SGLANG: "0.5.14"}),
        (replace(LIMITED, databases={Backend.SGLANG: "0.5.14"}), {Backend.SGLANG: None}),
    ],
)
def test_limits_are_never_compared_with_measured_data(known: Survey, searched: dict[Backend, str | None]) -> None:
    request = wanted(backend="auto")
    model = Model("m", "m", "m", read_config(CONFIG), None, ())
    searches = plan_searches(request, model, known).searches
    assert {search.backend: search.limits_version for search in searches} == searched


def test_candidate_that_needs_more_memory_than_the_gpu_has_is_not_deployed() -> None:
    results = run(Replay(answered(ROW, ROW | {"bs": 8, "memory": 20.0}), answered()), hardware={"vramMb": 30_000})
    assert results.choice is not None
    assert results.choice.workers[0].memory_gib == 20.0
    (loser,) = [c.verdict for c in results.candidates if c.id != results.selected]
    assert loser is not None
    assert (
        f"{loser.outcome}: {loser.reason}" == "does-not-fit: needs 48.7 GiB of each GPU, of which engines may use 27.0"
    )
    assert "spec.hardware.vramMb is 30000, but h200_sxm has 143771" in results.warnings[0].message


@pytest.mark.parametrize(
    ("survey", "error", "sentence"),
    [
        (
            refused("ModuleNotFoundError", "No module named 'x'"),
            ProfilerError,
            r"pip install 'dgdr-controller\[profiler\]'",
        ),
        (refused("OSError", "disk"), ProfilerError, "the simulator cannot be used: OSError: disk"),
        (lost("took longer than 60 s"), InterruptedRunError, "did not start: took longer than 60 s"),
    ],
)
def test_simulator_that_does_not_work_is_told(survey: Ending, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        run(Replay(answered(), answered(), survey))


def test_model_that_brings_code_of_its_own_is_known_as_such() -> None:
    survey = replace(SURVEY, content=CONFIG | {"auto_map": {"AutoModel": "m.M"}})
    results = run(Replay(answered(ROW), answered(), lambda r: Answered(r, survey, 0.1)))
    assert results.model_facts.own_code
    assert results.model_facts.architecture == "Qwen3ForCausalLM"


def test_workload_must_end_within_the_models_context() -> None:
    with pytest.raises(RequestRefusedError, match="isl \\+ osl is 40961 tokens"):
        run(Replay(answered(ROW), answered()), workload={"isl": 40_000, "osl": 961})
    assert run(Replay(answered(ROW), answered()), workload={"isl": 40_000, "osl": 960}).choice is not None


def measured_here(*changes: dict[str, Any], unread: tuple[str, ...] = ()) -> Results:
    found = [measurement(8.0, 1.0, 0.125, **({"table": Calibration.load().digest} | change)) for change in changes]
    request = replace(wanted(), measurements=measurements(*found, unread=unread))
    pool = Replay(answered(ROW), answered(ROW_OF_A_PAIR))
    return rapid(request, silent, pool=pool, hub=Hub(download=no_hub, refusal=lambda _: None))


def test_measurements_of_this_site_correct_what_was_measured_and_results_say_so() -> None:
    plain = {c.mode: c for c in run(Replay(answered(ROW), answered(ROW_OF_A_PAIR))).candidates}
    results = measured_here({})
    found = {c.mode: c for c in results.candidates}
    assert found[Mode.DISAGGREGATED].performance == plain[Mode.DISAGGREGATED].performance
    before, after = plain[Mode.AGGREGATED], found[Mode.AGGREGATED]
    assert after.numbers.ttft == pytest.approx(before.numbers.ttft * 2)
    assert after.numbers.tokens_per_s_per_gpu == pytest.approx(before.numbers.tokens_per_s_per_gpu / 2)
    assert after.simulated == before.simulated
    assert after.uncertainty is not None
    assert after.uncertainty.row.endswith(", 1 measurement of this site")
    assert [(site.mode, site.measurements) for site in results.site_corrections] == [(Mode.AGGREGATED, 1)]
    assert results.provenance.notes[0] == (
        "Estimates of vllm aggregated are corrected by 1 measurement of this site (ConfigMap dgdr-measurements): "
        "TTFT × 2, ITL × 1, tokens/s/GPU × 0.5. Their ranges are as wide as without."
    )
    assert results.warnings == ()


def test_measurements_that_are_not_used_are_a_warning() -> None:
    results = measured_here({"engine_version": "0.11.0"}, unread=("b.json: must be a text",))
    assert results.site_corrections == ()
    (warning,) = results.warnings
    assert warning.type == "ConfigurationWarning"
    assert warning.message.startswith(
        "Some measurements of ConfigMap dgdr-measurements are not used: b.json: must be a text; 0.vllm-agg-"
    )
    assert not [note for note in results.provenance.notes if "of this site" in note]
