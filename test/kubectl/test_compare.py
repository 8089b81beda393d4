from collections.abc import Callable
from typing import Any

from rich.console import Console

from dgdr_api.candidate import Outcome, Verdict
from dgdr_controller.kubectl.compare import comparison, differences
from dgdr_controller.kubectl.exporting import Exporter
from dgdr_controller.settings import Settings
from test.builders.results import candidate_of, results_of


def test_rows_that_differ_are_marked() -> None:
    results = results_of()
    console = Console(width=200)
    with console.capture() as captured:
        console.print(comparison(results.candidates, results))
    rows = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert rows[0] == " ".join(candidate.id for candidate in results.candidates)
    assert "* workers 1 × tp2 1 × tp4" in rows
    assert "* TTFT ms 100 60" in rows
    assert "mode aggregated aggregated" in rows
    assert not any(row.startswith(("verdict", "* verdict")) for row in rows), "nobody has judged them"


def test_deployments_are_compared_as_a_unified_diff(ready: Callable[..., Any]) -> None:
    results = results_of()
    first, second = results.candidates
    lines = list(differences([first, second], Exporter(ready(), results, None, Settings())))
    assert lines[1:3] == [f"--- {first.id}", f"+++ {second.id}"]
    assert f"-    dgdr.nvidia.com/candidate: {first.id}" in lines
    assert f"+    dgdr.nvidia.com/candidate: {second.id}" in lines


def test_candidate_without_a_deployment_is_named_in_its_place(ready: Callable[..., Any]) -> None:
    loser = candidate_of(8, verdict=Verdict(outcome=Outcome.DOES_NOT_FIT, reason="too large"))
    results = results_of()
    lines = list(differences([results.candidates[0], loser], Exporter(ready(), results, None, Settings())))
    assert lines == [f"Candidate {loser.id} cannot be deployed (does-not-fit): too large"]
