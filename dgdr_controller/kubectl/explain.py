"""``kubectl dgdr explain``: why a candidate won or lost."""

import click

from dgdr_api.names import RECOMMENDED
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.options import CandidateId, on_cluster, request_argument
from dgdr_controller.kubectl.published import find_candidate, read_results
from dgdr_controller.profiler.selection.explain import explain_candidate


@click.command()
@request_argument
@click.argument("candidate", type=CandidateId(), default=RECOMMENDED)
@on_cluster
async def explain(cluster: Cluster, *, name: str, candidate: str) -> None:
    """Explain why the chosen candidate won, or why CANDIDATE lost to it."""
    request = await cluster.get(REQUESTS, name)
    results = await read_results(cluster, request)
    for line in explain_candidate(find_candidate(results, candidate, request), results):
        click.echo(line)
