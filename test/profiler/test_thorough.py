"""The thorough search around its decisions: what is deployed, measured, rejected, counted, resumed, answered."""

import datetime as dt
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dgdr_api.candidate import Outcome, Role, Source
from dgdr_api.options import search_options
from dgdr_api.results import Results
from dgdr_api.trials import FailedTrial, MeasuredPoint, TrialLog, TrialState, TrialStatus
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.measurement.benchmark import Rejected
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from dgdr_controller.profiler.measurement.options import performance_of
from dgdr_controller.profiler.measurement.trials import Budget, Cluster, Found
from dgdr_controller.profiler.simulation.collect import Progress, Step
from dgdr_controller.profiler.thorough import thorough
from test.builders.replayed_pool import ROW, ROW_OF_A_PAIR, Replay, answered, silent, wanted

READY = TrialStatus(state=TrialState.READY, endpoint="http://trial:8000")
SPEC = {"sla": {"ttft": 2000, "itl": 30, "optimizationType": "throughput"}, "workload": {"isl": 4000, "osl": 1000}}


def rows() -> Iterator[dict[str, Any]]:
    """Yield estimates: two GPUs serve the most for each of them."""
    for tp, load in itertools.product((1, 2, 4, 8), (8, 16, 32, 64, 96)):
        ttft, itl = 100 + 400 / tp + 10 * load / tp, 4 + 14 / tp + 0.35 * load / tp**0.9
        seen = performance_of(load, ttft, itl, 1000, tp)
        yield ROW | {
            "concurrency": load, "bs": load, "request_rate": seen.request_rate, "ttft": ttft, "tpot": itl,
            "tokens/s": seen.tokens_per_s, "tp": tp, "num_total_gpus": tp, "memory": 130.0 / tp if tp > 1 else 90.0,
        }  # fmt: skip


