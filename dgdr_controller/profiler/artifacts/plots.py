"""Plots of the results as PNG: the Pareto front; with the planner, how fast its workers are at other loads.

Drawn with matplotlib's figures alone, without ``pyplot``: no display, no state of the process. The same results give
the same bytes.
"""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.curves import DecodeCurve, PrefillCurve, WorkerCurve
from dgdr_api.formatting import significant
from dgdr_api.results import Results, Target
from dgdr_controller.deployment.render.planner import curves_of

PLOTS = ("plots/pareto_front.png", "plots/prefill_performance.png", "plots/decode_performance.png")
_SIZE, _DPI = (12.0, 5.4), 120
_COLOURS = {"vllm": "#1f77b4", "sglang": "#e07b00", "trtllm": "#2e8b57"}
_MARKERS = {Mode.AGGREGATED: "o", Mode.DISAGGREGATED: "^"}
_INK, _FAINT, _TARGET, _CHOSEN = "#222222", "#8a8a8a", "#c0392b", "#000000"
_ROOM = 1.25
"""Of an axis beyond the target or the choice, so that it is not at the edge."""


def plots(results: Results) -> dict[str, bytes]:
    """Return the plots by name as PNG; those for which there are no numbers are left out."""
    return {name: _png(figure) for name, figure in figures(results).items()}


def figures(results: Results) -> dict[str, Figure]:
    """Return the plots by name, before they become pictures."""
    made: dict[str, Figure] = {}
    choice = results.choice
    if choice is not None and choice.performance is not None:
        made[PLOTS[0]] = _pareto(results, choice)
    for role, worker in (curves_of(choice, results.curves) if choice else {}).items():
        if role is Role.PREFILL and worker.prefill:
            made[PLOTS[1]] = _prefill(results, worker, worker.prefill)
        elif worker.decode:
            made[PLOTS[2]] = _decode(results, worker, worker.decode)
    return made


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    return file.getvalue()


def _figure(title: str, results: Results, *, same_y: bool = False) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with two panels side by side."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    figure.suptitle(f"{title}\n{_subject(results)}", fontsize=11, color=_INK)
    panels = figure.subplots(1, 2, sharey=same_y)
    for panel in panels:
        panel.grid(color="#e3e3e3", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(colors=_INK, labelsize=9)
    return figure, panels


def _subject(results: Results) -> str:
    goal, hardware, source = results.goal, results.hardware, results.provenance
    return (
        f"{results.model} on up to {hardware.total_gpus.value} × {hardware.gpu_sku}, "
        f"{goal.isl} input and {goal.osl} output tokens ({source.engine} {source.engine_version})"
    )


def _pareto(results: Results, choice: Candidate) -> Figure:
    figure, (speed, latency) = _figure("Pareto front", results, same_y=True)
    shown = [candidate for candidate in results.candidates if candidate.performance and candidate.is_offered]
    front = [candidate for candidate in shown if candidate.id in results.pareto]
    goal, by = results.goal, "e2e" if results.goal.e2e_latency else "ttft"
    for panel, number in ((speed, "tokens_per_s_per_user"), (latency, by)):
        _candidates(panel, shown, front, number)
        numbers = choice.numbers
        panel.plot(
            *(getattr(numbers, number), numbers.tokens_per_s_per_gpu),
            marker="*",
            markersize=17,
            color=_CHOSEN,
            markeredgecolor="white",
            linestyle="none",
            label=f"chosen: {choice.backend} {choice.mode},\n{choice.shape}",
            zorder=5,
        )
    speed.set_xlabel("Speed for one user (output tokens/s)")
    speed.set_ylabel("Throughput (output tokens/s per GPU)")
    speed.set_ylim(bottom=0)
    speed.set_xlim(left=0)
    if goal.itl and goal.itl.value:
        _target(speed, goal.itl, f"ITL {significant(goal.itl.value)} ms", x=1000 / goal.itl.value)
    target = goal.e2e_latency or goal.ttft
    latency.set_xlabel("Latency of a request (ms)" if goal.e2e_latency else "Time to first token (ms)")
    latency.set_xscale("log")
    for formatted in (latency.xaxis.set_major_formatter, latency.xaxis.set_minor_formatter):
        formatted(FuncFormatter(_plain))
    latency.tick_params(axis="x", which="minor", colors=_INK, labelsize=9)
    if target:
        _target(latency, target, f"{by.upper()} {significant(target.value)} ms", x=target.value)
    _legend(latency)
    return figure


def _plain(value: float, _: int | None) -> str:
    """Return the mark of a logarithmic axis as people write it; of those between powers of ten, two."""
    digits = f"{value:g}"
    return digits if digits[:1] in "125" else ""


def _candidates(panel: Axes, shown: Sequence[Candidate], front: Sequence[Candidate], number: str) -> None:
    """Draw candidates: those of the front in full colour, the others faint."""
    on_front = {candidate.id for candidate in front}
    kinds = dict.fromkeys((candidate.backend, candidate.mode) for candidate in shown)
    for backend, mode in kinds:
        style: dict[str, Any] = {"marker": _MARKERS[mode], "color": _COLOURS[backend.value]}
        label: str | None = f"{backend} {mode}"
        for among, alpha, size in ((True, 1.0, 26), (False, 0.2, 16)):
            points = [
                (getattr(c.numbers, number), c.numbers.tokens_per_s_per_gpu)
                for c in shown
                if (c.backend, c.mode) == (backend, mode) and (c.id in on_front) is among
            ]
            if points:
                x, y = zip(*points, strict=True)
                panel.scatter(x, y, s=size, alpha=alpha, linewidths=0, label=label, zorder=3 if among else 2, **style)
                label = None


def _prefill(results: Results, worker: WorkerCurve, curve: PrefillCurve) -> Figure:
    figure, (ttft, throughput) = _figure(f"Prefill worker: {_name(worker)}, one prompt at a time", results)
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "color": _COLOURS[worker.backend.value]}
    ttft.plot(curve.isl, curve.ttft, **style, label="estimate")
    throughput.plot(curve.isl, curve.tokens_per_s_per_gpu, **style)
    ttft.set_ylabel("Time to first token (ms)")
    throughput.set_ylabel("Throughput (input tokens/s per GPU)")
    for panel in (ttft, throughput):
        panel.set_xlabel("Prompt (tokens)")
        panel.set_xlim(left=0)
        panel.set_ylim(bottom=0)
        panel.axvline(results.goal.isl, color=_FAINT, linestyle=":", label=f"mean prompt: {results.goal.isl} tokens")
    if results.goal.ttft:
        _target(ttft, results.goal.ttft, f"TTFT {significant(results.goal.ttft.value)} ms", y=results.goal.ttft.value)
    _legend(ttft, inside=True)
    return figure


