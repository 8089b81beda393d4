import datetime as dt
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from dgdr_api.conditions import DeploymentReady, Profiling, SpecGenerated, of_warning, set_conditions
from dgdr_api.job_spec import PROFILER
from dgdr_api.request_warnings import PrerequisiteWarning
from dgdr_api.v1beta1 import DgdrStatus, Phase, ProfilingResults
from dgdr_controller.reconciler import metrics
from dgdr_controller.reconciler.decision import Decision, enter
from dgdr_controller.reconciler.metrics import Phases, record
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.runtime import Key
from dgdr_controller.runtime.metrics import registry
from test.builders.observed_state import NOW, container, observed_of, pod_of, request_of, rfc3339

_NAMES = count()
MINUTE = dt.timedelta(minutes=1)


def counted() -> dict[str, float]:
    """Return every sample of the requests' metrics: name and labels, and its value."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if metric.name.startswith("dgdr_") and not sample.name.endswith(("_created", "_bucket"))
    }


def changed_by(state: ObservedState, decision: Decision) -> dict[str, float]:
    before = counted()
    record(state, decision)
    return {name: value - before.get(name, 0) for name, value in counted().items() if value != before.get(name, 0)}


def in_phase(phase: Phase, **status: Any) -> ObservedState:
    return observed_of(request_of(status=DgdrStatus(phase=phase, **status)))


def profiled(state: ObservedState) -> ObservedState:
    """A request that is profiled since a minute, by a profiler that has ended two seconds ago."""
    ended = rfc3339(state.now - dt.timedelta(seconds=2))
    terminated = container(PROFILER, terminated={"exitCode": 0, "finishedAt": ended})
    pod = pod_of(containerStatuses=[terminated])
    results = ProfilingResults(start_time=state.now - MINUTE)
    status = state.status.model_copy(update={"profiling_results": results})
    return replace(state, request=state.request.model_copy(update={"status": status}), pods=(pod,))


@pytest.mark.parametrize(
    ("phase", "outcome", "seen"),
    [(Phase.DEPLOYING, "succeeded", 1), (Phase.READY, "succeeded", 1), (Phase.FAILED, "failed", 0)],
)
def test_end_of_a_profiling_is_counted(profiling_state: ObservedState, phase: Phase, outcome: str, seen: int) -> None:
    state = profiled(profiling_state)
    changed = changed_by(state, Decision(state.status.model_copy(update={"phase": phase}), candidates=7))
    assert changed[f"dgdr_profilings_total{sorted((outcome, 'rapid'))}"] == 1
    assert changed[f"dgdr_profiling_duration_seconds_sum{sorted((outcome, 'rapid'))}"] == 60
    assert changed["dgdr_phase_duration_seconds_sum['Profiling']"] == 60
    assert changed["dgdr_profiling_candidates_sum[]"] == 7
    assert changed.get("dgdr_result_latency_seconds_count[]", 0) == seen
    assert changed.get("dgdr_result_latency_seconds_sum[]", 0) == 2 * seen


@pytest.mark.parametrize("phase", [Phase.PROFILING, Phase.PENDING])
def test_profiling_that_goes_on_or_begins_again_is_no_end(profiling_state: ObservedState, phase: Phase) -> None:
    changed = changed_by(profiling_state, Decision(profiling_state.status.model_copy(update={"phase": phase})))
    assert not any(name.startswith("dgdr_profiling") for name in changed)


@pytest.mark.parametrize(
    ("updates", "cause"),
    [
        ([Profiling.failed("SweepingPrefill", "x")], "Profiling"),
        ([Profiling.completed(), SpecGenerated.failed("x")], "SpecGenerated"),
        ([Profiling.completed(), SpecGenerated.applied(), DeploymentReady.deleted()], "DeploymentReady"),
    ],
)
def test_failure_is_counted_by_its_cause(updates: list[Any], cause: str) -> None:
    state = in_phase(Phase.PROFILING)
    assert changed_by(state, Decision(enter(state, Phase.FAILED, *updates)))[f"dgdr_failures_total['{cause}']"] == 1


def test_request_that_stays_failed_is_counted_once() -> None:
    state = in_phase(Phase.FAILED)
    assert changed_by(state, Decision(enter(state, Phase.FAILED, Profiling.failed("", "x")))) == {}


def test_warning_is_counted_once_whatever_words_it_changes_to() -> None:
    first, second = (of_warning(PrerequisiteWarning.claim_unbound(name)) for name in ("a", "b"))
    state = in_phase(Phase.READY)
    status = enter(state, Phase.READY, first)
    counter = "dgdr_warnings_total['PrerequisiteWarning']"
    assert changed_by(state, Decision(status)) == {counter: 1}
    warned = observed_of(request_of(status=status))
    assert changed_by(warned, Decision(enter(warned, Phase.READY, first))) == {}
    assert changed_by(warned, Decision(enter(warned, Phase.READY, second))) == {}


CREATED = NOW - 3 * MINUTE
RESET = set_conditions((), [Profiling.discovering()], 1, NOW - 2 * MINUTE)
HAPPENED = set_conditions((), [DeploymentReady.in_progress("d", "")], 1, NOW - MINUTE)


@pytest.mark.parametrize(
    ("status", "start"),
    [
        (DgdrStatus(), CREATED),
        (DgdrStatus(phase=Phase.PENDING, conditions=RESET), NOW - 2 * MINUTE),
        (DgdrStatus(phase=Phase.PROFILING, profiling_results=ProfilingResults(start_time=NOW - MINUTE)), NOW - MINUTE),
        (DgdrStatus(phase=Phase.DEPLOYING, conditions=HAPPENED), NOW - MINUTE),
        (DgdrStatus(phase=Phase.DEPLOYING), None),
        (DgdrStatus(phase=Phase.PROFILING), None),
        (DgdrStatus(phase=Phase.READY, conditions=RESET), None),
        (DgdrStatus(phase=Phase.DEPLOYED, conditions=HAPPENED), NOW - MINUTE),
        (DgdrStatus(phase=Phase.FAILED, conditions=RESET), None),
    ],
)
def test_phase_begins_as_the_status_tells(status: DgdrStatus, start: dt.datetime | None) -> None:
    request = request_of(status=status)
    metadata = request.metadata.model_copy(update={"creation_timestamp": CREATED})
    state = observed_of(request.model_copy(update={"metadata": metadata}))
    assert state.phase_start == start
    ended = changed_by(state, Decision(status.model_copy(update={"phase": Phase.FAILED})))
    durations = {name: value for name, value in ended.items() if name.startswith("dgdr_phase_duration_seconds_sum")}
    ends_by_itself = state.phase in (Phase.PENDING, Phase.PROFILING, Phase.DEPLOYING)
    expected = {f"dgdr_phase_duration_seconds_sum['{state.phase}']": (NOW - start).total_seconds()} if start else {}
    assert durations == (expected if ends_by_itself else {})


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"namespace-{next(_NAMES)}"


def samples(namespace: str) -> dict[tuple[str, ...], float]:
    """Return the gauges of a namespace by what follows it: phase; or name and phase."""
    gauges = (metrics.REQUESTS, metrics.PHASE_START)
    return {
        tuple(value for label, value in sample.labels.items() if label != "namespace"): sample.value
        for gauge in gauges
        for sample in next(iter(gauge.collect())).samples
        if sample.labels["namespace"] == namespace
    }


def test_requests_are_counted_in_their_phases(namespace: str) -> None:
    phases, one, two = Phases(), Key(namespace, "one"), Key(namespace, "two")
    phases.update(one, Phase.PENDING, NOW)
    phases.update(two, Phase.PENDING)
    assert samples(namespace) == {("Pending",): 2, ("one", "Pending"): NOW.timestamp()}
    phases.update(one, Phase.PROFILING, NOW + MINUTE)
    phases.update(one, Phase.PROFILING, NOW + MINUTE)
    assert samples(namespace) == {
        ("Pending",): 1,
        ("Profiling",): 1,
        ("one", "Profiling"): (NOW + MINUTE).timestamp(),
    }
    phases.update(one, Phase.READY, NOW)
    assert samples(namespace) == {("Pending",): 1, ("Ready",): 1}


def test_request_whose_beginning_is_not_known_is_counted_all_the_same(namespace: str) -> None:
    phases, key = Phases(), Key(namespace, "one")
    phases.update(key, Phase.PROFILING)
    assert samples(namespace) == {("Profiling",): 1}
    phases.update(key, Phase.DEPLOYING)
    phases.forget(key)
    assert samples(namespace) == {}


def test_request_that_is_gone_leaves_no_series(namespace: str) -> None:
    phases, key = Phases(), Key(namespace, "one")
    phases.update(key, Phase.PROFILING, NOW)
    phases.forget(key)
    phases.forget(key)
    assert samples(namespace) == {}