@dataclass
class Played:
    """A cluster whose trials are as they are told to be, and whose engines are slower than estimated."""

    before: TrialLog | None = None
    states: Callable[[str], TrialStatus] = lambda _: READY
    rejects: Callable[[str, int], str] = lambda _trial, _load: ""
    logs: list[TrialLog] = field(default_factory=list)
    measured: list[tuple[str, int]] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    end: dt.datetime | None = None

    def earlier(self) -> TrialLog | None:
        return self.before

    def update(self, log: TrialLog) -> None:
        self.logs.append(log)

    def status(self, trial: str) -> TrialStatus:
        return self.states(trial)

    def ends(self) -> dt.datetime | None:
        return self.end

    def measure(self, endpoint: Endpoint, load: Load, *, trial: str, seed: int, deadline_s: float) -> Found:
        assert endpoint.url == READY.endpoint
        assert trial in {candidate.id for candidate in self.logs[-1].wanted}
        self.measured.append((trial, load.concurrency))
        self.deadlines.append(deadline_s)
        self.seeds.append(seed)
        if reason := self.rejects(trial, load.concurrency):
            return Rejected(load.concurrency, reason)
        tp = next(c.gpus for c in self.logs[-1].wanted if c.id == trial)
        ttft, itl = 250 + 500 / tp + 14 * load.concurrency / tp, 5 + 15 / tp + 0.4 * load.concurrency / tp**0.9
        seen = performance_of(load.concurrency, ttft, itl, endpoint.osl, tp)
        return MeasuredPoint(
            trial=trial, concurrency=load.concurrency, ttft=ttft, itl=itl, tokens_per_s=seen.tokens_per_s,
            request_rate=seen.request_rate, requests=load.requests,
        )  # fmt: skip

    def search(self, budget: Budget | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Results:
        request = wanted(**(SPEC | spec))
        if annotations:
            named = {f"dgdr.nvidia.com/{name}": value for name, value in annotations.items()}
            request = replace(request, options=search_options(named))
        pool = Replay(answered(*rows()), answered())
        cluster = Cluster(self, self.measure)
        return thorough(request, self.told.append, cluster, budget or Budget(), pool)


def test_choice_was_measured_twice_and_the_rest_says_why_not() -> None:
    cluster = Played()

    results = cluster.search()

    choice = results.choice
    assert choice is not None
    assert choice.source is Source.MEASURED
    assert choice.samples is not None
    assert choice.samples.runs == 2
    assert results.provenance.mode == "thorough"
    assert 2 <= len(cluster.measured) <= 10
    outcomes = {candidate.verdict.outcome for candidate in results.candidates if candidate.verdict}
    assert Outcome.NOT_MEASURED in outcomes
    left_out = [c for c in results.candidates if c.verdict and c.verdict.outcome is Outcome.NOT_MEASURED]
    assert all(candidate.source is not Source.MEASURED for candidate in left_out)
    assert not any(warning.type == "ConfigurationWarning" for warning in results.warnings)


def test_every_point_is_in_the_log_at_once() -> None:
    cluster = Played()
    cluster.search()
    counts = [len(log.points) for log in cluster.logs]
    assert counts == sorted(counts)
    assert {after - before for before, after in itertools.pairwise(counts)} == {0, 1}
    assert counts[-1] == len(cluster.measured)
    assert cluster.logs[-1].wanted == ()
    assert cluster.logs[-1].model == "Qwen/Qwen3-32B"


def test_search_goes_on_where_it_was_interrupted() -> None:
    whole = Played()
    answer = whole.search()
    for cut in range(len(whole.measured)):
        earlier = TrialLog(points=whole.logs[-1].points[:cut])
        resumed = Played(before=earlier)
        assert resumed.search() == answer
        assert resumed.measured == whole.measured[cut:]


def test_prompts_are_others_for_each_measurement() -> None:
    """The same ones would be in the prefix cache."""
    cluster = Played(rejects=lambda _, load: "requests failed" if load > 60 else "")
    cluster.search()
    assert len(set(cluster.seeds)) == len(cluster.seeds)


def test_trial_that_fails_is_left_out_with_its_reason() -> None:
    best = Played()
    chosen = best.search().choice
    assert chosen is not None
    failing = best.measured[0][0]
    crashed = TrialStatus(state=TrialState.FAILED, message="pod w-0: out of memory")

    cluster = Played(states=lambda trial: crashed if trial == failing else READY)
    results = cluster.search()

    assert failing not in {trial for trial, _ in cluster.measured}
    assert results.choice is not None
    assert results.choice.id != chosen.id
    failed = [c for c in results.candidates if c.verdict and c.verdict.outcome is Outcome.FAILED_TRIAL]
    assert failed
    assert {candidate.verdict.reason for candidate in failed if candidate.verdict} == {"pod w-0: out of memory"}
    assert cluster.logs[-1].failed == (FailedTrial(trial=failing, reason="pod w-0: out of memory"),)


def test_trial_of_which_no_measurement_counts_is_left_out() -> None:
    first = Played()
    first.search()
    (trial, load), *_ = first.measured

    cluster = Played(rejects=lambda t, _: "12 of 40 requests failed" if t == trial else "")
    results = cluster.search()

    tried = [asked for t, asked in cluster.measured if t == trial]
    assert tried == [load, load, tried[-1], tried[-1]]
    assert tried[-1] < load
    assert results.choice is not None
    (failed,) = cluster.logs[-1].failed
    expected = f"no measurement with {tried[-1]} and {load} requests in flight counts, the last one because 12 of 40"
    assert failed.reason.startswith(expected)


def test_load_that_is_rejected_twice_costs_no_other_load() -> None:
    """An engine that runs out of memory at many requests may be the best one at fewer."""
    first = Played()
    first.search()
    (trial, load), *_ = first.measured
    others = sorted({other for t, other in first.measured if t == trial} - {load})
    assert others
    most = max(load, *others)

    cluster = Played(rejects=lambda t, asked: "out of memory" if t == trial and asked >= most else "")
    results = cluster.search()

    again = [asked for t, asked in cluster.measured if t == trial]
    assert [asked for asked in again if asked >= most] in ([most] * 2, [])
    assert min(again) < most
    assert cluster.logs[-1].failed == ()
    assert results.choice is not None
    assert results.choice.source is Source.MEASURED


def test_what_was_measured_counts_though_the_trial_fails_later() -> None:
    cluster = Played()
    crashed = TrialStatus(state=TrialState.FAILED, message="pod w-0: out of memory")
    cluster.states = lambda trial: crashed if any(t == trial for t, _ in cluster.measured) else READY

    results = cluster.search()

    assert results.choice is not None
    assert results.choice.source is Source.MEASURED
    assert results.provenance.mode == "thorough"


def test_attempt_that_ends_the_profiler_is_known_to_the_next_pod() -> None:
    """A load at which the profiler runs out of memory would be tried for ever."""

    def killed(*_: Any, **__: Any) -> Found:
        raise SystemExit

    before: TrialLog | None = None
    for _ in range(2):
        cluster = Played(before=before)
        with pytest.raises(SystemExit):
            thorough(wanted(**SPEC), silent, Cluster(cluster, killed), Budget(), Replay(answered(*rows()), answered()))
        before = cluster.logs[-1]
    assert before is not None
    attempt = before.rejected[0]

    third = Played(before=before)
    results = third.search()

    assert before.rejected == (attempt, attempt)
    assert (attempt.trial, attempt.concurrency) not in third.measured
    assert results.choice is not None


def test_interrupted_measurement_is_not_held_against_its_load() -> None:
    cluster = Played()

    def interrupted(*_: Any, **__: Any) -> Found:
        assert cluster.logs[-1].rejected
        raise KeyboardInterrupt

    pool = Replay(answered(*rows()), answered())
    with pytest.raises(KeyboardInterrupt):
        thorough(wanted(**SPEC), silent, Cluster(cluster, interrupted), Budget(), pool)

    assert cluster.logs[-1].rejected == ()


def test_estimates_decide_where_the_load_generator_does_not_work() -> None:
    cluster, asked = Played(), []

    def broken(endpoint: Endpoint, load: Load, **_: Any) -> Found:
        asked.append(load)
        return Rejected(load.concurrency, f"AIPerf finds no tokenizer {endpoint.tokenizer}", by_program=True)

    pool = Replay(answered(*rows()), answered())
    results = thorough(wanted(**SPEC), silent, Cluster(cluster, broken), Budget(), pool)

    assert len(asked) == 2
    assert cluster.logs[-1].failed == ()
    assert results.choice is not None
    (warning,) = [w.message for w in results.warnings if "Nothing was measured" in w.message]
    assert "AIPerf finds no tokenizer Qwen/Qwen3-32B" in warning


@pytest.mark.usefixtures("fast_clock")
def test_trial_that_gets_no_gpus_gives_way_to_another() -> None:
    first = Played()
    first.search()
    large = first.measured[0][0]
    waiting = TrialStatus(state=TrialState.WAITING, message="it needs 2 GPUs, and 1 is free in the cluster")
    cluster = Played(states=lambda trial: waiting if trial == large else READY)

    results = cluster.search()

    assert cluster.measured
    assert large not in {trial for trial, _ in cluster.measured}
    assert cluster.logs[-1].failed[0].without_gpus
    assert results.choice is not None
    assert results.choice.source is Source.MEASURED


def test_search_ends_before_its_job(fast_clock: list[float]) -> None:
    """A new pod of the Job has less time than the first one had."""
    cluster = Played(states=lambda _: TrialStatus(state=TrialState.STARTING))
    cluster.end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)

    results = cluster.search(Budget(until=fast_clock[0] + 10_000))

    assert results.choice is not None
    assert cluster.measured == []
    assert fast_clock[0] < 1010


