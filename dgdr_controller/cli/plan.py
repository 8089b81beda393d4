"""``dgdr plan``: a DGDR in, a DGD out, without any cluster."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from dgdr_api import InvalidRequestError
from dgdr_api.candidate import Candidate, KvCacheDtype, Outcome, Verdict
from dgdr_api.names import ANNOTATION_PROFILER
from dgdr_api.options import MOST_DRAFT_TOKENS, SearchOptions, runs_its_image
from dgdr_api.preserved import as_far_as_known
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import Results
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.cli.files import (
    UnreadableError,
    read_base_file,
    read_measurements,
    read_request,
)
from dgdr_controller.cli.progress import ProgressDisplay
from dgdr_controller.cli.report import print_report
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.deployment.compose import Composed, compose_first
from dgdr_controller.deployment.render.images import engines_release
from dgdr_controller.manifest import Manifest, dump_documents
from dgdr_controller.profiler.errors import ProfilerError
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.rapid import SEARCH_DEADLINE_S, rapid
from dgdr_controller.profiler.request import PlanRequest, plan_request
from dgdr_controller.profiler.selection.explain import explain
from dgdr_controller.profiler.selection.notes import nothing_deployable
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.results import MissingAssetError, report, require_assets
from dgdr_controller.results.content import graph_request
from dgdr_controller.settings import Settings

_ANOTHER_PROFILES = (
    f"Annotation {ANNOTATION_PROFILER} has spec.image profile in the cluster; this plan is by dgdr's own search"
)
_BASE_NOT_READ = (
    "spec.profilingConfig.configMapRef {} was not read: set --base to a file with the deployment that it holds"
)
_NOT_MEASURED = "{}: nothing here corrects these estimates; other models, GPUs, engines or modes were measured"
_WIDE = 200
"""Columns of a table that goes to a file or a pipe."""


@click.command()
@click.option("-f", "--file", "source", required=True, metavar="FILE", help="File with the DGDR; - is standard input.")
@click.option("--name", help="Name of the request, if the file holds several.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write dgd.yaml and results.json to.",
)
@click.option(
    "--report", "page", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the results page to: chart, table, comparison, what-if, every DGD.",
)  # fmt: skip
@click.option("--gpu-sku", help="GPU, for example h200_sxm; overrides spec.hardware.gpuSku.")
@click.option("--total-gpus", type=int, help="Maximum number of GPUs.")
@click.option("--gpus-per-node", type=int, help="Number of GPUs per node.")
@click.option(
    "--model-cache", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder to use as the root of the claim in spec.modelCache.",
)  # fmt: skip
@click.option(
    "--base", "base_file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with a DynamoGraphDeployment of yours to put the plan into.",
)  # fmt: skip
@click.option(
    "--measurements", "measurements_file", metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with measurements of yours, as dgdr calibrate writes it; they correct the estimates.",
)  # fmt: skip
@click.option(
    "--context-length", type=click.IntRange(min=1), metavar="TOKENS",
    help="Longest sequence that engines are started for. [default: the model's, as far as memory allows]",
)  # fmt: skip
@click.option(
    "--speculative", "draft_tokens", type=click.IntRange(1, MOST_DRAFT_TOKENS), metavar="TOKENS",
    help="Also search speculative decoding: so many tokens are drafted by the model's own layers in each step.",
)  # fmt: skip
@click.option(
    "--kv-cache-dtype", type=click.Choice(KvCacheDtype, case_sensitive=False),
    help="Number format of the KV cache: auto is the model's own. [default: fp8 if the model is quantised, else auto]",
)  # fmt: skip
@click.option(
    "--explain",
    "wants_reasons",
    is_flag=True,
    help="Explain why the candidate was selected, and how far behind the others are.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True,
    help="Output format: the table, the DGD, or all results.",
)  # fmt: skip
@click.option(
    "--deadline", type=click.FloatRange(min=1), default=SEARCH_DEADLINE_S, show_default=True, metavar="SECONDS",
    help="Time limit for the search of one engine and mode.",
)  # fmt: skip
def plan(  # noqa: PLR0913 - one for each option
    *,
    source: str,
    name: str | None,
    output: Path | None,
    page: Path | None,
    gpu_sku: str | None,
    total_gpus: int | None,
    gpus_per_node: int | None,
    model_cache: Path | None,
    base_file: Path | None,
    measurements_file: Path | None,
    context_length: int | None,
    draft_tokens: int | None,
    kv_cache_dtype: KvCacheDtype | None,
    wants_reasons: bool,
    form: str,
    deadline: float,
) -> None:
    """Find the best configuration for a DGDR by simulation, in seconds and without a GPU."""
    hardware = HardwareOptions(gpu_sku, total_gpus, gpus_per_node)
    console = Console(stderr=True)
    settings = load_settings()
    try:
        options = SearchOptions(context_length, draft_tokens, kv_cache_dtype)
        asked = read_request(source, name)
        request = plan_request(asked, hardware, model_cache, options, engines_release(asked, settings))
        request = _with_measurements(request, measurements_file)
        base = read_base_file(base_file) if base_file is not None else None
        _prepare(output, page)
        with ProgressDisplay(console) as progress:
            results = rapid(request, progress, deadline)
        _print_unused(results, measurements_file, console)
        results, graph = _deployment(results, settings, base)
        if output is not None:
            _write(output, results, graph)
        if page is not None:
            _write_page(page, report(results, settings, base), console)
    except (UnreadableError, InvalidRequestError) as error:
        _fail(ExitCode.REQUEST_WRONG, str(error))
    except MissingAssetError as error:
        _fail(ExitCode.INTERNAL, str(error))
    except ProfilerError as error:
        _fail(error.exit_code, str(error), output)
    _print(form, results, graph)
    if wants_reasons:
        _print_reasons(form, results)
    if graph is None:
        _fail(ExitCode.NOT_DEPLOYABLE, nothing_deployable(results), output)
    if output is not None:
        _print_written(output, console)


def _with_measurements(request: PlanRequest, file: Path | None) -> PlanRequest:
    """Add the measurements of a file.

    Raises:
        UnreadableError: It holds none.
    """
    return replace(request, measurements=read_measurements(file)[1]) if file else request


def _print_unused(results: Results, file: Path | None, console: Console) -> None:
    if file is not None and not results.site_corrections:
        console.print(_NOT_MEASURED.format(file), highlight=False, soft_wrap=True)


def _prepare(output: Path | None, page: Path | None) -> None:
    """See that what is asked for can be written.

    Raises:
        MissingAssetError: The page cannot be made in this installation.
    """
    if output is not None:
        _make_folder(output, "--output")
    if page is not None:
        require_assets()
        _make_folder(page.parent, "--report")


def _make_folder(output: Path, option: str) -> None:
    """Make the folder for the results now: who cannot write there should not wait for a search first."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise click.BadParameter(f"{output}: {error.strerror}", param_hint=option) from None


