"""``kubectl dgdr status``: where a request stands."""

import click

from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import describe
from dgdr_controller.kubectl.follow import follow
from dgdr_controller.kubectl.options import on_cluster, request_argument, timeout_option


@click.command()
@request_argument
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is Ready, Deployed or Failed.")
@timeout_option
@on_cluster
async def status(cluster: Cluster, *, name: str, watch: bool, limit_s: int | None) -> int:
    """Show the phase, what is awaited, the chosen configuration beside its targets, and warnings.

    With -w the exit code is 0 for Ready or Deployed, 1 for Failed, 124 after --timeout.
    """
    code, request = 0, await cluster.get(REQUESTS, name)
    if watch:
        code, request = await follow(cluster, name, limit_s=limit_s)
    click.echo("\n".join(describe(request)))
    return code
