import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hack.cluster import progress
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError, Task, duration, locked, step


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (4.24, "4.2 s"), (41.4, "41 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s")]
)
def test_duration_is_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_step_reports_its_units_and_the_time_that_is_left() -> None:
    task = Task("Building Kubernetes", "packages")
    task.begun -= 60
    assert task.report() == "Building Kubernetes: running for 1 min 0 s"
    task.total = 300
    for _ in range(100):
        task.advance()
    assert task.report() == "Building Kubernetes: 100 of 300 packages, 33%, about 2 min 0 s left"


def test_step_whose_total_was_too_small_never_exceeds_it() -> None:
    task = Task("Building", "steps")
    task.total = 1
    for _ in range(3):
        task.advance()
    assert ": 3 of 3 steps, 100%" in task.report()


def test_step_is_one_line_when_it_is_short_and_is_reported_when_it_is_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with step("Short"):
        pass
    assert capsys.readouterr().err == "Short: 0.0 s\n"
    monkeypatch.setattr(progress, "FIRST_REPORT_S", 0.05)
    monkeypatch.setattr(progress, "REPORT_S", 0.05)
    with step("Long", "things") as task:
        task.total, task.done = 4, 1
        limit = time.monotonic() + 10
        said = ""
        while said.count("Long: 1 of 4 things, 25%") < 2 and time.monotonic() < limit:
            said += capsys.readouterr().err
            time.sleep(0.02)
    assert said.count("Long: 1 of 4 things, 25%") >= 2


def test_step_that_fails_does_not_say_that_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), step("Failing"):
        raise ValueError("no")
    assert capsys.readouterr().err == ""


TERMINAL = """
import time
from hack.cluster.children import parallel
from hack.cluster.progress import say, step

def one():
    with step("Compiling", "packages") as task:
        task.total = 10
        for number in range(10):
            task.advance(str(number))
            time.sleep(0.1)

def other():
    with step("Fetching"):
        time.sleep(0.5)
    say("a line between")

parallel(one, other)
"""


def test_steps_on_a_terminal_are_bars_that_leave_one_line_each() -> None:
    main, other = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", TERMINAL], cwd=CHECKOUT, stderr=other, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(other)
        printed = b""
        while True:
            try:
                printed += os.read(main, 4096)
            except OSError:  # the other end is closed
                break
    os.close(main)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode()).replace("\r", "\n")
    assert "of 10 packages" in text
    assert "━" in text
    lines = [line for line in text.splitlines() if line.startswith(("Compiling: ", "Fetching: ", "a line between"))]
    assert [line.partition(":")[0] for line in lines] == ["Fetching", "a line between", "Compiling"]


def test_lock_is_waited_for_and_it_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, order = tmp_path / "lock", list[str]()

    def second() -> None:
        with locked(file, "Another process builds"):
            order.append("second")

    with locked(file, "Nobody"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "Another process builds; waiting for it ...\n"


def test_lock_in_a_folder_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            ClusterError, match="File exists: let this user write there, or set XDG_CACHE_HOME to another folder"
        ),
        locked(tmp_path / "file" / "lock", "x"),
    ):
        pass
