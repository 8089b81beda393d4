"""The rules live twice: where the profiler runs, and in the browser for targets that a reader tries."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role
from dgdr_api.formatting import exact, significant
from dgdr_api.model import ApiModel
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.calibration import with_chances
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.judge import judge, warnings
from dgdr_controller.profiler.selection.pareto import front
from dgdr_controller.profiler.selection.scaling import scale
from dgdr_controller.results.assets import read
from test.builders.estimates import ERRORS, promising

BUDGET = 16
HARDWARE = {"gpuSku": "h200_sxm", "totalGpus": {"value": BUDGET}}
JUDGE = """([candidates, goal, hardware, errors]) => {
  dgdr.likely.assess(candidates, goal, errors);
  const judgement = dgdr.verdicts.judge(candidates, goal, hardware.totalGpus.value);
  return {
    choice: judgement.choice?.id ?? null,
    front: judgement.front.map(({ id }) => id),
    verdicts: Object.fromEntries(judgement.verdicts),
    warnings: dgdr.verdicts.warnings(judgement, goal, hardware),
  };
}"""


@pytest.fixture(scope="module")
def rules(browser: Browser) -> Iterator[Page]:
    """The rules alone, without a page."""
    page = browser.new_page()
    for name in ("numbers.js", "likely.js", "selection.js", "verdicts.js"):
        page.evaluate(read(name))
    yield page
    page.close()


def wire(model: ApiModel) -> dict[str, Any]:
    fields: dict[str, Any] = model.model_dump(mode="json", exclude_none=True)
    return fields


@settings(max_examples=120)
@given(data=st.data())
def test_choice_front_verdicts_and_warnings_are_the_same(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], goals: st.SearchStrategy[Goal], rules: Page
) -> None:
    asked, tried = data.draw(goals), data.draw(goals)
    drawn = data.draw(st.lists(candidates, min_size=1, max_size=14))
    pool = list({c.id: c for c in (scale(candidate, asked, BUDGET) for candidate in drawn)}.values())
    kept = ("concurrency", "request_rate", "autoscale")
    goal = tried.model_copy(update={name: getattr(asked, name) for name in kept})
    shown = judge(
        promising(pool, asked), asked, BUDGET, lambda _: None
    ).candidates  # the page has the verdicts of what was asked
    told = rules.evaluate(JUDGE, [[wire(c) for c in shown], wire(goal), HARDWARE, wire(ERRORS)])

    judgement = judge(promising(pool, goal), goal, BUDGET, lambda _: None)
    assert told["choice"] == (judgement.choice.id if judgement.choice else None)
    assert told["front"] == [c.id for c in judgement.pareto]
    assert told["verdicts"] == {c.id: wire(c.verdict) for c in judgement.candidates if c.verdict}
    assert told["warnings"] == [warning.message for warning in warnings(judgement, goal, BUDGET, "h200_sxm")]


def test_every_choice_among_many_is_the_same(rules: Page, found: Any) -> None:
    """On one table, over a grid of targets and every objective."""
    table = [c for c in found.candidates if c.verdict and c.verdict.outcome != "not-renderable"]
    for goal in grid(found.goal):
        chosen, best = rules.evaluate(
            """([candidates, goal, errors]) => (dgdr.likely.assess(candidates, goal, errors), [
                dgdr.selection.choose(candidates, goal, 8).id, dgdr.selection.front(candidates, goal, 8).map(c => c.id),
            ])""",
            [[wire(c) for c in table], wire(goal), wire(found.estimate_errors)],
        )
        pool = [with_chances(c, goal, found.estimate_errors) for c in table]
        choice = choose(pool, goal, 8)
        assert choice is not None
        assert chosen == choice.id
        assert best == [c.id for c in front(pool, goal, 8)]


def grid(goal: Goal) -> Iterator[Goal]:
    plain = wire(goal)
    for ttft in (100, 300, 2000):
        for itl in (4, 9.5, 30):
            for objective in ("throughput", "latency", "hybrid"):
                targets = {"ttft": {"value": ttft, "explicit": True}, "itl": {"value": itl, "explicit": itl < 30}}
                yield Goal.model_validate_json(json.dumps(plain | targets | {"objective": objective}))


@settings(max_examples=300)
@given(value=st.floats(1e-6, 1e9) | st.decimals(1, 10**6, places=2).map(float) | st.integers(0, 10**8).map(float))
@example(value=1740.6)
@example(value=1745.0)
@example(value=12.25)
@example(value=999.6)
@example(value=0.0)
def test_numbers_are_written_the_same(value: float, rules: Page) -> None:
    told = rules.evaluate("v => [dgdr.numbers.significant(v), dgdr.numbers.significant(v, 2)]", value)
    assert told == [significant(value), significant(value, 2)]
    if value == 0 or value >= 1e-3:
        assert rules.evaluate("v => dgdr.numbers.exact(v)", value) == exact(value)


def test_infinity_is_written_the_same(rules: Page) -> None:
    assert rules.evaluate("() => dgdr.numbers.significant(1 / 0)") == significant(math.inf)


def test_ties_go_to_fewer_gpus_then_aggregated(rules: Page, make_candidate: Any, plain_goal: Goal) -> None:
    goal = plain_goal.model_copy(update={"objective": OptimizationType.THROUGHPUT})
    small, large = make_candidate(tp=2, per_gpu=200), make_candidate(tp=4, per_gpu=100)
    together = make_candidate(tp=2)
    prefill = together.workers[0].model_copy(update={"role": Role.PREFILL, "parallelism": Parallelism(tp=1)})
    decode = prefill.model_copy(update={"role": Role.DECODE})
    apart = make_candidate(mode=Mode.DISAGGREGATED, workers=(prefill, decode), backend=Backend.SGLANG)
    for pool in ([large, small], [apart, together]):
        choice = choose(pool, goal, 8)
        told = rules.evaluate(
            "([all, goal]) => dgdr.selection.choose(all, goal, 8).id", [[*map(wire, pool)], wire(goal)]
        )
        assert choice == pool[1]
        assert told == pool[1].id
