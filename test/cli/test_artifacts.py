import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgdr_controller.cli import artifacts
from dgdr_controller.cli.artifacts import Artifacts, keep, write
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool
from test.builders.results import planned_results, results_of

TEXTS = {"results.json": "{}", "final_config.yaml": "kind: A\n", "profiler.log": "begun\n"}
CURVES = {
    "plots/decode_performance.png",
    "plots/prefill_performance.png",
    "selected_decode_interpolation/raw_data.npz",
    "selected_prefill_interpolation/raw_data.npz",
}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def short_files() -> Iterator[None]:
    """No file of this process may have more than 100 bytes: as good as a volume that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_are_there_for_what_there_are_numbers_of(tmp_path: Path) -> None:
    assert write(Artifacts(tmp_path / "planned", TEXTS, planned_results())) is None
    assert files(tmp_path / "planned") == {*TEXTS, "plots/pareto_front.png", *CURVES}
    assert (tmp_path / "planned" / "final_config.yaml").read_text() == "kind: A\n"
    assert write(Artifacts(tmp_path / "plain", TEXTS, results_of())) is None
    assert files(tmp_path / "plain") == {*TEXTS, "plots/pareto_front.png"}


def test_files_of_an_earlier_run_that_this_one_does_not_have_are_removed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("of somebody else")
    write(Artifacts(tmp_path, TEXTS, planned_results()))
    write(Artifacts(tmp_path, {"profiler.log": "failed\n"}))
    assert files(tmp_path) == {"notes.txt", "profiler.log"}


@pytest.mark.usefixtures("short_files")
def test_volume_that_is_full_keeps_what_fits_whole_and_is_told_of(tmp_path: Path) -> None:
    problem = write(Artifacts(tmp_path, TEXTS, results_of()))
    assert problem is not None
    assert problem.endswith(": File too large")
    assert files(tmp_path) == set(TEXTS)  # no half of a picture


@pytest.mark.parametrize("folder", ["/sys/qwen", "/proc/qwen"])
def test_volume_that_cannot_be_written_to_is_told_of(folder: str) -> None:
    problem = write(Artifacts(Path(folder), TEXTS))
    assert problem is not None
    assert problem.startswith(f"{folder}: ")


def test_problem_becomes_a_sentence_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = keep(Artifacts(tmp_path / "file" / "qwen", TEXTS), WorkerPool(PRELOAD))
    assert kept == (
        f"The output volume does not have all files of the profiler: {tmp_path}/file/qwen: Not a directory. "
        "The result is complete without them"
    )


def test_volume_that_hangs_costs_its_deadline_and_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_DEADLINE_S", 0.0)
    kept = keep(Artifacts(tmp_path, TEXTS, planned_results()), WorkerPool(PRELOAD))
    assert kept is not None
    assert "writing them took longer than 0 s" in kept


def test_fault_of_ours_while_drawing_costs_no_result(tmp_path: Path) -> None:
    broken = planned_results().model_copy(update={"goal": None})
    kept = keep(Artifacts(tmp_path, TEXTS, broken), WorkerPool(PRELOAD))
    assert kept is not None
    assert "AttributeError" in kept
    assert files(tmp_path) >= set(TEXTS)


def test_files_that_can_be_written_are_no_warning(tmp_path: Path) -> None:
    assert keep(Artifacts(tmp_path, TEXTS, results_of()), WorkerPool(PRELOAD)) is None
    assert files(tmp_path) == {*TEXTS, "plots/pareto_front.png"}
