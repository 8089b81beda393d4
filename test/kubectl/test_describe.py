from collections.abc import Callable
from typing import Any

from dgdr_api.candidate import Outcome, Verdict
from dgdr_api.conditions import PerformanceVerified, set_conditions
from dgdr_controller.kubectl.describe import describe, message_of, phase_of
from test.builders.observed_state import NOW, request_of
from test.builders.results import candidate_of, results_of


def test_request_that_nobody_has_looked_at_says_so() -> None:
    assert describe(request_of()) == [
        "Name:      qwen",
        "Namespace: team",
        "Model:     Qwen/Qwen3-32B",
        "Phase:     Pending",
        "Message:   The controller has not looked at it yet",
    ]


def test_chosen_configuration_is_shown_beside_its_targets(ready: Callable[..., Any]) -> None:
    choice = candidate_of(verdict=Verdict(outcome=Outcome.SELECTED, reason="the best"))
    lines = describe(ready(results_of([choice]), sla={"ttft": 300, "itl": 12}))
    assert f"Candidate:    {choice.id} (vllm aggregated, 1 × tp2, 2 GPUs)" in lines
    assert "Tokens/s/GPU: 500" in lines
    assert "TTFT:         100 ms (target 300)" in lines
    assert "ITL:          10 ms (target 12)" in lines


def test_default_targets_are_called_that(ready: Callable[..., Any]) -> None:
    assert "TTFT:         100 ms (target 2000, default)" in describe(ready())


def test_verification_is_shown(ready: Callable[..., Any]) -> None:
    request = ready()
    update = PerformanceVerified.worse("ITL 12ms (planned 10ms, +20 %)")
    conditions = set_conditions(request.status.conditions, [update], 1, NOW)
    verified = request.model_copy(update={"status": request.status.model_copy(update={"conditions": conditions})})
    assert "Verified:     False, WorseThanPlanned: ITL 12ms (planned 10ms, +20 %)" in describe(verified)


def test_phase_and_message_are_those_of_the_status(ready: Callable[..., Any]) -> None:
    assert phase_of(ready()) == "Ready"
    assert message_of(ready()) == "Profiling complete, spec available"
