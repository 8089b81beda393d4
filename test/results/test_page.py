import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Download, Page, expect

from dgdr_api.candidate import Outcome
from dgdr_api.figures import interval
from dgdr_api.formatting import likelihood, significant
from dgdr_api.results import Goal, Results, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.results.content import manifests
from dgdr_controller.settings import Settings
from test.builders.estimates import promising
from test.builders.results_page import Open, judged

IDS = "els => els.map(e => e.dataset.id)"


def text_of(download: Download) -> str:
    return Path(download.path()).read_text(encoding="utf-8")


def rows(page: Page) -> list[str]:
    ids: list[str] = page.locator("#table tbody tr").evaluate_all(IDS)
    return ids


def column(page: Page, title: str) -> list[str]:
    titles = page.locator("#table thead th").all_inner_texts()
    number = next(i for i, text in enumerate(titles) if text.strip(" ▲▼\n") == title) + 1
    return page.locator(f"#table tbody tr td:nth-child({number})").all_inner_texts()


def test_verdict_comes_first_with_its_numbers_against_the_targets(show: Open, found: Results) -> None:
    page = show(found)
    choice = found.choice
    assert choice is not None
    said = page.locator("#headline").inner_text()
    assert f"Recommended: {choice.backend} {choice.mode}, {choice.shape} on 8 GPUs" in said
    numbers = choice.numbers
    for value in (numbers.tokens_per_s_per_gpu, numbers.tokens_per_s_per_user, numbers.ttft, numbers.itl):
        assert significant(value) in said
    assert "✓ within 2000 ms, the default" in said
    provenance = page.locator("#provenance").inner_text()
    assert "Estimated, not measured, by AIConfigurator 0.12.0 with the performance data of vllm 0.24.0." in provenance
    assert "TTFT is an optimistic estimate." in provenance


def test_every_candidate_is_a_point_and_the_dominated_ones_are_faint(show: Open, found: Results) -> None:
    page = show(found)
    points = page.locator("#chart .plot .point")
    assert sorted(points.evaluate_all(IDS)) == sorted(c.id for c in found.candidates)
    faint = set(page.locator("#chart .plot .point.faint").evaluate_all(IDS))
    dominated = {c.id for c in found.candidates if c.verdict and c.verdict.outcome is Outcome.DOMINATED}
    alternatives = {c.id for c in found.candidates if c.verdict and c.verdict.outcome is Outcome.ALTERNATIVE}
    assert dominated <= faint
    assert not alternatives & faint
    missing = {c.id for c in found.candidates if c.verdict and c.verdict.outcome is Outcome.MISSES_TARGET}
    assert missing <= faint
    kinds = points.evaluate_all("els => [...new Set(els.map(e => e.classList[1] + ' ' + e.classList[2]))]")
    assert len(kinds) == 6  # three engines in two modes
    forms = {
        kind: page.locator(f"#chart .plot .point.{kind}.filled").first.get_attribute("d")
        for kind in ("vllm", "sglang", "trtllm")
    }
    assert "A" in str(forms["vllm"])
    assert len({re.sub(r"[\d.e-]+", "", str(form)) for form in forms.values()}) == 3
    assert page.locator("#chart path.front").get_attribute("d")
    assert "ITL ≤ 30 ms (default)" in str(page.locator(".target-label").text_content())


def test_hovering_and_focus_tell_all_numbers(show: Open, found: Results) -> None:
    page = show(found)
    choice = found.choice
    assert choice is not None
    tip = page.locator("#chart .tip")
    expect(tip).to_be_hidden()
    page.locator(f'.point[data-id="{choice.id}"]').hover()
    for value in (choice.numbers.tokens_per_s_per_gpu, choice.numbers.ttft, choice.numbers.itl, choice.numbers.e2e):
        expect(tip).to_contain_text(significant(value))
    expect(tip).to_contain_text("selected: best balance")
    page.mouse.move(1, 1)
    expect(tip).to_be_hidden()
    page.locator('.point[tabindex="0"]').focus()
    expect(tip).to_contain_text(significant(choice.numbers.ttft))


