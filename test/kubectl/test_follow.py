"""When following a request ends, and with which exit code."""

from typing import Any

import pytest
from rich.console import Console

from dgdr_api.conditions import PerformanceVerified, SpecGenerated, Succeeded, Validation, set_conditions
from dgdr_api.names import ANNOTATION_VERIFIED
from dgdr_api.v1beta1 import DgdrStatus, DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kubectl.deploy import answered, deployed, question, refusal_of, without_effect
from dgdr_controller.kubectl.follow import FollowDisplay, ended
from dgdr_controller.kubectl.verify import Verified
from test.builders.observed_state import NOW, request_of
from test.builders.results import results_of

Request = DynamoGraphDeploymentRequest


def in_state(phase: Phase, *updates: Any, observed: int = 1, annotations: dict[str, str] | None = None) -> Request:
    """A request of generation 1 in a phase, with conditions."""
    conditions = set_conditions((), [Succeeded.of(phase, ()), *updates], 1, NOW)
    status = DgdrStatus(phase=phase, conditions=conditions, observed_generation=observed)
    request = request_of(status=status, annotations=annotations)
    metadata = request.metadata.model_copy(update={"generation": 1})
    metadata.__pydantic_extra__ = {"generation": 1, "resourceVersion": "7"}
    return request.model_copy(update={"metadata": metadata})


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.PENDING, None),
        (Phase.PROFILING, None),
        (Phase.READY, 0),
        (Phase.DEPLOYING, None),
        (Phase.DEPLOYED, 0),
        (Phase.FAILED, 1),
    ],
)
def test_following_ends_when_a_request_stays_as_it_is(phase: Phase, code: int | None) -> None:
    assert ended(in_state(phase)) == code


def test_following_goes_on_where_ready_is_passed_through() -> None:
    passing = Succeeded.of(Phase.DEPLOYING, ())  # as of a request that is applied by itself
    assert ended(in_state(Phase.READY, passing)) is None


def test_status_of_an_earlier_spec_ends_nothing() -> None:
    assert ended(in_state(Phase.FAILED, observed=0)) is None
    assert ended(request_of()) is None


def test_plain_display_has_a_line_for_every_change(capsys: pytest.CaptureFixture[str]) -> None:
    with FollowDisplay(Console(stderr=True, force_terminal=False)) as display:
        for message in ("a", "a", "b"):
            display.show("Profiling", message, (1, 2))
    assert capsys.readouterr().err == "Profiling: a\nProfiling: b\n"


def test_deploying_waits_until_the_controller_answers() -> None:
    assert answered(in_state(Phase.READY)) is None
    assert answered(in_state(Phase.DEPLOYING)) == 0
    refused = in_state(Phase.READY, SpecGenerated.not_offered("x"))
    assert answered(refused) == deployed(refused) == 1
    assert 'requests candidate "x"' in refusal_of(refused)


def test_deploying_is_done_when_it_is_deployed() -> None:
    codes = {phase: deployed(in_state(phase)) for phase in (Phase.READY, Phase.DEPLOYING, Phase.DEPLOYED, Phase.FAILED)}
    assert codes == {Phase.READY: None, Phase.DEPLOYING: None, Phase.DEPLOYED: 0, Phase.FAILED: 1}


def test_spec_that_has_changed_since_profiling_is_a_refusal() -> None:
    assert "The spec changed after profiling" in refusal_of(in_state(Phase.READY, Validation.change_refused()))


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.DEPLOYING, "Request qwen is being deployed already: to run another candidate"),
        (Phase.DEPLOYED, "kubectl dgdr export qwen CANDIDATE -o dgd.yaml, delete the request"),
        (Phase.FAILED, "kubectl dgdr retry qwen starts it again"),
    ],
)
def test_deploying_without_effect_names_what_has_one(phase: Phase, words: str) -> None:
    assert words in (without_effect(in_state(phase)) or "")
    assert without_effect(in_state(Phase.READY)) is None


def test_question_names_the_gpus() -> None:
    results = results_of()
    text = question(results.candidates[0], results, "qwen")
    assert text.endswith("(vllm aggregated, 1 × tp2) of qwen on 2 × h200_sxm GPUs?")


@pytest.mark.parametrize(
    ("update", "marked", "code"),
    [
        (PerformanceVerified.as_planned("x"), True, 0),
        (PerformanceVerified.worse("x"), True, 1),
        (PerformanceVerified.worse("of an earlier measurement"), False, None),
        (PerformanceVerified.running("verify-qwen"), False, None),
        (PerformanceVerified.failed("x"), True, 1),
        (PerformanceVerified.failed("of an earlier measurement"), False, None),
        (PerformanceVerified.unplanned("x"), False, None),
    ],
)
def test_verification_ends_with_its_own_result(update: Any, marked: Any, code: int | None) -> None:
    annotations = {ANNOTATION_VERIFIED: "hash"} if marked else {}
    assert Verified()(in_state(Phase.DEPLOYED, update, annotations=annotations)) == code


def test_verification_without_a_plan_ends_once_it_is_not_an_earlier_one() -> None:
    state = in_state(Phase.DEPLOYED, PerformanceVerified.unplanned("x"))
    assert Verified(asked=float("-inf"))(state) == 1


def test_verification_of_a_request_that_fails_ends() -> None:
    assert Verified()(in_state(Phase.FAILED)) == 1
    assert Verified()(in_state(Phase.DEPLOYED)) is None
