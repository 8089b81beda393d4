"""``kubectl dgdr apply``: apply a request, and follow it until it serves."""

import click

from dgdr_api.names import GROUP, KIND
from dgdr_controller.cli.files import UnreadableError, manifest_name, read_documents
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import describe
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.follow import follow
from dgdr_controller.kubectl.options import on_cluster, timeout_option
from dgdr_controller.manifest import Manifest, inside


@click.command()
@click.option(
    "-f", "--file", "source", required=True, type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
    help="File with the DGDR; - is standard input.",
)  # fmt: skip
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is Ready, Deployed or Failed.")
@timeout_option
@on_cluster
async def apply(cluster: Cluster, *, source: str, watch: bool, limit_s: int | None) -> int:
    """Apply a DGDR as kubectl apply --server-side does, and follow it until something has become of it.

    Exit code: 0 Ready or Deployed, 1 Failed, 124 after --timeout. Ctrl-C leaves the request alone.
    """
    try:
        manifest, others = request_in(read_documents(source, f"a {KIND}"), source)
    except UnreadableError as error:
        raise PluginError(str(error)) from error
    name = manifest_name(manifest) or ""
    namespace = inside(manifest, "metadata").get("namespace") or cluster.namespace
    target = Cluster(cluster.connection, str(namespace))
    await target.apply(manifest, name)
    click.echo(f"Request {name} applied in namespace {target.namespace}", err=watch)
    if others:
        click.echo(f"Not applied: {', '.join(others)}; kubectl apply -f {source} applies everything", err=True)
    if not watch:
        return 0
    code, request = await follow(target, name, limit_s=limit_s)
    click.echo("\n".join(describe(request)))
    return code


def request_in(documents: list[object], source: str) -> tuple[Manifest, list[str]]:
    """Return the one request among the documents of a file, and what else there is.

    Raises:
        PluginError: There is none, or more than one, or it lacks what a path in the API needs.
    """
    requests = [document for document in documents if isinstance(document, dict) and document.get("kind") == KIND]
    if len(requests) != 1:
        raise PluginError(f"{source} holds {len(requests)} requests (kind {KIND}): apply one at a time")
    (manifest,) = requests
    group, _, version = str(manifest.get("apiVersion")).partition("/")
    if group != GROUP or not version.isalnum():
        raise PluginError(f"{source}: apiVersion must be {GROUP}/v1beta1 or {GROUP}/v1alpha1")
    if not manifest_name(manifest):
        raise PluginError(f"{source}: metadata.name is missing")
    others = [f"{inside(d).get('kind')} {manifest_name(d)}" for d in documents if d is not manifest and d is not None]
    return manifest, others
