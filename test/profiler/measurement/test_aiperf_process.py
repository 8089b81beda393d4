"""AIPerf as a program: where it is, and that nothing of it is left behind. Small programs stand for it here, which
do on purpose what it does seldom; test_benchmark.py kills the real one."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dgdr_controller.profiler.errors import ProfilerError
from dgdr_controller.profiler.measurement.aiperf_process import Ended, program, run
from test.builders.sessions import members, sessions_of


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Have a script run as AIPerf."""

    def make(text: str, interpreter: str = "/bin/sh") -> Path:
        path = tmp_path / "aiperf"
        path.write_text(f"#!{interpreter}\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("DGDR_AIPERF", str(path))
        return path

    return make


def ran(folder: Path, deadline_s: float = 30.0, on_poll: Callable[[], None] = lambda: None) -> Ended:
    return run(folder / "aiperf.yaml", folder, deadline_s, on_poll)


def test_program_is_the_one_that_the_environment_names(script: Callable[..., Path]) -> None:
    path = script("exit 0")
    assert program() == path


def test_program_is_found_on_the_path(script: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = script("exit 0")
    monkeypatch.delenv("DGDR_AIPERF")
    monkeypatch.setenv("PATH", str(path.parent))
    assert program() == path


def test_missing_program_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGDR_AIPERF", "/none/aiperf")
    with pytest.raises(ProfilerError, match=r"/none/aiperf is not a program; install aiperf 0\.13 .* set DGDR_AIPERF"):
        ran(tmp_path)


def test_program_is_started_with_its_configuration_and_without_what_breaks_it(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    script('echo "$@ ${HF_HUB_OFFLINE-unset} $TMPDIR"; touch "$TMPDIR/left"; exit 3')
    ended = ran(tmp_path)
    *arguments, offline, temporary = ended.last_lines.split()
    assert (ended.code, arguments) == (3, ["profile", "--config", str(tmp_path / "aiperf.yaml")])
    assert offline == "unset"
    assert not Path(temporary).exists()


def test_last_lines_of_the_log_are_kept(script: Callable[..., Path], tmp_path: Path) -> None:
    script("for n in 1 2 3 4 5 6 7; do echo line $n; echo; done")
    assert ran(tmp_path).last_lines.splitlines() == [f"line {n}" for n in (3, 4, 5, 6, 7)]


def test_clocks_surround_the_run(script: Callable[..., Path], tmp_path: Path) -> None:
    before = time.time_ns()
    script("sleep 0.3")
    clocks = ran(tmp_path).clocks
    assert before <= clocks.started_ns < clocks.ended_ns <= time.time_ns()
    assert clocks.elapsed_s >= 0.3


def test_program_hears_the_signals_that_are_held_back_while_it_is_started(
    script: Callable[..., Path], tmp_path: Path
) -> None:
    script("import signal; print(*signal.pthread_sigmask(signal.SIG_BLOCK, ()))", sys.executable)
    assert ran(tmp_path).last_lines == ""


STUBBORN = "sh -c 'trap \"\" TERM; sleep 600 & wait' & echo started; sleep 600"


def test_deadline_ends_all_that_was_started(script: Callable[..., Path], tmp_path: Path) -> None:
    script(STUBBORN)
    led: list[int] = []
    ended = ran(tmp_path, 1.0, lambda: led.extend(sessions_of(os.getpid())))
    assert ended.code is None
    assert len(set(led)) == 1
    assert members(led[0]) == []
    assert ended.clocks.elapsed_s < 5


def test_interrupt_ends_all_that_was_started(script: Callable[..., Path], tmp_path: Path) -> None:
    script(STUBBORN)
    led: list[int] = []
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, 30.0, lambda: led.extend(sessions_of(os.getpid())))
    assert members(led[0]) == []


def test_children_of_a_program_that_ended_are_ended(script: Callable[..., Path], tmp_path: Path) -> None:
    script("sh -c 'trap \"\" TERM; sleep 600 & wait' & sleep 0.5; exit 0")
    led: list[int] = []
    assert ran(tmp_path, 30.0, lambda: led.extend(sessions_of(os.getpid()))).code == 0
    assert members(led[0]) == []


def test_program_that_does_not_follow_sigterm_is_killed(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgdr_controller.profiler.measurement.aiperf_process._TERMINATION_S", 0.5)
    script("trap '' TERM; while :; do sleep 0.1; done")
    started = time.monotonic()
    assert ran(tmp_path, 0.5).code is None
    assert time.monotonic() - started < 5
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
