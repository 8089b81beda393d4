import itertools
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
from test.builders.command_line import Run, run, serve_simulator
from test.builders.deployments import generated
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


PHASES = ["Initializing", "SweepingPrefill", "SweepingDecode", "SelectingConfig", "GeneratingDGD", "Done"]
SMALL: dict[str, Any] = {"model": "Qwen/Qwen3-8B", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 1}}
"""A request that is searched quickly: one GPU has no room for two kinds of workers."""


def with_artifacts(folder: Path, artifacts: Path, **spec: Any) -> Run:
    config, output = given(folder, **spec), folder / "exchange"
    output.mkdir()
    files = (f"--config={config}", f"--output-dir={output}", f"--artifacts-dir={artifacts}")
    return run("profile", *files, folder=folder)


def phases(done: Run) -> list[str]:
    """Return the sub-phases that were gone through: one that comes a second time is there twice."""
    return [phase for phase, _ in itertools.groupby(line.partition(": ")[0] for line in done.stderr.splitlines())]


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("spec", [{}, SMALL], ids=["both modes", "aggregated alone"])
def test_sub_phases_are_reported_in_order(tmp_path: Path, spec: dict[str, Any]) -> None:
    done = run("profile", f"--config={given(tmp_path, **spec)}", f"--output-dir={tmp_path}", folder=tmp_path)
    assert done.returncode == 0
    assert phases(done) == PHASES


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_planner_has_a_sub_phase_and_files_of_its_own(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"features": {"planner": True}, "sla": {"ttft": 2000, "itl": 30}}
    done = with_artifacts(tmp_path, tmp_path / "data" / "qwen", **spec)
    assert done.returncode == 0
    assert phases(done) == [*PHASES[:4], "BuildingCurves", *PHASES[4:]]
    kept = tmp_path / "data" / "qwen"
    assert {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()} == {
        "results.json",
        "final_config.yaml",
        "profiler.log",
        *("plots/pareto_front.png", "plots/prefill_performance.png", "plots/decode_performance.png"),
        *("selected_prefill_interpolation/raw_data.npz", "selected_decode_interpolation/raw_data.npz"),
    }
    published = (tmp_path / "exchange" / "results.json").read_text()
    assert (kept / "results.json").read_text() == published
    log = (kept / "profiler.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in log] == done.stderr.splitlines()
    results = Results.model_validate_json(published, by_alias=True, by_name=False)
    controllers = generated(observed_of(request_of(**spec)), results).annotations["nvidia.com/generated-dgd-spec"]
    assert (kept / "final_config.yaml").read_text() == controllers
    assert (tmp_path / "exchange" / "final_config.yaml").read_text() == controllers


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_volume_that_cannot_be_written_to_is_a_warning_and_costs_no_result(tmp_path: Path) -> None:
    done = with_artifacts(tmp_path, Path("/sys/qwen"), **SMALL)
    assert done.returncode == 0
    status = yaml.safe_load((tmp_path / "exchange" / "profiler_status.yaml").read_text())
    assert (status["status"], status["phase"]) == ("success", "Done")
    text = (tmp_path / "exchange" / "results.json").read_text()
    results = Results.model_validate_json(text, by_alias=True, by_name=False)
    (warning,) = [found for found in results.warnings if "/sys/qwen" in found.message]
    assert warning.type == "ConfigurationWarning"
    assert warning.message in done.stderr


@pytest.mark.aic
@pytest.mark.usefixtures("simulator")
def test_run_that_fails_leaves_its_log(tmp_path: Path) -> None:
    done = with_artifacts(tmp_path, tmp_path / "data", model="nobody/nothing/7b")
    assert done.returncode == 65
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["profiler.log"]
    assert "not found on HuggingFace" in (tmp_path / "data" / "profiler.log").read_text().splitlines()[-1]


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