def test_keyboard_goes_along_the_front_looks_and_compares(show: Open, found: Results) -> None:
    page = show(found)
    page.locator('.point[tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    there = page.evaluate("document.activeElement.dataset.id")
    assert "tokens/s/GPU" in page.evaluate("document.activeElement.ariaLabel")
    assert there in found.pareto
    assert there != found.selected
    page.keyboard.press("Enter")
    expect(page.locator("#card code").first).to_have_text(there)
    page.keyboard.press("c")
    assert page.evaluate("document.activeElement.dataset.id") == there  # the chart was drawn anew
    page.keyboard.press("ArrowUp")
    page.keyboard.press("c")
    expect(page.locator("#compare thead th")).to_have_count(2)


def test_click_selects_and_the_card_tells_of_it(show: Open, found: Results) -> None:
    page = show(found)
    other = next(c for c in found.candidates if c.verdict and c.verdict.outcome is Outcome.MISSES_TARGET)
    page.locator(f'.point[data-id="{other.id}"]').click(force=True)
    card = page.locator("#card")
    expect(card.locator("code").first).to_have_text(other.id)
    assert other.verdict is not None
    expect(card).to_contain_text(other.verdict.reason)
    expect(card.locator(".target.missed")).to_contain_text("✕ ITL")


@pytest.mark.parametrize(
    ("across", "upward", "label"),
    [("ttft", "tokensPerSPerGpu", "TTFT ≤ 2000 ms"), ("itl", "cost", "ITL ≤ 30 ms"), ("e2e", "budget", None)],
)
def test_axes_can_be_switched(show: Open, found: Results, across: str, upward: str, label: str | None) -> None:
    page = show(found)
    before = page.locator("path.front").get_attribute("d")
    page.select_option("#across", across)
    page.select_option("#upward", upward)
    assert page.locator("path.front").get_attribute("d") != before
    labels = page.locator(".target-label").all_text_contents()
    assert [label.removesuffix(" (default)") for label in labels] == ([label] if label else [])


def test_price_of_a_gpu_is_the_readers(show: Open, found: Results) -> None:
    page = show(found)
    choice = found.choice
    assert choice is not None
    page.fill("#price", "10")
    cost = significant(10 * 1e6 / (choice.numbers.tokens_per_s_per_gpu * 3600))
    expect(page.locator("#card dl")).to_contain_text(cost)
    assert column(page, "$/M tokens")[0] == cost


def test_engines_and_modes_can_be_hidden(show: Open, found: Results) -> None:
    page = show(found)
    page.get_by_role("button", name="vllm 14").click()
    assert page.locator(".plot .point.vllm").count() == 0
    assert not any(row.startswith("vllm") for row in rows(page))
    page.keyboard.press("Space")  # the focus stays on the button
    assert page.locator(".plot .point.vllm").count() == 14
    for name in ("aggregated 21", "disaggregated 21"):
        page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".plot")).to_contain_text("nothing to plot")


def test_table_sorts_by_every_column(show: Open, found: Results) -> None:
    page = show(found)
    page.locator("#more").click()
    assert rows(page)[0] == found.selected
    assert sorted(rows(page)) == sorted(c.id for c in found.candidates)
    for title, name in (("TTFT ms", "ttft"), ("tok/s/GPU", "tokens_per_s_per_gpu")):
        page.locator("#table thead").get_by_role("button", name=title).click()
        page.locator("#more").click()
        falling = title == "tok/s/GPU"  # what is better comes first
        values = sorted((getattr(c.numbers, name) for c in found.candidates), reverse=falling)
        assert column(page, title) == [significant(value) for value in values]
    heading = page.locator('#table th[data-key="tokensPerSPerGpu"]')
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"


