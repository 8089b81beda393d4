"""``kubectl dgdr compare``: candidates side by side, and what differs in their deployments."""

import difflib
import sys
from collections.abc import Callable, Iterator, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dgdr_api.candidate import Candidate
from dgdr_api.formatting import likelihood, significant
from dgdr_api.results import Results
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.exporting import Exporter, read_base_text
from dgdr_controller.kubectl.options import CandidateId, on_cluster, request_argument
from dgdr_controller.kubectl.published import find_candidate, read_results
from dgdr_controller.manifest import dump_documents

_LEAST, _MOST = 2, 4
_PIPE = 160
"""Columns of a table that goes to a file or a pipe."""
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}

Cell = Callable[[Candidate, Results], str]


def _performance(field: str) -> Cell:
    return lambda candidate, _: significant(getattr(candidate.performance, field)) if candidate.performance else ""


def _worker(field: str) -> Cell:
    return lambda candidate, _: " / ".join(str(getattr(worker, field)) for worker in candidate.workers)


def _chance(candidate: Candidate, results: Results) -> str:
    chance = results.goal.chance(candidate.uncertainty.chances) if candidate.uncertainty else None
    return likelihood(chance) if chance is not None else ""


_ROWS: tuple[tuple[str, Cell], ...] = (
    ("engine", lambda c, _: f"{c.backend} {c.backend_version}"),
    ("mode", lambda c, _: c.mode.value),
    ("workers", lambda c, _: c.shape),
    ("GPUs", lambda c, _: str(c.gpus)),
    ("replicas", lambda c, _: str(c.replicas)),
    ("batch", _worker("batch")),
    ("max tokens in a step", _worker("max_num_tokens")),
    ("KV cache", _worker("kv_cache_dtype")),
    ("context length", lambda c, _: str(c.context_length)),
    ("draft tokens", lambda c, _: str(c.draft_tokens)),
    ("tokens/s/GPU", _performance("tokens_per_s_per_gpu")),
    ("tokens/s/user", _performance("tokens_per_s_per_user")),
    ("tokens/s", _performance("tokens_per_s")),
    ("TTFT ms", _performance("ttft")),
    ("ITL ms", _performance("itl")),
    ("whole request ms", _performance("e2e")),
    ("concurrency", _performance("concurrency")),
    ("written targets", _chance),
    ("numbers", lambda c, _: c.source.value),
    ("verdict", lambda c, _: c.verdict.outcome.value if c.verdict else ""),
    ("why", lambda c, _: c.verdict.reason if c.verdict else ""),
)
"""Title of each row, and how its cells are written."""


def _several(_: click.Context, parameter: click.Parameter, candidates: tuple[str, ...]) -> tuple[str, ...]:
    if not _LEAST <= len(set(candidates)) <= _MOST:
        raise click.BadParameter(f"name two to {_MOST} different candidates", param=parameter)
    return candidates


@click.command()
@request_argument
@click.argument("candidates", type=CandidateId(), nargs=-1, required=True, callback=_several)
@click.option("--diff/--no-diff", default=True, help="Show what differs in the deployments. [default: --diff]")
@on_cluster
async def compare(cluster: Cluster, *, name: str, candidates: tuple[str, ...], diff: bool) -> None:
    """Compare two to four candidates: their numbers side by side (* marks what differs), and their deployments."""
    request = await cluster.get(REQUESTS, name)
    results = await read_results(cluster, request)
    chosen = [find_candidate(results, candidate, request) for candidate in candidates]
    console = Console(width=None if sys.stdout.isatty() else _PIPE)
    console.print(comparison(chosen, results))
    if diff:
        exporter = Exporter(request, results, await read_base_text(cluster, request))
        for line in differences(chosen, exporter):
            console.print(Text(line, style=_DIFF_STYLES.get(line[:1], "")), soft_wrap=True)


def comparison(candidates: Sequence[Candidate], results: Results) -> Table:
    """Build the table; a row whose cells differ is marked."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "", *(candidate.id for candidate in candidates)):
        table.add_column(title, overflow="fold")
    for title, cell in _ROWS:
        cells = [cell(candidate, results) for candidate in candidates]
        differs = len(set(cells)) > 1
        if any(cells):
            table.add_row("*" if differs else "", title, *cells, style="bold" if differs else "dim")
    return table


def differences(candidates: Sequence[Candidate], exporter: Exporter) -> Iterator[str]:
    """Yield how the deployment of each other candidate differs from that of the first, as a unified diff."""
    texts = {}
    for candidate in candidates:
        try:
            texts[candidate.id] = dump_documents(exporter.compose(candidate).documents).splitlines()
        except PluginError as error:
            yield error.message
    first, *others = (candidate.id for candidate in candidates)
    for other in others:
        if first in texts and other in texts:
            yield ""
            yield from difflib.unified_diff(texts[first], texts[other], first, other, lineterm="")
