"""Results for the eye: one sentence with the choice, the table of candidates, warnings."""

from rich.console import Console

from dgdr_api.figures import figures
from dgdr_api.formatting import significant
from dgdr_api.results import Results
from dgdr_controller.cli.table import candidate_table, rest, shown


def sentence(results: Results) -> str:
    """Say in one sentence what was chosen and what it delivers."""
    hardware, choice = results.hardware, results.choice
    subject = f"{results.request.spec.model} on {hardware.total_gpus.value} × {hardware.gpu_sku}"
    if choice is None:
        return f"{subject}: no configuration can be deployed."
    gpus = "1 GPU" if choice.gpus == 1 else f"{choice.gpus} GPUs"
    if choice.performance is None:
        return f"{subject}: {choice.backend} {choice.mode}, {choice.shape} ({gpus}) – fits; its performance is unknown."
    users = significant(choice.performance.concurrency)
    return (
        f"{subject}: {choice.backend} {choice.mode}, {choice.shape} ({gpus}) – estimated "
        f"{figures(choice, results.goal)} at its full load of {users} concurrent request{'' if users == '1' else 's'}."
    )


def print_report(results: Results, console: Console) -> None:
    """Print sentence, table, warnings and notes."""
    _say(console, sentence(results))
    if results.candidates:
        console.print(candidate_table(shown(results), console.width))
        _say(console, rest(results))
    for warning in results.warnings:
        _say(console, f"Warning ({warning.type}): {warning.message}", "yellow")
    for search in results.searches:
        if search.message:
            _say(console, f"{search.title}: {search.message}", "dim")
    provenance = results.provenance
    data = ", ".join(f"{backend} {version}" for backend, version in provenance.perf_database.items())
    notes = " ".join(provenance.notes)
    by = f"{provenance.engine} {provenance.engine_version}"
    _say(
        console,
        f"{'Planned' if provenance.mode == 'naive' else 'Estimates'} by {by}{f' ({data})' if data else ''}. {notes}",
        "dim",
    )


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence: wrapped between words on a terminal, one line elsewhere."""
    if text:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)