def test_table_filters_by_words_and_verdict(show: Open, found: Results) -> None:
    page = show(found)
    page.fill("#words", "sglang -disagg")
    shown = rows(page)
    assert shown
    assert all(row.startswith("sglang-agg") for row in shown)
    page.fill("#words", "")
    page.select_option("#outcome", "not-renderable")
    assert column(page, "why") == ["no flag says so"] * 2


def test_two_to_four_are_compared_side_by_side(show: Open, found: Results) -> None:
    page = show(found)
    chosen = [c.id for c in found.candidates[:5]]
    for name in chosen[:4]:
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    page.get_by_role("checkbox", name=f"Compare {chosen[4]}").click()
    expect(page.locator("#told")).to_contain_text("At most 4")
    expect(page.locator("#compare thead th")).to_have_count(4)
    assert page.locator("#compare tr.differs").count()
    same = page.locator("#compare tbody tr:not(.differs)").all_inner_texts()
    assert any(row.startswith("GPUs") for row in same)
    assert page.locator(".ring.compared").count() == 4
    page.get_by_role("checkbox", name=f"Compare {chosen[0]}").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Space")  # the focus stays where it was
    expect(page.locator("#compare thead th")).to_have_count(4)
    page.get_by_role("button", name=f"Do not compare {chosen[3]}").click()
    expect(page.locator("#compare thead th")).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#compare")).to_be_hidden()


def test_difference_of_two_deployments_is_shown(show: Open, found: Results) -> None:
    page = show(found)
    texts = manifests(found, Settings())
    one, other = (c.id for c in found.candidates[:2])
    for name in (one, other):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    expect(page.locator("#diff .gone").first).to_be_visible()
    gone, new = (
        [line.rstrip("\n")[2:] for line in page.locator(f"#diff .{kind}").all_text_contents()]
        for kind in ("gone", "new")
    )
    assert any(one in line for line in gone)
    assert any(other in line for line in new)
    assert set(gone) <= set(texts[one].split("\n"))
    assert set(new) <= set(texts[other].split("\n"))