def test_request_fails_with_every_reason_where_all_trials_fail() -> None:
    cluster = Played(states=lambda trial: TrialStatus(state=TrialState.FAILED, message=f"{trial} has no image"))

    with pytest.raises(NotDeployableError) as refused:
        cluster.search()

    assert "no configuration of Qwen/Qwen3-32B could be measured" in str(refused.value)
    assert all(f"{f.trial}: {f.trial} has no image" in str(refused.value) for f in cluster.logs[-1].failed)
    assert 1 < len(cluster.logs[-1].failed) <= 5


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the search that only its own sleeping moves."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_estimates_decide_where_no_trial_is_ready_in_time(fast_clock: list[float]) -> None:
    waiting = TrialStatus(state=TrialState.WAITING, message="it needs 2 GPUs, and 0 are free in the cluster")
    cluster = Played(states=lambda _: waiting)

    results = cluster.search(Budget(until=fast_clock[0] + 3600))

    assert results.choice is not None
    assert results.provenance.mode == "rapid"
    (warning,) = [w.message for w in results.warnings if "Nothing was measured" in w.message]
    assert "it needs 2 GPUs, and 0 are free in the cluster" in warning
    assert cluster.logs[-1].wanted == ()
    assert cluster.logs[-1].gpu_hours == 0


@pytest.mark.usefixtures("fast_clock")
def test_gpu_hours_of_trials_that_start_are_counted_and_limited() -> None:
    starting = TrialStatus(state=TrialState.STARTING, message="loading the model")
    cluster = Played(states=lambda _: starting)

    cluster.search(annotations={"measuring-gpu-hours": "3"})

    assert 3 <= cluster.logs[-1].gpu_hours <= 3.01
    resumed = Played(before=cluster.logs[-1], states=lambda _: starting)
    resumed.search(annotations={"measuring-gpu-hours": "3"})
    assert resumed.logs[-1].gpu_hours == cluster.logs[-1].gpu_hours


def test_minutes_of_the_request_end_the_search(fast_clock: list[float]) -> None:
    begun = fast_clock[0]
    cluster = Played(states=lambda _: TrialStatus(state=TrialState.STARTING))

    cluster.search(annotations={"measuring-minutes": "30"})

    assert 1800 <= fast_clock[0] - begun <= 1801


def test_minutes_count_over_all_pods(fast_clock: list[float]) -> None:
    starting = TrialStatus(state=TrialState.STARTING)
    cluster = Played(before=TrialLog(seconds=1500), states=lambda _: starting)
    begun = fast_clock[0]

    cluster.search(annotations={"measuring-minutes": "30"})

    assert 300 <= fast_clock[0] - begun <= 301


