import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.results import Results
from dgdr_controller.profiler.calibration import Calibration
from dgdr_controller.profiling_job import builder
from test.builders.command_line import run, serve_simulator
from test.builders.measurements import measurement, measurements
from test.builders.observed_state import observed_of, request_of, run_of


def given(folder: Path, **spec: Any) -> Path:
    """Write the input of a request's Job."""
    file = folder / "input.json"
    file.write_text(builder.input_config_map(run_of(observed_of(request_of(**spec))))["data"]["input.json"])
    return file


def profiled(config: Path, folder: Path) -> tuple[int, dict[str, Any]]:
    """Run the profiler in this process; return its code and status."""
    done = run("profile", f"--config={config}", f"--output-dir={folder}", folder=folder)
    return done.returncode, told(folder, done.stderr)


def profile(config: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dgdr_controller", "profile", f"--config={config}", f"--output-dir={folder}"]
    return subprocess.Popen(command, env=os.environ | {}, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], folder: Path, limit_s: float = 240) -> tuple[int, dict[str, Any]]:
    _, said = process.communicate(timeout=limit_s)
    return process.returncode, told(folder, said)


def told(folder: Path, said: str) -> dict[str, Any]:
    """Return the status that was written, which is what was said, too."""
    status: dict[str, Any] = yaml.safe_load((folder / "profiler_status.yaml").read_text())
    assert status["message"] in said
    return status


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> None:
    """The server that the simulator's workers are forked from."""
    serve_simulator(request)


@pytest.mark.parametrize("text", ["", "{}", "[", '{"request": {}}'])
def test_input_that_cannot_be_read_is_our_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "input.json").write_text(text)
    code, status = profiled(tmp_path / "input.json", tmp_path)
    assert (code, status["exitCode"], status["status"]) == (70, 70, "failed")
    assert "is not supported by this profiler" in status["error"]


def test_input_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    process = profile(tmp_path / "none.json", tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "FileNotFoundError" in said


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_model_that_nobody_knows_is_the_users_error(tmp_path: Path) -> None:
    code, status = profiled(given(tmp_path, model="nobody/nothing/7b"), tmp_path)
    assert (code, status["exitCode"], status["status"]) == (65, 65, "failed")
    assert "Model 'nobody/nothing/7b' not found on HuggingFace and no modelCache specified" in status["error"]


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_model_that_does_not_fit_cannot_be_deployed(tmp_path: Path) -> None:
    hardware = {"gpuSku": "l4", "totalGpus": 1}
    code, status = profiled(given(tmp_path, model="deepseek-ai/DeepSeek-V3", hardware=hardware), tmp_path)
    assert (code, status["exitCode"], status["status"]) == (69, 69, "failed")
    assert not (tmp_path / "results.json").exists()


@pytest.mark.aic
def test_result_is_there_before_its_status_says_so(tmp_path: Path) -> None:
    hardware = {"gpuSku": "a100_sxm", "totalGpus": 8}
    code, status = ended(profile(given(tmp_path, hardware=hardware), tmp_path), tmp_path)
    assert (code, status["exitCode"], status["status"], status["phase"]) == (0, 0, "success", "Done")
    results = Results.model_validate_json((tmp_path / "results.json").read_text(), by_alias=True, by_name=False)
    assert results.choice is not None
    assert status["completed"] == status["total"] > 0


@pytest.mark.aic
def test_sigterm_is_an_interruption_that_another_pod_resumes(tmp_path: Path) -> None:
    process = profile(given(tmp_path), tmp_path)
    limit = time.monotonic() + 60
    while not (tmp_path / "profiler_status.yaml").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    code, status = ended(process, tmp_path, 30)
    assert (code, status["exitCode"], status["status"]) == (75, 75, "failed")


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_measurements_of_the_site_correct_the_estimates(tmp_path: Path) -> None:
    model = "meta-llama/Meta-Llama-3.1-8B"
    facts: dict[str, Any] = {
        "model": model,
        "gpu_sku": "a100_sxm",
        "backend_version": "0.14.0",
        "table": Calibration.load().digest,
    }
    site = measurements(measurement(8.0, **facts), measurement(engine_version="0.1.0", **facts), unread=("x: y",))
    request = request_of(model=model, hardware={"gpuSku": "a100_sxm", "totalGpus": 1})
    content = builder.input_config_map(run_of(observed_of(request, measurements=site)))
    (tmp_path / "input.json").write_text(content["data"]["input.json"])
    code, status = profiled(tmp_path / "input.json", tmp_path)
    assert code == 0, status
    results = Results.model_validate_json((tmp_path / "results.json").read_text())
    (found,) = results.site_corrections
    assert (found.measurements, round(found.ttft, 6)) == (1, 2.0)
    assert any("x: y; 1.vllm-agg-" in warning.message for warning in results.warnings)
