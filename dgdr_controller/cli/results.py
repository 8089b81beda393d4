"""``dgdr results``: a request's results page, served live."""

import asyncio
import sys
import urllib.error
import urllib.request

import click


@click.command()
@click.option("--name", metavar="NAME", help="Name of the request.")
@click.option("--namespace", default="default", show_default=True, metavar="NAMESPACE", help="Its namespace.")
@click.option("--deployment", metavar="NAME", help="Name of its DynamoGraphDeployment. [default: <request>-dgd]")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port on the loopback.")
@click.option("--check", is_flag=True, help="See whether the page is served there, and end with 0 or 1.")
def results(*, name: str | None, namespace: str, deployment: str | None, port: int, check: bool) -> None:
    """Serve the results page of a request on the loopback until SIGTERM."""
    if check:
        sys.exit(_check(port))
    if not name:
        raise click.UsageError("Missing option '--name'.")
    asyncio.run(_run(name, namespace, deployment or f"{name}-dgd", port))


def _check(port: int) -> int:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return 0
    except (OSError, urllib.error.URLError):
        return 1


async def _run(name: str, namespace: str, deployment: str, port: int) -> None:
    # Loaded here: a check every ten seconds is to cost no more than it takes.
    from dgdr_api.names import output_name  # noqa: PLC0415
    from dgdr_controller.cli.settings import load_settings  # noqa: PLC0415
    from dgdr_controller.kinds import CONFIG_MAPS, REQUESTS  # noqa: PLC0415
    from dgdr_controller.reconciler.served_version import served_graphs  # noqa: PLC0415
    from dgdr_controller.results.server import ResultsPage  # noqa: PLC0415
    from dgdr_controller.runtime import Config, Controller, Key, Manager  # noqa: PLC0415
    from dgdr_controller.runtime.log import configure  # noqa: PLC0415

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
