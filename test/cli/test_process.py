"""What the tests call in their own process is the program: a process writes the same and ends with the same code."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from test.builders.command_line import Run

NOWHERE = {"model": "meta-llama/Meta-Llama-3.1-70B", "hardware": {"gpuSku": "l4", "totalGpus": 1}}


def heard(run: Run) -> tuple[int, str, str]:
    """Return what is to be the same: without seconds, and without the words by which the program was called."""
    err = re.sub(r"\(\d+\.\d s\)", "(… s)", run.stderr)
    return run.returncode, run.stdout, re.sub(r"(?m)^(Usage|Try).*$", "", err)


@pytest.mark.parametrize(
    ("args", "spec", "code"),
    [
        pytest.param((), {}, 0, marks=pytest.mark.aic, id="planned"),
        pytest.param((), NOWHERE, 69, marks=pytest.mark.aic, id="not-deployable"),
        pytest.param((), {"modle": "x"}, 65, id="wrong-field"),
        pytest.param(("--deadline", "soon"), {}, 2, id="wrong-option"),
    ],
)
def test_codes_and_streams_are_those_of_a_process(
    dgdr: Any,
    dgdr_process: Any,
    write: Callable[..., str],
    args: tuple[str, ...],
    spec: dict[str, Any],
    code: int,
) -> None:
    file = write(**spec)
    runs = [run("plan", "-f", file, "-o", "out", *args) for run in (dgdr, dgdr_process)]
    assert heard(runs[0]) == heard(runs[1])
    assert runs[0].returncode == code


def test_settings_are_those_of_a_process(dgdr: Any, dgdr_process: Any, write: Callable[..., str]) -> None:
    runs = [run("plan", "-f", write(), DGDR_DYNAMO__VERSION="latest") for run in (dgdr, dgdr_process)]
    assert heard(runs[0]) == heard(runs[1])
    assert runs[0].returncode == 65


def test_standard_input_is_that_of_a_process(dgdr: Any, dgdr_process: Any) -> None:
    runs = [run("validate", "-f", "-", stdin="märz: [") for run in (dgdr, dgdr_process)]
    assert heard(runs[0]) == heard(runs[1])
    assert "standard input: not YAML" in runs[0].stderr


def test_run_leaves_nothing_behind(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    refused = dgdr("plan", "-f", write(), DGDR_DYNAMO__VERSION="latest")
    assert refused.returncode == 65
    assert dgdr("validate", "-f", write()).stdout == "dgdr.yaml: small: valid\n"
    assert Path.cwd() != tmp_path


def test_installed_program_is_the_same(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "dgdr"), "validate", "-f", write(modle="x")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert heard(done) == heard(dgdr("validate", "-f", "dgdr.yaml"))
    assert done.returncode == 65
