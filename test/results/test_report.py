import base64
import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dgdr_api.candidate import Outcome, Source, Verdict
from dgdr_api.request_warnings import RequestWarning
from dgdr_api.results import Results
from dgdr_controller.results import MissingAssetError, assets, report
from dgdr_controller.settings import Settings
from test.builders.results import candidate_of, results_of
from test.builders.results_page import Open

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\"\u2028"


@pytest.mark.usefixtures("assets")
def test_two_pages_of_the_same_results_are_the_same(found: Results) -> None:
    assert report(found, Settings()) == report(found, Settings())


@pytest.mark.usefixtures("assets")
def test_scripts_of_the_page_alone_may_run(found: Results) -> None:
    text = report(found, Settings())
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    assert text.index(policy[0]) < text.index("<style>")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert rules["script-src"].split() == hashes
    assert "Permission to use, copy, modify" in scripts[0]
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?!data:)', text)


def test_content_of_objects_is_text(show: Open, found: Results) -> None:
    first, *others = found.candidates
    assert first.verdict is not None
    verdict = first.verdict.model_copy(update={"reason": HOSTILE})
    spec = found.request.spec.model_copy(update={"model": HOSTILE})
    page = show(
        found.model_copy(
            update={
                "candidates": (first.model_copy(update={"verdict": verdict, "backend_version": HOSTILE}), *others),
                "request": found.request.model_copy(update={"spec": spec}),
                "warnings": (RequestWarning(type="SLAWarning", message=HOSTILE),),
                "provenance": found.provenance.model_copy(update={"notes": (HOSTILE,), "engine": HOSTILE}),
            }
        )
    )
    expect(page.locator(".warning")).to_have_text(HOSTILE)
    expect(page.locator("#headline .place b")).to_have_text(HOSTILE)
    assert page.title().startswith("</script><script>alert(1)")
    assert page.locator("img").count() == 0
    page.click("#workload-toggle")
    expect(page.locator("#dgdr")).to_contain_text("</script>")
    page.get_by_text("Show the YAML").click()
    page.locator("#table input[type=checkbox]").first.check()


@pytest.mark.usefixtures("assets")
def test_script_that_was_slipped_in_does_not_run(browser: Browser, found: Results, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    slipped = "</header><p id='p' onclick='document.title = 1'>here</p><script>document.title = 2</script>"
    path.write_text(report(found, Settings()).replace("</header>", slipped), encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.click("#p")
    assert page.title() == "Qwen/Qwen3-32B on 8 × h200_sxm"
    assert len(said) == 2
    assert all("Content Security Policy" in message for message in said)
    page.close()


def test_plan_by_memory_fit_is_shown_without_numbers(show: Open) -> None:
    verdict = Verdict(outcome=Outcome.SELECTED, reason="the smallest engine that the model fits in")
    page = show(results_of([candidate_of(2, performance=None, source=Source.NAIVE, verdict=verdict)]))
    expect(page.locator("#headline")).to_contain_text("Its performance is unknown")
    expect(page.locator("#chart")).to_contain_text("nothing to plot")
    expect(page.locator("#table tbody")).to_contain_text("unknown")
    expect(page.locator("#download")).to_be_visible()
    page.fill("#target-itl", "1")
    expect(page.locator("#headline")).to_contain_text("Its performance is unknown")


def test_results_without_a_choice_say_so(show: Open) -> None:
    verdict = Verdict(outcome=Outcome.OVER_BUDGET, reason="needs 16 GPUs; the budget is 8")
    page = show(results_of([candidate_of(16, verdict=verdict)], selected=None, pareto=[]))
    expect(page.locator("#headline h1")).to_have_text("No configuration can be deployed")
    expect(page.locator("#table tbody")).to_contain_text("needs 16 GPUs")
    expect(page.locator("#card")).to_contain_text("cannot be deployed")


@pytest.mark.usefixtures("assets")
@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (390, "dark")])
def test_page_fits_a_small_screen(show: Open, found: Results, width: int, scheme: str) -> None:
    page = show(found)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    for candidate in found.candidates[:3]:
        page.get_by_role("checkbox", name=f"Compare {candidate.id}").check()
    page.click("#workload-toggle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 246, 248)"
    assert light == (scheme == "light")


def test_missing_library_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    with pytest.raises(MissingAssetError, match=r"lacks vendor/d3.min.js: run python3 hack/assets.py"):
        assets.require_assets()