def _decode(results: Results, worker: WorkerCurve, curve: DecodeCurve) -> Figure:
    figure, (itl, throughput) = _figure(f"Decode worker: {_name(worker)}", results)
    contexts = sorted(set(curve.context_length))
    for number, context in enumerate(contexts):
        at = [index for index, length in enumerate(curve.context_length) if length == context]
        shade = 0.25 + 0.75 * number / max(1, len(contexts) - 1)
        style: dict[str, Any] = {
            "marker": "o",
            "markersize": 4,
            "color": (*_rgb(_COLOURS[worker.backend.value]), shade),
        }
        usage = [100 * curve.kv_usage[index] for index in at]
        itl.plot(usage, [curve.itl[index] for index in at], **style, label=f"context of {context} tokens")
        throughput.plot(usage, [curve.tokens_per_s_per_gpu[index] for index in at], **style)
    itl.set_ylabel("Inter-token latency (ms)")
    throughput.set_ylabel("Throughput (output tokens/s per GPU)")
    for panel in (itl, throughput):
        panel.set_xlabel(f"KV cache in use (% of {curve.max_kv_tokens:,} tokens)")
        panel.set_xlim(0, 102)
        panel.set_ylim(bottom=0)
    if results.goal.itl:
        _target(itl, results.goal.itl, f"ITL {significant(results.goal.itl.value)} ms", y=results.goal.itl.value)
    _legend(itl, inside=True)
    return figure


def _target(panel: Axes, target: Target, words: str, *, x: float | None = None, y: float | None = None) -> None:
    """Draw a target as a line: solid where the user wrote it, dashed where it is a default."""
    style: dict[str, Any] = {
        "color": _TARGET,
        "linestyle": "-" if target.explicit else "--",
        "linewidth": 1.3,
        "label": f"{'target' if target.explicit else 'default target'}: {words}",
        "zorder": 1,
    }
    if x is not None:
        panel.axvline(x, **style)
    if y is not None:
        panel.axhline(y, **style)
        panel.set_ylim(top=max(panel.get_ylim()[1], y * _ROOM))


def _legend(panel: Axes, *, inside: bool = False) -> None:
    """Put the legend where it hides no point."""
    figure = panel.figure
    if inside:
        panel.legend(fontsize=8, framealpha=0.9)
        return
    entries = {
        text: handle for axes in figure.axes for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
        title="faint: not on the Pareto front",
        title_fontsize=8,
    )


def _name(worker: WorkerCurve) -> str:
    return f"{worker.backend} {worker.parallelism}, KV cache {worker.kv_cache_dtype}"


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
