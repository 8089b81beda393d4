"""``kubectl dgdr retry``: start a failed request again."""

import time

import click

from dgdr_api.names import ANNOTATION_RETRY
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.options import on_cluster, request_argument


@click.command()
@request_argument
@on_cluster
async def retry(cluster: Cluster, *, name: str) -> None:
    """Start a request that has failed again, once its cause is removed."""
    request = await cluster.get(REQUESTS, name)
    phase = request.status.phase if request.status else None
    if phase is not Phase.FAILED:
        raise PluginError(
            f"Request {name} has not failed (phase {phase or Phase.PENDING}): there is nothing to start again"
        )
    await cluster.patch(REQUESTS, name, {"metadata": {"annotations": {ANNOTATION_RETRY: str(time.time_ns())}}})
    click.echo(f"Request {name} starts again: kubectl dgdr status {name} -w follows it")
