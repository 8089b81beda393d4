import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dgdr_api.results import Results, Target
from dgdr_controller.profiler.selection.choose import choose
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
    offered = [candidate for candidate in written.candidates if candidate.is_offered]
    expected = choose(offered, written.goal.model_copy(update=targets), written.hardware.total_gpus.value)
    assert expected is not None
    page.fill("#target-ttft", "2000")
    page.fill("#target-itl", "30")
    expect(page.locator("#headline h1")).to_contain_text(f"With these: {expected.backend} {expected.mode}")
    assert page.locator("#table tbody tr").first.get_attribute("data-id") == expected.id
    outcomes = page.locator("#table tbody tr .badge").all_inner_texts()
    assert outcomes == [candidate["verdict"]["outcome"] for candidate in results["candidates"]][: len(outcomes)]


def test_place_that_cannot_be_written_to_is_refused_before_the_search(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("plan", "-f", "-", "--report", "file/page.html", folder=tmp_path, stdin=REQUEST)
    assert done.returncode == 2
    assert "--report" in done.stderr
    assert "simulator" not in done.stderr
