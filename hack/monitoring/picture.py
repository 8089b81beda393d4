"""The dashboard as a picture: its panels over what a Prometheus has seen, drawn as Grafana would."""

import io
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from hack.monitoring.dashboard import ROWS, TITLE, WIDTH, Panel
from hack.monitoring.prometheus import PERIOD_S, Prometheus

VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*"}
"""What Grafana puts in."""
_COLOURS = (
    "#73bf69",
    "#f2cc0c",
    "#8ab8ff",
    "#ff780a",
    "#f2495c",
    "#5794f2",
    "#b877d9",
    "#705da0",
    "#37872d",
    "#fade2a",
)
_INK, _PAPER, _CARD, _GRID = "#d8d9da", "#111217", "#181b1f", "#2c3235"
_ROOM = 1.3
"""Of an axis above its highest value, for the legend."""
_LINES = 10
"""Rows of a table."""
_PLAIN = ((-math.inf, 1.0, ""),)
_UNITS: Mapping[str, Sequence[tuple[float, float, str]]] = {
    "s": ((2 * 86400, 86400, " days"), (120, 60, " min"), (1, 1, " s"), (-math.inf, 0.001, " ms")),
    "bytes": ((-math.inf, 2**20, " MiB"),),
    "percentunit": ((-math.inf, 0.01, " %"),),
    "ops": ((-math.inf, 1, "/s"),),
    "reqps": ((-math.inf, 1, "/s"),),
}
"""How values are written by Grafana's units: from which value on, by what they are divided, and what follows."""


def filled(expression: str) -> str:
    """Return an expression with values for Grafana's variables."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def draw(prometheus: Prometheus, seconds: float) -> str:
    """Return the dashboard over the last seconds, as SVG."""
    end = time.time()
    lines = [line for _, panels in ROWS for line in _lines(panels)]
    figure = Figure(figsize=(16, 2.6 * len(lines)), facecolor=_PAPER)
    figure.suptitle(TITLE, color=_INK, x=0.02, ha="left", fontsize=13)
    grid = GridSpec(len(lines), WIDTH, figure, 0.03, 0.03, 0.99, 0.95, wspace=2.2, hspace=0.55)
    for row, line in enumerate(lines):
        column = 0
        for panel in line:
            axes = figure.add_subplot(grid[row, column : column + panel.width])
            _style(axes, panel)
            _KINDS[panel.kind](axes, panel, prometheus, end - seconds, end)
            column += panel.width
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # text as text: a quarter of the size
        figure.savefig(text, format="svg", facecolor=_PAPER, metadata={"Date": None})
    return text.getvalue()


def _lines(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Return the panels of a row of the dashboard, line by line."""
    lines: list[list[Panel]] = [[]]
    for panel in panels:
        if sum(other.width for other in lines[-1]) + panel.width > WIDTH:
            lines.append([])
        lines[-1].append(panel)
    return lines


def _style(axes: Axes, panel: Panel) -> None:
    axes.set_facecolor(_CARD)
    axes.set_title(panel.title, color=_INK, fontsize=9, loc="left")
    axes.tick_params(colors=_INK, labelsize=7, length=0)
    for spine in axes.spines.values():
        spine.set_color(_GRID)


def _timeseries(axes: Axes, panel: Panel, prometheus: Prometheus, start: float, end: float) -> None:
    drawn: list[tuple[str, list[float], list[float]]] = []
    for expression, legend in panel.queries:
        answer = prometheus.ask("query_range", query=filled(expression), start=start, end=end, step=PERIOD_S)
        for series in answer["result"]:
            times = [at - start for at, _ in series["values"]]
            values = [float(value) for _, value in series["values"]]
            drawn.append((_legend(legend, series["metric"]), times, values))
    axes.grid(color=_GRID, linewidth=0.5)
    axes.set_xlim(0, end - start)
    if panel.stacked:
        _stack(axes, drawn)
    else:
        for (name, times, values), colour in zip(drawn, _COLOURS * len(drawn), strict=False):
            axes.plot(times, values, color=colour, linewidth=1.2, label=name)
    axes.set_ylim(0, axes.get_ylim()[1] * _ROOM)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    axes.yaxis.set_major_formatter(lambda value, _: _written(value, panel.unit))
    if drawn:
        legend_box = axes.legend(loc="upper left", fontsize=6, frameon=False, ncols=2)
        for label in legend_box.get_texts():
            label.set_color(_INK)


def _stack(axes: Axes, drawn: Sequence[tuple[str, list[float], list[float]]]) -> None:
    """Draw series on top of each other; one that has no value at a time adds nothing there."""
    times = sorted({at for _, moments, _ in drawn for at in moments})
    below = [0.0] * len(times)
    for (name, moments, values), colour in zip(drawn, _COLOURS * len(drawn), strict=False):
        known = dict(zip(moments, values, strict=True))
        above = [
            base + (known[at] if math.isfinite(known.get(at, 0.0)) and at in known else 0.0)
            for base, at in zip(below, times, strict=True)
        ]
        axes.fill_between(times, below, above, color=colour, alpha=0.45, linewidth=0, label=name)
        axes.plot(times, above, color=colour, linewidth=1)
        below = above


def _table(axes: Axes, panel: Panel, prometheus: Prometheus, _: float, __: float) -> None:
    ((expression, _legend_text),) = panel.queries
    found = sorted(prometheus.query(filled(expression)), key=lambda series: -float(series["value"][1]))
    lines = [
        f"{series['metric']['namespace']}/{series['metric']['name']}  {series['metric']['phase']}  "
        f"{_written(float(series['value'][1]), panel.unit)}"
        for series in found[:_LINES]
    ]
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.02, 0.95, "\n".join(lines), color=_INK, fontsize=8, va="top", transform=axes.transAxes)


def _stat(axes: Axes, panel: Panel, prometheus: Prometheus, _: float, __: float) -> None:
    ((expression, legend),) = panel.queries
    lines = [
        f"{_written(float(series['value'][1]), panel.unit)}  {_legend(legend, series['metric'])}"
        for series in prometheus.query(filled(expression))
    ]
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "\n".join(lines), color=_COLOURS[0], fontsize=13, ha="center", va="center")


_KINDS = {"timeseries": _timeseries, "table": _table, "stat": _stat}


def _legend(text: str, labels: dict[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), text) or "value"


def _written(value: float, unit: str) -> str:
    """Return a value as Grafana writes it in a unit."""
    scales = _UNITS.get(unit, _PLAIN)
    divisor, suffix = next((divisor, suffix) for least, divisor, suffix in scales if value >= least)
    return f"{value / divisor:.3g}{suffix}"
