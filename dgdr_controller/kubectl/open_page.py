"""``kubectl dgdr open``: the results page of a request, in the browser."""

import asyncio
import webbrowser
from pathlib import Path

import click

from dgdr_api.errors import InvalidRequestError
from dgdr_api.preserved import preserved
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.deployment.for_request import base_of
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.exporting import read_base_text
from dgdr_controller.kubectl.options import on_cluster, request_argument
from dgdr_controller.kubectl.page_server import PageServer
from dgdr_controller.kubectl.published import read_results
from dgdr_controller.results import MissingAssetError, report


@click.command("open")
@request_argument
@click.option("--browser/--no-browser", default=True, help="Open the browser. [default: --browser]")
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page to a file, and serve nothing.",
)  # fmt: skip
@on_cluster
async def open_page(cluster: Cluster, *, name: str, browser: bool, output: Path | None) -> None:
    """Open the results page: chart, table, comparison, what-if, every DynamoGraphDeployment.

    It is served on this machine alone, until Ctrl-C.
    """
    request = await cluster.get(REQUESTS, name)
    results, text = await read_results(cluster, request), await read_base_text(cluster, request)
    click.echo(f"Composing the deployments of {len(results.candidates)} candidates", err=True)
    try:
        page = report(results, load_settings(), base_of(text, preserved(request.metadata.annotations)))
    except (MissingAssetError, InvalidRequestError) as error:
        raise PluginError(str(error)) from error
    if output is not None:
        write_atomically(output.parent, {output.name: page})
        click.echo(f"Wrote {output}; open it in a browser", err=True)
        if browser:
            _open_file(output)
        return
    with PageServer(page) as server:
        click.echo(f"The results of {name} are on {server.url} until Ctrl-C")
        if browser:
            _open(server.url)
        try:
            await asyncio.to_thread(server.serve)
        finally:
            server.stop()


def _open_file(path: Path) -> None:
    _open(path.absolute().as_uri())


def _open(address: str) -> None:
    if not webbrowser.open(address):
        click.echo(f"No browser was found: open {address}", err=True)
