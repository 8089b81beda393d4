"""``kubectl dgdr export``: the deployment of any candidate, to be applied by hand."""

from pathlib import Path

import click

from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.exporting import VERSIONS, Exporter, read_base_text
from dgdr_controller.kubectl.options import CandidateId, on_cluster, request_argument
from dgdr_controller.kubectl.published import find_candidate, read_results
from dgdr_controller.manifest import dump_documents

_DIFFERS = (
    "Warning: the controller's deployment of its candidate differs from what is made here, first in {}: set the "
    "DGDR_DYNAMO__ variables of the controller's settings, and use the plugin of its version"
)


@click.command()
@request_argument
@click.argument("candidate", type=CandidateId(), required=False)
@click.option(
    "--dgd-version", "version", type=click.Choice(list(VERSIONS)),
    help="Version of the DynamoGraphDeployment. [default: the one that the cluster serves]",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="File to write to."
)
@on_cluster
async def export(
    cluster: Cluster, *, name: str, candidate: str | None, version: str | None, output: Path | None
) -> None:
    """Write the DynamoGraphDeployment of a candidate, with the ConfigMaps that it mounts, for kubectl apply.

    It is what the controller would make, and the controller recognises it. Without CANDIDATE it is the chosen one.
    """
    request = await cluster.get(REQUESTS, name)
    results = await read_results(cluster, request)
    exporter = Exporter(request, results, await read_base_text(cluster, request))
    made = exporter.compose(find_candidate(results, candidate, request), version)
    if difference := exporter.difference():
        click.echo(_DIFFERS.format(difference), err=True)
    for note in made.notes:
        click.echo(f"Note: {note}", err=True)
    text = dump_documents(made.documents)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output.parent, {output.name: text})
        click.echo(f"Wrote {output}; deploy with: kubectl apply -n {cluster.namespace} -f {output}", err=True)