def test_deployment_of_any_candidate_can_be_taken_away(show: Open, found: Results) -> None:
    page = show(found)
    texts = manifests(found, Settings())
    assert found.selected is not None
    with page.expect_download() as begun:
        page.click("#download")
    assert begun.value.suggested_filename == f"{found.selected}.yaml"
    assert text_of(begun.value) == texts[found.selected]
    page.click("#copy")
    expect(page.locator("#told")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == (
        f"kubectl apply -f - <<'EOF'\n{texts[found.selected]}EOF\n"
    )
    page.fill("#words", "not-renderable")
    page.locator("#table tbody tr").first.click()
    expect(page.locator("#card")).to_contain_text("cannot be deployed")
    assert page.locator("#download").count() == 0


def test_candidates_can_all_be_taken_away(show: Open, found: Results) -> None:
    page = show(found)
    with page.expect_download() as begun:
        page.click("#json")
    wanted = found.model_dump(mode="json", exclude_none=True)["candidates"]
    taken = json.loads(text_of(begun.value))
    for theirs, ours in zip(taken, wanted, strict=True):
        # The page works chances out by itself, with its own logarithm: the last digit may be another one.
        assert theirs["uncertainty"].pop("chances") == pytest.approx(ours["uncertainty"].pop("chances"))
    assert taken == wanted
    with page.expect_download() as begun:
        page.click("#csv")
    head, *lines = text_of(begun.value).splitlines()
    assert head.startswith("id,backend,")
    assert [line.partition(",")[0] for line in lines] == [c.id for c in found.candidates]
    first = next(csv.DictReader([head, *lines]))
    uncertainty = found.candidates[0].uncertainty
    assert uncertainty is not None
    assert float(first["ttftLow"]) == pytest.approx(uncertainty.ttft.low, rel=1e-5)
    assert float(first["tokensPerSPerGpuHigh"]) == pytest.approx(uncertainty.tokens_per_s_per_gpu.high, rel=1e-5)
    chances = uncertainty.chances
    assert float(first["likely"]) == pytest.approx((chances.ttft or 1) * (chances.itl or 1), rel=1e-5)


def test_page_says_how_certain_numbers_are(show: Open, found: Results) -> None:
    page, choice = show(found), found.choice
    assert choice is not None
    assert choice.uncertainty is not None
    itl, chance = choice.uncertainty.itl, choice.uncertainty.chances.itl
    assert chance is not None
    between = f"{significant(choice.numbers.itl)} ms ({interval(itl)})"
    expect(page.locator("#headline .lead")).to_contain_text(between)
    expect(page.locator("#headline .lead")).to_contain_text(f"{likelihood(chance)} likely")
    expect(page.locator("#card dl")).to_contain_text(f"{significant(choice.numbers.itl)} ({interval(itl)})")
    row = page.locator(f"#table tbody tr[data-id='{choice.id}']")
    expect(row).to_contain_text(likelihood((choice.uncertainty.chances.ttft or 1) * chance))
    page.fill("#target-itl", f"{itl.high}")
    expect(page.locator("#card .target").last).to_contain_text("90 % likely")


def test_other_targets_are_judged_at_once(show: Open, found: Results) -> None:
    page = show(found)
    page.fill("#target-itl", "12")
    page.get_by_text("throughput", exact=True).click()
    tried = {"itl": Target(value=12, explicit=True), "objective": OptimizationType.THROUGHPUT}
    offered = [c for c in found.candidates if c.verdict and c.verdict.outcome is not Outcome.NOT_RENDERABLE]
    goal = found.goal.model_copy(update=tried)
    choice = choose(promising(offered, goal), goal, 8)
    assert choice is not None
    assert choice.id != found.selected
    expect(page.locator("#headline h1")).to_have_text(
        f"With these: {choice.backend} {choice.mode}, {choice.shape} on 8 GPUs"
    )
    expect(page.locator("#card code").first).to_have_text(choice.id)
    assert rows(page)[0] == choice.id
    expect(page.locator(".target-label")).to_have_text("ITL ≤ 12 ms")
    page.fill("#target-itl", "0.5")
    expect(page.locator(".warning")).to_contain_text("Cannot meet ITL=0.5ms with this model/hardware.")
    page.get_by_role("button", name="Back to what was asked").click()
    assert rows(page)[0] == found.selected
    expect(page.locator("#headline h1")).to_contain_text("Recommended")
    assert page.locator("p.whatif").count() == 0


def test_target_for_the_whole_request_replaces_the_others(show: Open, found: Results) -> None:
    page = show(found)
    page.fill("#target-e2e", "9000")
    expect(page.locator("#target-itl")).to_be_disabled()
    page.select_option("#across", "e2e")
    expect(page.locator(".target-label")).to_have_text("request ≤ 9000 ms")


def test_workload_of_the_reader_becomes_the_request_to_create(show: Open) -> None:
    target = Target(value=500, explicit=True)
    goal = Goal(
        isl=4000, osl=1000, ttft=target, itl=Target(value=30, explicit=False), objective=OptimizationType.HYBRID
    )
    page = show(judged(goal))
    page.click("#workload-toggle")
    page.fill("#isl", "16000")
    page.fill("#osl", "250")
    page.fill("#target-itl", "12.5")
    made = yaml.safe_load(page.locator("#dgdr").inner_text())
    assert made == {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "qwen-16000-250", "namespace": "team"},
        "spec": {
            "model": "Qwen/Qwen3-32B",
            "backend": "vllm",
            "autoApply": False,
            "workload": {"isl": 16000, "osl": 250},
            "sla": {"ttft": 500, "itl": 12.5},
        },
    }
