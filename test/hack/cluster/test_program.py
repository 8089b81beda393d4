import signal
from collections.abc import Iterator

import click
import pytest

from hack.cluster.program import run
from hack.cluster.progress import ClusterError


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Keep what is done about SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: go on\n"),
        (click.Abort(), 130, "interrupted: go on\n"),
        (ClusterError("no room"), 1, "Error: no room\n"),
        (OSError("gone"), 1, "Error: gone\n"),
        (click.UsageError("no such option"), 2, "Error: no such option\n"),
    ],
)
def test_program_that_fails_ends_with_one_sentence_and_a_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def program() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run(program, "interrupted: go on")
    assert caught.value.code == code
    assert capsys.readouterr().err == said


def test_program_that_is_terminated_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda: signal.raise_signal(signal.SIGTERM), "interrupted", 75)
    assert caught.value.code == 75
    assert capsys.readouterr().err == "interrupted\n"
