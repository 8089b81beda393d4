import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dgdr_api.results import Results, Target
from dgdr_controller.profiler.calibration import with_chances
from dgdr_controller.profiler.selection.judge import judge
from test.builders.command_line import run, serve_simulator
from test.builders.results_page import Look

REQUEST = """
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeploymentRequest
metadata:
  name: small
spec:
  model: meta-llama/Meta-Llama-3.1-8B
  backend: vllm
  hardware:
    gpuSku: a100_sxm
    totalGpus: 2
"""


@pytest.mark.aic
@pytest.mark.usefixtures("assets")
def test_page_of_a_real_search_shows_what_was_found(request: pytest.FixtureRequest, look: Look, tmp_path: Path) -> None:
    serve_simulator(request)
    done = run("plan", "-f", "-", "--report", "pages/sample.html", "--format", "json", folder=tmp_path, stdin=REQUEST)
    assert done.returncode == 0, done.stderr
    assert "Wrote pages/sample.html" in done.stderr
    results = json.loads(done.stdout)
    path = tmp_path / "pages" / "sample.html"
    assert path.stat().st_size < 2_000_000
    page = look(path)
    choice = results["candidates"][0]
    expect(page.locator("#headline h1")).to_contain_text(f"Recommended: {choice['backend']} {choice['mode']}")
    expect(page.locator(".plot .point")).to_have_count(len(results["candidates"]))
    expect(page.locator("#table .count")).to_have_text(f"{len(results['candidates'])} of {len(results['candidates'])}")
    for note in results["provenance"]["notes"]:
        expect(page.locator("#provenance")).to_contain_text(note)
    # Of the same targets, written by hand, the browser says what the profiler says of targets that a user wrote.
    written = Results.model_validate_json(done.stdout)
    targets = {name: Target(value=value, explicit=True) for name, value in (("ttft", 2000), ("itl", 30))}
    goal = written.goal.model_copy(update=targets)
    promised = [with_chances(c, goal, written.estimate_errors) for c in written.candidates]
    refused = {c.id: c.verdict for c in promised if not c.is_offered}
    expected = judge(promised, goal, written.hardware.total_gpus.value, lambda c: refused.get(c.id))
    assert expected.choice is not None
    page.fill("#target-ttft", "2000")
    page.fill("#target-itl", "30")
    expect(page.locator("#headline h1")).to_contain_text(
        f"With these: {expected.choice.backend} {expected.choice.mode}"
    )
    assert page.locator("#table tbody tr").first.get_attribute("data-id") == expected.choice.id
    rows = page.locator("#table tbody tr")
    outcomes = {row.get_attribute("data-id"): row.locator(".badge").inner_text() for row in rows.all()}
    verdicts = {c.id: c.verdict.outcome.value for c in expected.candidates if c.verdict}
    assert outcomes == {name: verdicts[name or ""] for name in outcomes}


def test_place_that_cannot_be_written_to_is_refused_before_the_search(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("plan", "-f", "-", "--report", "file/page.html", folder=tmp_path, stdin=REQUEST)
    assert done.returncode == 2
    assert "--report" in done.stderr
    assert "simulator" not in done.stderr
