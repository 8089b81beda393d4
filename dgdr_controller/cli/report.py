"""Results for the eye: one sentence with the choice, the table of candidates, warnings."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from dgdr_api.candidate import Candidate, Outcome
from dgdr_api.conditions import exact, significant
from dgdr_controller.profiling.protocol import Results, Target

ROWS = 12
"""Candidates shown; all of them are in ``results.json``."""

_MARKS = {Outcome.SELECTED: "→", Outcome.ALTERNATIVE: "·"}
_STYLES = {Outcome.SELECTED: "bold green", Outcome.DOMINATED: "dim", Outcome.MISSES_TARGET: "yellow"}


def sentence(results: Results) -> str:
    """Say in one sentence what was chosen and what it delivers."""
    hardware, choice = results.hardware, results.choice
    place = f"{results.request.spec.model} on {hardware.total_gpus.value} × {hardware.gpu_sku}"
    if choice is None:
        return f"{place}: no configuration can be deployed."
    performance, goal = choice.performance, results.goal
    parts = [
        f"{significant(performance.tokens_per_s_per_gpu)} tokens/s/GPU",
        f"TTFT {significant(performance.ttft)} ms{_target(goal.ttft)}",
        f"ITL {significant(performance.itl)} ms{_target(goal.itl)}",
    ]
    if goal.e2e_latency:
        parts.append(f"whole request {significant(performance.e2e)} ms{_target(goal.e2e_latency)}")
    gpus = "1 GPU" if choice.gpus == 1 else f"{choice.gpus} GPUs"
    return (
        f"{place}: {choice.backend} {choice.mode}, {choice.shape} ({gpus}) – "
        f"estimated {', '.join(parts)} at {significant(performance.concurrency)} concurrent requests."
    )


def _target(target: Target | None) -> str:
    return f" (target {exact(target.value)}{'' if target.explicit else ', default'})" if target else ""


def print_report(results: Results, console: Console) -> None:
    """Print sentence, table, warnings and notes."""
    console.print(sentence(results), highlight=False, soft_wrap=True)
    if results.candidates:
        console.print(_table(results))
        if rest := _rest(results):
            console.print(rest, highlight=False, soft_wrap=True)
    for warning in results.warnings:
        console.print(f"Warning ({warning.type}): {warning.message}", style="yellow", highlight=False, soft_wrap=True)
    for search in results.searches:
        if search.message:
            console.print(
                f"{search.backend} {search.mode}: {search.message}", style="dim", highlight=False, soft_wrap=True
            )
    data = ", ".join(f"{backend} {version}" for backend, version in results.provenance.perf_database.items())
    provenance = results.provenance
    console.print(
        f"Estimates by {provenance.engine} {provenance.engine_version} ({data}). {' '.join(provenance.notes)}",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def shown(results: Results) -> list[Candidate]:
    """Choose the candidates to show: the choice, the best of each engine and mode, then along the front."""
    ranked = sorted(results.candidates, key=lambda c: list(Outcome).index(_outcome(c)))
    best = list({(c.backend, c.mode): c for c in reversed(ranked)}.values())
    alternatives = [c for c in ranked if _outcome(c) is Outcome.ALTERNATIVE]
    spread = alternatives[:: max(1, len(alternatives) // ROWS)]
    chosen = {c.id: c for c in [*ranked[:1], *best, *spread, *alternatives, *ranked][:]}
    first = list(chosen.values())[:ROWS]
    return sorted(first, key=lambda c: (list(Outcome).index(_outcome(c)), -c.performance.tokens_per_s_per_gpu))


def _outcome(candidate: Candidate) -> Outcome:
    return candidate.verdict.outcome if candidate.verdict else Outcome.DOMINATED


def _table(results: Results) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "engine", "mode", "configuration", "batch"):
        table.add_column(name, no_wrap=True)
    for name in ("GPUs", "tokens/s/GPU", "tokens/s/user", "TTFT ms", "ITL ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for candidate in shown(results):
        outcome = _outcome(candidate)
        table.add_row(*_cells(candidate), style=_STYLES.get(outcome, ""))
    return table


def _cells(candidate: Candidate) -> Iterator[str]:
    performance = candidate.performance
    yield _MARKS.get(_outcome(candidate), "")
    yield str(candidate.backend)
    yield str(candidate.mode)
    yield candidate.shape
    yield "/".join(str(worker.batch) for worker in candidate.workers)
    yield str(candidate.gpus)
    yield significant(performance.tokens_per_s_per_gpu)
    yield significant(performance.tokens_per_s_per_user)
    yield significant(performance.ttft)
    yield significant(performance.itl)
    verdict = candidate.verdict
    yield f"{verdict.outcome}: {verdict.reason}" if verdict else ""


def _rest(results: Results) -> str:
    """Count the candidates that the table leaves out."""
    ids = {candidate.id for candidate in shown(results)}
    counts = Counter(_outcome(candidate) for candidate in results.candidates if candidate.id not in ids)
    listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"… and {counts.total()} more ({listed}); results.json has all of them." if counts else ""
