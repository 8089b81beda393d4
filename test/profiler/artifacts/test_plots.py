import struct
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgdr_api.candidate import Source
from dgdr_api.results import Results, Target
from dgdr_controller.profiler.artifacts.plots import PLOTS, figures, plots
from test.builders.results import candidate_of, planned_results, results_of

PARETO, PREFILL, DECODE = PLOTS


def panels(figure: Figure) -> tuple[Axes, Axes]:
    left, right = figure.axes
    return left, right


def entries(figure: Figure) -> list[str]:
    """Return what the legends of a figure say."""
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def line(figure: Figure, label: str) -> tuple[list[float], list[float], str]:
    """Return the points and the style of the line of this label."""
    (found,) = {
        (*points(line), str(line.get_linestyle()))
        for axes in figure.axes
        for line in axes.get_lines()
        if str(line.get_label()).startswith(label)
    }
    return list(found[0]), list(found[1]), found[2]


def points(line: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(line.get_xdata()), tuple(line.get_ydata())


def test_plots_are_pictures_of_the_same_bytes_each_time() -> None:
    made = plots(planned_results())
    assert list(made) == list(PLOTS)
    for picture in made.values():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", picture[16:24])
        assert (width, height) == (1440, 648)
    assert plots(planned_results()) == made


def test_axes_have_names_and_units() -> None:
    made = figures(planned_results())
    named = {name: [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes] for name, figure in made.items()}
    per_gpu = "tokens/s per GPU)"
    assert named == {
        PARETO: [
            ("Speed for one user (output tokens/s)", f"Throughput (output {per_gpu}"),
            ("Time to first token (ms)", ""),  # the two panels have one axis
        ],
        PREFILL: [("Prompt (tokens)", "Time to first token (ms)"), ("Prompt (tokens)", f"Throughput (input {per_gpu}")],
        DECODE: [
            ("KV cache in use (% of 1,800,000 tokens)", "Inter-token latency (ms)"),
            ("KV cache in use (% of 1,800,000 tokens)", f"Throughput (output {per_gpu}"),
        ],
    }


def test_targets_are_lines_solid_where_the_user_wrote_them() -> None:
    made = figures(planned_results())
    assert line(made[PARETO], "target: TTFT 300 ms")[::2] == ([300, 300], "-")
    x, _, style = line(made[PARETO], "default target: ITL 15 ms")
    assert x == pytest.approx([1000 / 15] * 2)
    assert style == "--"
    assert line(made[PREFILL], "target: TTFT 300 ms")[1:] == ([300, 300], "-")
    assert line(made[DECODE], "default target: ITL 15 ms")[1:] == ([15, 15], "--")


def test_target_of_a_whole_request_is_on_its_own_axis() -> None:
    results = results_of()
    goal = results.goal.model_copy(update={"e2e_latency": Target(value=12_000, explicit=True)})
    made = figures(results.model_copy(update={"goal": goal}))[PARETO]
    assert panels(made)[1].get_xlabel() == "Latency of a request (ms)"
    assert line(made, "target: E2E 12000 ms")[0] == [12_000, 12_000]


def test_chosen_candidate_is_marked_and_the_others_are_faint_unless_they_are_on_the_front() -> None:
    results = results_of([candidate_of(2), candidate_of(4, per_gpu=400), candidate_of(8, per_gpu=30)], pareto=[0, 1])
    figure = figures(results)[PARETO]
    speed, ttft = panels(figure)
    for axes, x in ((speed, 100), (ttft, 100)):
        (star,) = [found for found in axes.get_lines() if found.get_marker() == "*"]
        assert points(star) == ((x,), (500,))
        drawn = {drawing.get_alpha(): np.size(drawing.get_offsets()) // 2 for drawing in axes.collections}
        assert drawn == {1.0: 2, 0.2: 1}
    assert entries(figure) == ["vllm aggregated", "chosen: vllm aggregated,\n1 × tp2"]


def test_curves_of_all_contexts_are_drawn() -> None:
    made = figures(planned_results())
    assert line(made[PREFILL], "estimate")[:2] == ([100, 5000, 10_000], [8, 200, 500])
    assert line(made[PREFILL], "mean prompt: 4000 tokens")[0] == [4000, 4000]
    assert line(made[DECODE], "context of 1000 tokens")[:2] == ([10, 90], [6, 30])
    assert line(made[DECODE], "context of 9000 tokens")[:2] == ([10, 90], [5, 20])


@pytest.mark.parametrize(
    ("results", "there"),
    [
        (results_of(), [PARETO]),
        (results_of([candidate_of(performance=None, source=Source.NAIVE)]), []),
        (results_of(selected=None), []),
        (planned_results().model_copy(update={"curves": planned_results().curves[:1]}), [PARETO]),
    ],
    ids=["no planner", "by memory", "nothing chosen", "one curve alone"],
)
def test_plots_without_numbers_are_left_out(results: Results, there: list[str]) -> None:
    assert list(plots(results)) == there
