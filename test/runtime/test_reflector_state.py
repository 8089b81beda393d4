import pytest

from dgdr_controller.runtime.errors import RequestError, UnreachableError, api_error
from dgdr_controller.runtime.reflector_state import Backoff, Pause, Phase, ReflectorState, Step, ended, failed

WATCHING = ReflectorState(Phase.WATCH, "42")
TOO_LARGE = b'{"reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}}'


def test_streamed_list_becomes_a_watch_at_its_version() -> None:
    assert ReflectorState().phase is Phase.STREAM
    assert ReflectorState().advanced("7") == ReflectorState()  # initial events come in no order
    assert ReflectorState().listed("42") == WATCHING
    assert WATCHING.advanced("43").version == "43"


def test_pages_become_a_watch_after_the_last_one() -> None:
    state = ReflectorState(Phase.PAGES, streams=False).paged("t")
    assert (state.phase, state.token) == (Phase.PAGES, "t")
    assert state.listed("42") == ReflectorState(Phase.WATCH, "42", streams=False)


@pytest.mark.parametrize(
    "error",
    [api_error(429, b""), api_error(500, b""), api_error(503, b""), api_error(403, b""), UnreachableError("refused")],
)
def test_fault_while_watching_goes_on_at_the_same_version(error: RequestError) -> None:
    assert failed(WATCHING, error) == Step(WATCHING, Pause.BACKOFF)
    assert failed(ReflectorState(), error) == Step(ReflectorState(), Pause.BACKOFF)


def test_server_that_says_when_to_ask_again_is_asked_then() -> None:
    busy = api_error(429, b"", "1")
    assert failed(WATCHING, busy) == Step(WATCHING, Pause.BACKOFF, retry_after=1.0)
    assert failed(ReflectorState(), busy) == Step(ReflectorState(), Pause.BACKOFF, retry_after=1.0)


def test_expired_version_lists_anew() -> None:
    assert failed(WATCHING, api_error(410, b"")) == Step(ReflectorState(), Pause.BACKOFF)


def test_list_that_expires_begins_anew() -> None:
    paged = ReflectorState(Phase.PAGES, "", "t", streams=False)
    assert failed(paged, api_error(410, b"")) == Step(ReflectorState(Phase.PAGES, streams=False), Pause.BACKOFF)


def test_version_from_the_future_lists_anew() -> None:
    assert failed(WATCHING, api_error(504, TOO_LARGE)) == Step(ReflectorState(), Pause.BACKOFF)
    assert failed(WATCHING, api_error(504, b"")) == Step(WATCHING, Pause.BACKOFF)


def test_server_without_watch_list_is_asked_for_pages_from_then_on() -> None:
    step = failed(ReflectorState(), api_error(422, b""))
    assert step == Step(ReflectorState(Phase.PAGES, streams=False))
    assert failed(step.state.listed("42"), api_error(410, b"")).state.phase is Phase.PAGES


@pytest.mark.parametrize("state", [ReflectorState(), WATCHING, ReflectorState(Phase.PAGES, "", "t")])
def test_unknown_kind_is_empty_and_looked_for_slowly(state: ReflectorState) -> None:
    step = failed(state, api_error(404, b""))
    assert step.absent
    assert step.pause is Pause.ABSENT
    assert step.state == ReflectorState()


def test_watch_counts_as_a_fault_when_it_is_short_and_without_events() -> None:
    assert ended(WATCHING, 300, 0) == Step(WATCHING)
    assert ended(WATCHING, 0.1, 5) == Step(WATCHING)
    assert ended(WATCHING, 0.1, 0) == Step(WATCHING, Pause.BACKOFF)
    assert ended(ReflectorState(), 5, 100) == Step(ReflectorState(), Pause.BACKOFF)


def test_pauses_grow_to_half_a_minute_and_begin_anew_after_two_quiet_minutes() -> None:
    now = [0.0]
    backoff = Backoff(lambda: now[0], lambda: 0.0)
    assert [backoff.seconds(Pause.BACKOFF) for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    now[0] = 121
    assert backoff.seconds(Pause.BACKOFF) == 0.8
    assert backoff.seconds(Pause.NONE) == 0.0
    assert Backoff(lambda: 0.0, lambda: 0.999).seconds(Pause.BACKOFF) == pytest.approx(1.6, abs=0.01)
    assert 15 <= Backoff(lambda: 0.0).seconds(Pause.ABSENT) <= 45
