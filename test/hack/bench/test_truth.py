from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest

from dgdr_api.v1beta1 import OptimizationType
from hack.bench.truth.curve import CHANCES, Curve, curves
from hack.bench.truth.options import Option, Workload, goal, workloads
from hack.bench.truth.page import PageError, replaced
from hack.bench.truth.picture import svg
from hack.bench.truth.rules import RULES, Rule, aics_own, at_least_likely, by_weight, corrected_only, random, shipped
from hack.bench.truth.score import score
from hack.calibration.validate import Outcome
from test.builders.calibration import calibration, measurement, row, sample

THROUGHPUT = OptimizationType.THROUGHPUT


def option(tp: int, estimated: tuple[float, float, float], measured: tuple[float, float], batch: int = 8) -> Option:
    """A deployment: estimated TTFT, ITL and tokens/s/GPU, measured TTFT and ITL; errors spread by a factor of 1.5."""
    ttft, itl, per_gpu = estimated
    point = measurement(tp=tp, batch=batch, ttft=measured[0], itl=measured[1])
    found = sample(point, ttft=ttft, itl=itl, tokens_per_s_per_gpu=per_gpu, queue=0.0)
    return Option(Outcome.of(found, calibration([row(1.0, 1.5, backend=point.backend)])))


BRINK = option(1, (100, 19, 900), (110, 22), batch=16)
SAFE = option(2, (90, 10, 400), (100, 11))
FAST = option(4, (60, 5, 100), (70, 6), batch=4)
OPTIONS = (BRINK, SAFE, FAST)
WANTED = goal(SAFE.measured, THROUGHPUT, ttft=200.0, itl=20.0)


def test_rules_differ_in_what_they_promise() -> None:
    assert aics_own(OPTIONS, WANTED) == [BRINK]
    assert shipped(OPTIONS, WANTED) == by_weight(OPTIONS, WANTED, exponent=2.0)
    assert corrected_only(OPTIONS, WANTED) == [BRINK]
    assert at_least_likely(OPTIONS, WANTED) == [SAFE]
    assert list(random(OPTIONS, WANTED)) == list(OPTIONS)
    assert by_weight(OPTIONS, WANTED, exponent=4.0) == [SAFE]


def test_rules_pick_something_where_nothing_meets_the_targets() -> None:
    hopeless = goal(SAFE.measured, THROUGHPUT, ttft=1.0, itl=1.0)
    for rule in RULES.values():
        assert set(rule(OPTIONS, hopeless)) <= set(OPTIONS)
        assert rule(OPTIONS, hopeless)
    assert aics_own(OPTIONS, hopeless) == [FAST]


def test_missed_target_loses_everything() -> None:
    workload = Workload(OPTIONS)

    def brink(_: Sequence[Option], __: object) -> Sequence[Option]:
        return [BRINK]

    goals = list(workload.goals(THROUGHPUT))
    met = [wanted for wanted in goals if BRINK.meets(wanted)]
    found = score([workload, workload], brink, THROUGHPUT)
    assert 0 < len(met) < len(goals)
    assert found.hit == pytest.approx(len(met) / len(goals))
    assert found.loss == pytest.approx(1 - len(met) / len(goals))  # it is the densest wherever it meets them
    assert found.regret == pytest.approx(0)
    assert found.goals == 2 * len(goals)


def test_chance_decides_by_its_mean() -> None:
    workload = Workload(OPTIONS)
    found = score([workload, workload], lambda options, _: options, THROUGHPUT)

    def always(picked: Option) -> Rule:
        return lambda _options, _goal: [picked]

    single = [score([workload, workload], always(option), THROUGHPUT) for option in OPTIONS]
    assert found.hit == pytest.approx(sum(one.hit for one in single) / 3)
    assert found.loss == pytest.approx(sum(one.loss for one in single) / 3)


def test_hybrid_is_scored_by_the_product() -> None:
    assert SAFE.value(OptimizationType.HYBRID) == pytest.approx(SAFE.value(THROUGHPUT) * 1000 / 11)


def test_targets_are_such_as_something_meets() -> None:
    for wanted in Workload(OPTIONS).goals(THROUGHPUT):
        assert any(found.meets(wanted) for found in OPTIONS)


def test_workload_needs_three_parallelisms() -> None:
    outcomes = [found.outcome for found in OPTIONS]
    again = option(2, (90, 12, 500), (100, 13), batch=12).outcome
    assert [len(found.options) for found in workloads(outcomes)] == [3]
    assert workloads([*outcomes[:2], again]) == []


def test_candidate_has_the_estimates_and_not_the_measurements() -> None:
    numbers = BRINK.simulated.numbers
    assert (numbers.ttft, numbers.itl) == (100, 19)
    assert numbers.tokens_per_s_per_gpu == pytest.approx(900)


def test_curve_counts_what_is_below() -> None:
    points = []
    for number, name in enumerate("ABCABCABCABC"):
        point = measurement(name, ttft=120.0, itl=10.0 * 1.2 ** (number - 6))
        points.append(Outcome.of(sample(point, itl=10.0), calibration()))
    found = {(curve.number, curve.name): curve for curve in curves(points)}
    shares = found["ITL", "all"].shares
    assert shares == tuple(sorted(shares))
    assert shares[CHANCES.index(0.5)] == pytest.approx(7 / 12)
    assert ("ITL", "vllm aggregated") in found
    assert ("ITL", "sglang aggregated") not in found


def test_picture_is_xml_with_a_line_for_each_curve() -> None:
    drawn = svg([Curve(number, "vllm <aggregated>", CHANCES) for number in ("TTFT", "ITL", "tokens/s/GPU")])
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3
    first, last = lines[0].attrib["points"].split()[0], lines[0].attrib["points"].split()[-1]
    assert (first, last) == ("12.0,228.0", "228.0,12.0")


def test_generated_part_of_a_page_is_replaced_and_nothing_else() -> None:
    page = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n<!-- generated: y -->\n<!-- end -->\n"
    assert replaced(page, "x", "new") == page.replace("old", "new")
    with pytest.raises(PageError, match="generated: z"):
        replaced(page, "z", "new")
