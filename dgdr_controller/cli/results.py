"""``dgdr results``: a request's results page, served live."""

import asyncio

import click

from dgdr_api.names import output_name
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.kinds import CONFIG_MAPS, REQUESTS
from dgdr_controller.reconciler.served_version import served_graphs
from dgdr_controller.results.server import ResultsPage
from dgdr_controller.runtime import Config, Controller, Key, Manager
from dgdr_controller.runtime.log import configure


@click.command()
@click.option("--name", required=True, metavar="NAME", help="Name of the request.")
@click.option("--namespace", default="default", show_default=True, metavar="NAMESPACE", help="Its namespace.")
@click.option("--deployment", metavar="NAME", help="Name of its DynamoGraphDeployment. [default: <request>-dgd]")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port on the loopback.")
def results(*, name: str, namespace: str, deployment: str | None, port: int) -> None:
    """Serve the results page of a request on the loopback until SIGTERM."""
    asyncio.run(_run(name, namespace, deployment or f"{name}-dgd", port))


async def _run(name: str, namespace: str, deployment: str, port: int) -> None:

    configure()
    manager, key = Manager(Config.load()), Key(namespace, name)
    graphs = await served_graphs(manager.client)
    cache = manager.cache

    cache.watch(REQUESTS, namespace=namespace, field_selector=f"metadata.name={name}")
    cache.watch(CONFIG_MAPS, namespace=namespace, field_selector=f"metadata.name={output_name(name)}")
    cache.watch(graphs, namespace=namespace, field_selector=f"metadata.name={deployment}", optional=True)
    page = ResultsPage(cache, manager.client, key, Key(namespace, deployment), graphs, load_settings())
    controller = Controller(cache, page, name="results").for_(REQUESTS)
    controller.watches(CONFIG_MAPS, lambda _: [key]).watches(graphs, lambda _: [key])
    manager.add(controller)
    manager.add(lambda: page.serve(port))
    await manager.run()