def test_what_is_measured_is_in_sight() -> None:
    cluster = Played()
    cluster.search()
    states = [progress.state for progress in cluster.told if progress.search is Step.MEASUREMENT]
    assert states[0].startswith("trial 1, vllm aggregated 1 × tp")
    assert any("in flight: TTFT" in state and "tokens/s" in state for state in states)
    assert re.search(r"\(at most \d+ min left\)$", states[-1])
    assert [p.completed for p in cluster.told if p.search is Step.MEASUREMENT][-1] == len(cluster.measured)


def test_measurement_has_a_deadline_of_its_own() -> None:
    """An endpoint that hangs costs what a slow one may take, and not the whole search."""
    cluster = Played()
    cluster.search(Budget(until=time.monotonic() + 100_000))
    assert all(600 <= deadline < 3600 for deadline in cluster.deadlines)


def test_simulated_engines_are_named_as_such() -> None:
    assert not any("mocker" in w.message for w in Played().search(features={"mocker": {"enabled": False}}).warnings)
    results = Played().search(features={"mocker": True})
    assert any("simulated engines (spec.features.mocker)" in warning.message for warning in results.warnings)


def test_sizes_by_memory_fit_are_measured_where_nothing_is_estimated() -> None:
    pool = Replay(answered(), answered())
    cluster = Played()

    results = thorough(wanted(**SPEC), silent, Cluster(cluster, cluster.measure), Budget(), pool)

    assert results.choice is not None
    assert results.choice.source is Source.MEASURED
    assert results.choice.simulated is None
    assert len({trial for trial, _ in cluster.measured}) > 1
    assert len(cluster.measured) <= 10


def pairs() -> Iterator[dict[str, Any]]:
    """Yield estimates of one prefill and one decode worker of four GPUs each."""
    for load in (8, 16, 32, 64):
        ttft, itl = 150 + 5 * load, 8 + 0.2 * load
        seen = performance_of(load, ttft, itl, 1000, 8)
        yield ROW_OF_A_PAIR | {
            "concurrency": load, "(d)bs": load, "request_rate": seen.request_rate, "ttft": ttft, "tpot": itl,
            "tokens/s": seen.tokens_per_s,
        }  # fmt: skip


def planned(cluster: Played, budget: Budget | None = None) -> Results:
    """Search for a deployment that the planner scales by latencies."""
    spec = SPEC | {"features": {"planner": {"optimization_target": "sla"}}, "backend": "vllm"}
    pool = Replay(answered(), answered(*pairs()))
    stage = Cluster(cluster, cluster.measure, lambda _: 500_000)
    return thorough(wanted(**spec), cluster.told.append, stage, budget or Budget(), pool)


def test_planners_curves_are_measured_on_the_chosen_deployment() -> None:
    cluster = Played()

    results = planned(cluster)

    assert results.choice is not None
    prefill, decode = results.curves
    assert prefill.is_measured
    assert decode.is_measured
    assert (prefill.role, decode.role) == (Role.PREFILL, Role.DECODE)
    assert decode.decode is not None
    assert decode.decode.max_kv_tokens == 500_000
    searched = [len(log.points) for log in cluster.logs].index(len(cluster.logs[-1].points))
    assert all(len(log.wanted) == 1 for log in cluster.logs[searched:-1]), "its deployment stays until the end"
    assert cluster.logs[-1].wanted == ()
    assert any(progress.search is Step.CURVES for progress in cluster.told)


def test_curves_go_on_where_they_were_interrupted() -> None:
    first = Played()
    planned(first)
    cut = next(log for log in first.logs if len(log.curve_points) == 5)
    second = Played(before=cut)

    results = planned(second)

    assert results.curves == planned(Played()).curves
    assert len(second.measured) == len(first.logs[-1].curve_points) - 5


def test_load_that_cannot_be_measured_is_missing_in_its_curve() -> None:
    cluster = Played(rejects=lambda _trial, load: "" if load < 64 or len(cluster.logs[-1].points) < 2 else "HTTP 500")
    whole, *_ = planned(Played()).curves[1:]
    results = planned(cluster)
    decode = results.curves[1].decode
    assert decode is not None
    assert whole.decode is not None
    assert 3 <= len(decode.itl) < len(whole.decode.itl)
    assert any("rejected: HTTP 500" in progress.state for progress in cluster.told)


def test_estimated_curves_stay_where_the_deployment_fails() -> None:
    cluster = Played()
    failed = TrialStatus(state=TrialState.FAILED, message="it crashed")
    cluster.states = lambda _: failed if len(cluster.logs[-1].curve_points) == 2 else READY
    results = planned(cluster)
    assert results.curves == ()  # the replayed simulator has none
    assert results.choice is not None
    assert results.choice.source is Source.MEASURED
    assert cluster.logs[-1].wanted == ()
