"""``kubectl dgdr candidates``: every candidate of a search."""

import json
import sys

import click
from rich.console import Console

from dgdr_controller.cli.table import candidate_table, in_order
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.options import on_cluster, request_argument
from dgdr_controller.kubectl.published import read_results

_WIDE = 1000
"""Columns of a table with everything."""
_PIPE = 160
"""Columns of a table that goes to a file or a pipe."""


@click.command()
@request_argument
@click.option(
    "-o", "--output", "form", type=click.Choice(["wide", "json"]), help="wide: with the reasons; json: with everything."
)
@on_cluster
async def candidates(cluster: Cluster, *, name: str, form: str | None) -> None:
    """List all candidates of a request: the chosen one (→), the alternatives (·), the losers."""
    results = await read_results(cluster, await cluster.get(REQUESTS, name))
    if form == "json":
        rows = [candidate.model_dump(mode="json", exclude_none=True) for candidate in results.candidates]
        click.echo(json.dumps(rows, indent=1))
        return
    width = _WIDE if form == "wide" else None if sys.stdout.isatty() else _PIPE
    console = Console(width=width)
    console.print(candidate_table(in_order(results), console.width, ids=True))
