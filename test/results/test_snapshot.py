"""What a live page shows beside the results."""

from typing import Any

import msgspec

from dgdr_api.trials import MeasuredPoint, TrialLog
from dgdr_api.v1beta1 import Condition, DgdrStatus, Phase, ProfilingProgress
from dgdr_controller.kinds import GRAPHS, Graph
from dgdr_controller.results.snapshot import snapshot
from test.builders.observed_state import NOW, observed_of, published_of, request_of
from test.builders.results import results_of

POINT = MeasuredPoint(trial="t", concurrency=8, ttft=9.5, itl=2.5, tokens_per_s=3.5, request_rate=0.5, requests=48)


def condition(kind: str, reason: str, message: str) -> Condition:
    return Condition(
        type=kind, status="False", reason=reason, message=message, observed_generation=1, last_transition_time=NOW
    )


def test_request_that_nobody_has_seen_is_pending() -> None:
    shown = snapshot(request_of(), None, None)
    assert (shown["phase"], shown["message"]) == ("Pending", "The controller has not seen it yet")
    assert not shown["hasResults"]


def test_progress_and_what_was_measured_are_shown_while_it_is_profiled() -> None:
    status = DgdrStatus(
        phase=Phase.PROFILING,
        profiling_progress=ProfilingProgress(completed=2, total=9, message="m"),
        conditions=(condition("Succeeded", "Profiling", "Profiling is in progress: trial 1"),),
    )
    observed = observed_of(request_of(searchStrategy="thorough"))
    published = published_of(observed, trials=TrialLog(points=(POINT,)))["output_map"]
    shown = snapshot(request_of(status=status), published, None)
    assert shown["message"] == "Profiling is in progress: trial 1"
    assert shown["progress"] == {"completed": 2, "total": 9}
    assert [(point["trial"], point["concurrency"], point["ttft"]) for point in shown["points"]] == [("t", 8, 9.5)]
    assert not shown["hasResults"]


def test_results_and_what_is_deployed_are_told() -> None:
    published = published_of(observed_of(), results_of())["output_map"]
    made: dict[str, Any] = {"metadata": {"name": "d", "annotations": {"dgdr.nvidia.com/candidate": "vllm-agg-1"}}}
    graph: Graph = GRAPHS.decode(msgspec.json.encode(made))
    shown = snapshot(request_of(status=DgdrStatus(phase=Phase.READY)), published, graph)
    assert shown["hasResults"]
    assert shown["deployed"] == "vllm-agg-1"


def test_deleted_request_is_named_as_such() -> None:
    shown = snapshot(None, None, None)
    assert shown["phase"] == "Deleted"
    assert "was deleted" in shown["message"]