def _deployment(results: Results, settings: Settings, base: Manifest | None) -> tuple[Results, Composed | None]:
    """Compose the deployment of the choice; add to the results what should be said about it."""
    if results.choice is None:
        return results, None
    offered = [candidate for candidate in results.candidates if candidate.is_offered]  # the choice first
    deployed, composed = compose_first(offered, graph_request(results, base), settings)
    asked = as_far_as_known(results.request.annotations).base
    unread = [_BASE_NOT_READ.format(asked.name)] if asked is not None and base is None else []
    if runs_its_image(results.request.annotations):
        unread.append(_ANOTHER_PROFILES)
    notes = (ConfigurationWarning.note(note) for note in [*composed.notes, *unread])
    return _with_choice(results, deployed).model_copy(update={"warnings": (*results.warnings, *notes)}), composed


def _with_choice(results: Results, deployed: Candidate) -> Results:
    """Return the results with the candidate that is deployed as the selected one, where the best one cannot be."""
    if deployed.id == results.selected:
        return results
    passed_over = Verdict(outcome=Outcome.NOT_RENDERABLE, reason="the base deployment or an override does not take it")
    selected = Verdict(outcome=Outcome.SELECTED, reason="the best one that the base deployment and overrides take")
    verdicts = {results.selected: passed_over, deployed.id: selected}
    candidates = [c.model_copy(update={"verdict": verdicts.get(c.id, c.verdict)}) for c in results.candidates]
    candidates.sort(key=lambda candidate: candidate.id != deployed.id)
    return results.model_copy(update={"candidates": tuple(candidates), "selected": deployed.id})


def _results_text(results: Results) -> str:
    return results.model_dump_json(indent=1, exclude_none=True) + "\n"


def _write(folder: Path, results: Results, graph: Composed | None) -> None:
    """Write the files: all of them or none."""
    texts = {"dgd.yaml": dump_documents(graph.documents)} if graph else {}
    write_atomically(folder, texts | {"results.json": _results_text(results)})


def _write_page(page: Path, text: str, console: Console) -> None:
    write_atomically(page.parent, {page.name: text})
    console.print(f"Wrote {page}; open it in a browser", highlight=False, soft_wrap=True)


def _print(form: str, results: Results, graph: Composed | None) -> None:
    if form == "json":
        click.echo(_results_text(results), nl=False)
    elif form == "yaml":
        if graph is not None:
            click.echo(dump_documents(graph.documents), nl=False)
        for warning in results.warnings:
            click.echo(f"Warning ({warning.type}): {warning.message}", err=True)
        for note in results.provenance.notes:
            click.echo(note, err=True)
    else:
        print_report(results, Console(width=None if sys.stdout.isatty() else _WIDE))


def _print_reasons(form: str, results: Results) -> None:
    """Print why the candidate was chosen; beside YAML or JSON, which another program reads, on standard error."""
    for line in explain(results):
        click.echo(line, err=form != "table")


def _print_written(output: Path, console: Console) -> None:
    console.print(f"Wrote {output / 'dgd.yaml'}, {output / 'results.json'}", highlight=False, soft_wrap=True)
    console.print(f"Deploy with: kubectl apply -f {output / 'dgd.yaml'}", highlight=False, soft_wrap=True)


def _fail(code: ExitCode, message: str, output: Path | None = None) -> NoReturn:
    """End with a message for a person, and say where an earlier result still lies."""
    for line in message.splitlines():
        click.echo(f"Error: {line}" if not line.startswith(" ") else line, err=True)
    if output is not None and (output / "dgd.yaml").exists():
        click.echo(f"{output / 'dgd.yaml'} is from an earlier run and was not changed", err=True)
    sys.exit(code)
