"""`dgdr calibrate`: an export of AIPerf beside a plan, and the ConfigMap that it is kept in."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.measurements import Measurements
from dgdr_api.results import Results
from test.builders.command_line import Run
from test.builders.measurements import (
    config_map,
    estimated_candidate,
    estimated_results,
    export_text,
    measurement,
)
from test.builders.results import results_of


class Site:
    """A folder with a plan and an export, and the command line in it."""

    def __init__(self, dgdr: Any, folder: Path) -> None:
        self.dgdr, self.folder = dgdr, folder
        self.plan()
        self.export()

    def plan(self, results: Results | None = None) -> None:
        text = (results or estimated_results()).model_dump_json(exclude_none=True)
        (self.folder / "results.json").write_text(text)

    def export(self, text: str | None = None, **fields: Any) -> None:
        (self.folder / "export.json").write_text(text if text is not None else export_text(**fields))

    def calibrate(self, *args: str) -> Run:
        run: Run = self.dgdr("calibrate", "--measured", "export.json", "--results", "results.json", *args)
        return run

    def refused(self, *args: str) -> list[str]:
        run = self.calibrate(*args)
        assert run.returncode == 65, run.stderr
        assert "Traceback" not in run.stderr
        return run.stderr.splitlines()

    def kept(self, name: str = "m.yaml") -> Measurements:
        manifest = yaml.safe_load((self.folder / name).read_text())
        assert (manifest["kind"], manifest["metadata"]["name"]) == ("ConfigMap", "dgdr-measurements")
        return Measurements.read(manifest["data"], name)


@pytest.fixture
def site(dgdr: Any, tmp_path: Path) -> Site:
    return Site(dgdr, tmp_path)


def test_estimates_and_measurements_are_shown_side_by_side(site: Site) -> None:
    site.export(ttft=450.0, itl=11.0, tokens_per_s=5760.0)
    run = site.calibrate()
    assert run.returncode == 0, run.stderr
    title, header, *lines, verdict = run.stdout.splitlines()
    assert title == (
        f"Qwen/Qwen3-32B on 8 × h200_sxm: vllm aggregated, 2 × tp4 ({estimated_candidate().id}), 640 requests, 64 in flight"
    )
    assert " ".join(header.split()) == "estimated 80 % range measured measured / estimated"
    assert [" ".join(line.split()) for line in lines] == [
        "TTFT ms 100 50–200 450 4.5 outside of the range",
        "ITL ms 10 5–20 11 1.1 within the range",
        "tokens/s/GPU 800 640–2400 720 0.9 within the range",
    ]
    assert verdict == "2 of 3 are within ranges that hold the truth in 80 % of cases."
    assert run.stderr == "Nothing was written; -o FILE keeps the measurement for later plans\n"


def test_measurement_is_written_as_a_config_map_for_the_namespace_of_the_request(site: Site) -> None:
    run = site.calibrate("-o", "m.yaml")
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines() == [
        "Wrote m.yaml with 1 measurement",
        "Apply with: kubectl apply --server-side -f m.yaml",
    ]
    assert yaml.safe_load((site.folder / "m.yaml").read_text())["metadata"]["namespace"] == "team"
    (kept,) = site.kept().entries.values()
    assert (kept.measured.ttft, kept.candidate) == (120.0, estimated_candidate().id)


def test_measurements_are_added_to_those_that_are_there(site: Site) -> None:
    assert site.calibrate("-o", "m.yaml", "--append").returncode == 0
    site.export(ttft=130.0)
    run = site.calibrate("-o", "m.yaml", "--append")
    assert "Wrote m.yaml with 2 measurements" in run.stderr
    assert sorted(entry.measured.ttft for entry in site.kept().entries.values()) == [120.0, 130.0]


def test_config_map_of_a_cluster_is_added_to_as_it_can_be_applied(site: Site) -> None:
    found = config_map(measurement())
    found["metadata"] |= {
        "namespace": "team",
        "uid": "1",
        "resourceVersion": "7",
        "managedFields": [],
        "labels": {"a": "b"},
    }
    (site.folder / "m.yaml").write_text(yaml.safe_dump(found))
    assert site.calibrate("-o", "m.yaml", "--append").returncode == 0
    metadata = yaml.safe_load((site.folder / "m.yaml").read_text())["metadata"]
    assert metadata == {"name": "dgdr-measurements", "namespace": "team", "labels": {"a": "b"}}
    assert len(site.kept().entries) == 2


def test_same_export_is_kept_once(site: Site) -> None:
    for _ in range(2):
        assert site.calibrate("-o", "m.yaml", "--append").returncode == 0
    assert len(site.kept().entries) == 1


def test_file_that_is_there_is_not_overwritten(site: Site) -> None:
    (site.folder / "m.yaml").write_text("mine")
    assert site.refused("-o", "m.yaml") == [
        "Error: m.yaml: exists; add --append to keep its measurements, or name another file"
    ]
    assert (site.folder / "m.yaml").read_text() == "mine"


def test_entry_that_cannot_be_read_stays_and_is_named(site: Site) -> None:
    (site.folder / "m.yaml").write_text(yaml.safe_dump(config_map(**{"note.txt": "by hand"})))
    run = site.calibrate("-o", "m.yaml", "--append")
    assert run.returncode == 0
    assert run.stderr.splitlines()[:2] == [
        "Warning: m.yaml: note.txt: (document): Invalid JSON: expected value at line 1 column 1",
        "Wrote m.yaml with 1 measurement",
    ]
    assert site.kept().unread


def test_measurement_of_something_else_is_shown_and_not_kept(site: Site) -> None:
    site.export(ttft=2500.0)
    run = site.calibrate("-o", "m.yaml")
    assert run.returncode == 65
    assert "outside of the range" in run.stdout
    assert run.stderr == (
        "Error: export.json: TTFT is 25 times the estimate: something else was measured; nothing was written\n"
    )
    assert not (site.folder / "m.yaml").exists()


def test_other_candidate_and_fewer_gpus_are_said(site: Site) -> None:
    other = estimated_candidate(2, replicas=2, concurrency=20.0)
    site.plan(estimated_results(estimated_candidate(), other))
    site.export(concurrency=10)
    assert site.calibrate("--candidate", other.id, "--gpus", "2", "-o", "m.yaml").returncode == 0
    (kept,) = site.kept().entries.values()
    assert (kept.candidate, kept.gpus, kept.measured.tokens_per_s_per_gpu) == (other.id, 2, 450.086)


def test_benchmark_of_another_model_is_a_warning(site: Site) -> None:
    site.export(input_config={"models": {"items": [{"name": "other"}]}})
    assert site.calibrate().stdout.endswith("Warning: the benchmark asked for model other\n")


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        (
            {"time_to_first_token": None, "was_cancelled": True},
            [
                "Error: export.json: time_to_first_token: Required value: run AIPerf with --streaming",
                "Error: export.json: was_cancelled: Invalid value: true: the run was cancelled: let it end",
            ],
        ),
        ({"text": "ttft,itl\n"}, ["Error: export.json: (document): Invalid JSON: expected ident at line 1"]),
        ({"isl": 100.0}, ["Error: export.json beside results.json: input_sequence_length.avg: Invalid value: 100.0: the"]),
        ({"concurrency": 8}, ["Error: export.json beside results.json: concurrency: Invalid value: 8: the estimates of"]),
    ],
)  # fmt: skip
def test_export_that_cannot_be_compared_is_refused(site: Site, fields: dict[str, Any], errors: list[str]) -> None:
    site.export(**fields)
    found = site.refused("-o", "m.yaml")
    assert len(found) == len(errors)
    for line, error in zip(found, errors, strict=True):
        assert line.startswith(error)
    assert not (site.folder / "m.yaml").exists()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "results.json: no results that this version reads: (document): Invalid JSON"),
        ("{}", "results.json: no results that this version reads: request: Field required"),
        ('{"schemaVersion": "v9"}', "results.json: no results that this version reads: schemaVersion: Input should be"),
    ],
)
def test_results_that_cannot_be_read_are_named(site: Site, text: str, error: str) -> None:
    (site.folder / "results.json").write_text(text)
    (line,) = site.refused()
    assert line.startswith(f"Error: {error}")


def test_plan_of_an_earlier_version_is_refused(site: Site) -> None:
    site.plan(results_of())
    (line,) = site.refused()
    assert line.endswith("has no corrected estimates: only these are compared")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "m.yaml: holds no document; expected ConfigMap dgdr-measurements"),
        ("[", "m.yaml: not YAML: "),
        ("kind: ConfigMap\nmetadata: {name: other}\n", "m.yaml: expected ConfigMap dgdr-measurements and nothing else"),
        (f"{yaml.safe_dump(config_map())}---\na: 1\n", "m.yaml: expected ConfigMap dgdr-measurements and nothing else"),
        ("kind: ConfigMap\nmetadata: {name: dgdr-measurements}\ndata: []", "m.yaml: data must be an object"),
    ],
)
@pytest.mark.parametrize("command", ["calibrate", "plan"])
def test_file_that_is_not_the_config_map_is_refused(
    site: Site, write: Any, command: str, text: str, error: str
) -> None:
    (site.folder / "m.yaml").write_text(text)
    run = (
        site.calibrate("-o", "m.yaml", "--append")
        if command == "calibrate"
        else site.dgdr("plan", "-f", write(), "--measurements", "m.yaml")
    )
    assert run.returncode == 65
    assert f"Error: {error}" in run.stderr
    assert (site.folder / "m.yaml").read_text() == text


def test_more_measurements_than_are_read_are_refused(site: Site) -> None:
    found = [measurement(candidate=f"c{number}") for number in range(200)]
    (site.folder / "m.yaml").write_text(yaml.safe_dump(config_map(*found)))
    assert site.refused("-o", "m.yaml", "--append") == [
        "Error: m.yaml: has 200 measurements, and no more are read; remove some"
    ]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--append",), "--append needs --output"),
        (("--gpus", "0"), "0 is not in the range x>=1"),
        (("-o", "."), "'.' is a directory"),
    ],
)
def test_wrong_use_is_told(site: Site, args: tuple[str, ...], words: str) -> None:
    run = site.calibrate(*args)
    assert run.returncode == 2
    assert words in run.stderr


def test_folder_that_is_not_there_is_told(site: Site) -> None:
    assert site.refused("-o", "none/m.yaml") == ["Error: none/m.yaml: No such file or directory"]


@pytest.mark.aic
def test_measurements_of_something_else_are_told(site: Site, write: Any) -> None:
    (site.folder / "m.yaml").write_text(yaml.safe_dump(config_map(measurement())))
    run = site.dgdr("plan", "-f", write(), "--measurements", "m.yaml")
    assert run.returncode == 0, run.stderr
    assert (
        "m.yaml: nothing here corrects these estimates; other models, GPUs, engines or modes were measured\n"
        in run.stderr
    )


@pytest.mark.aic
def test_measurement_of_a_plan_corrects_the_next_one(site: Site, write: Any) -> None:
    """From a plan over its measurement to the next plan: what was measured at twice the TTFT is estimated higher."""
    file = write(hardware={"gpuSku": "a100_sxm", "totalGpus": 1}, workload={"isl": 1000, "osl": 200})
    assert site.dgdr("plan", "-f", file, "-o", ".").returncode == 0
    before = Results.model_validate_json((site.folder / "results.json").read_text())
    choice = before.choice
    assert choice is not None
    numbers, goal = choice.numbers, before.goal
    site.export(
        isl=goal.isl, osl=goal.osl, concurrency=round(numbers.concurrency), ttft=numbers.ttft * 2, itl=numbers.itl,
        tokens_per_s=numbers.tokens_per_s,
    )  # fmt: skip
    assert site.calibrate("-o", "m.yaml").returncode == 0
    run = site.dgdr("plan", "-f", file, "--measurements", "m.yaml", "--format", "json")
    assert run.returncode == 0, run.stderr
    after = Results.model_validate(json.loads(run.stdout), strict=False)
    (site_correction,) = after.site_corrections
    assert site_correction.measurements == 1
    assert site_correction.ttft == pytest.approx(2 ** (1 / 3), rel=1e-5)
    again = next(c for c in after.candidates if c.id == choice.id)
    assert again.numbers.ttft == pytest.approx(numbers.ttft * 2 ** (1 / 3), rel=1e-5)
    assert "are corrected by 1 measurement of this site (m.yaml): TTFT × 1.26, " in after.provenance.notes[0]
    # The second measurement of the same deployment is compared with what the table alone says, too.
    (site.folder / "results.json").write_text(run.stdout)
    site.export(**(json.loads((site.folder / "export.json").read_text()) | {"benchmark_id": "another"}))
    assert site.calibrate("-o", "m.yaml", "--append", "--candidate", choice.id).returncode == 0
    first, second = (entry.corrected for entry in site.kept().entries.values())
    assert first.ttft == pytest.approx(second.ttft, rel=1e-5)
