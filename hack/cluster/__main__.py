"""``python -m hack.cluster``: a Kubernetes for this checkout."""

import sys
from pathlib import Path

import click

from hack.cluster import images
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, NODE, binaries
from hack.cluster.fakes import dcgm_exporter, nodes
from hack.cluster.fakes.dcgm_exporter import Exporter
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.node import NAME
from hack.cluster.progress import ClusterError, say, step
from hack.cluster.resolve import resolve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--context", metavar="NAME", help="Use this context of your kubeconfig instead of a cluster of ours.")
@click.pass_context
def cluster(ctx: click.Context, context: str | None) -> None:
    """Bring a Kubernetes up and down: DGDR_KUBECONFIG's, else kind's where Docker works, else one of processes."""
    ctx.obj = resolve(context)


@cluster.command()
@click.option(
    "--level", type=click.Choice([each.value for each in Level]), default=Level.CONTROL_PLANE.value, show_default=True
)
@click.option("--gpus", default=8, show_default=True, help="GPUs that the node pretends to have; 0: none.")
@click.option("--gpu-product", default="NVIDIA-H200", show_default=True, help="Their product name.")
@click.option("--gpu-memory", default=143771, show_default=True, metavar="MIB", help="Memory of each.")
@click.option(
    "--node", "more", multiple=True, metavar=nodes.SYNTAX, help="A node that is an object only; repeat for more."
)
@click.option("--dcgm", is_flag=True, help="A DCGM exporter for each node with NVIDIA's GPUs.")
@click.pass_obj
def up(  # noqa: PLR0913 - one for each option
    it: Cluster, level: str, gpus: int, gpu_product: str, gpu_memory: int, more: tuple[str, ...], *, dcgm: bool
) -> None:
    """Bring the cluster up; nothing happens when it is, but nodes that are named are made anew."""
    wanted = nodes.read_all(more)
    if dcgm and level != Level.NODE:
        raise ClusterError("--dcgm: an exporter is a pod, which needs --level node")
    if (dcgm or wanted) and not isinstance(it, Local):
        raise ClusterError(f"--node and --dcgm are for a cluster of processes; {it.name} is not one")
    it.up(Level(level))
    if it.ours:
        own = FakeGpus(gpus, gpu_product, gpu_memory) if gpus and level == Level.NODE else None
        _pretend(Client(it.kubeconfig), own, wanted, dcgm=dcgm)
    say(f"export KUBECONFIG={it.kubeconfig}")


def _pretend(api: Client, own: FakeGpus | None, wanted: tuple[nodes.FakeNode, ...], *, dcgm: bool) -> None:
    """Give the node GPUs, and the cluster more nodes and exporters."""
    if own:
        offer_gpus(api, NAME, own)
    if wanted:
        with step(f"Adding {len(wanted)} node objects"):
            for each in wanted:
                nodes.add(api, each)
    if dcgm:
        offers = {NAME: own} | {each.name: each.gpus for each in wanted if each.ready}
        exporters = [Exporter(name, gpus) for name, gpus in offers.items() if gpus and not gpus.is_amd]
        with step(f"Starting {len(exporters)} DCGM exporters"):
            for exporter in exporters:
                dcgm_exporter.start(api, exporter)


@cluster.command()
def build() -> None:
    """Get what up needs, without bringing anything up."""
    binaries((*CONTROL_PLANE, *NODE))
    images.archive()


@cluster.command()
@click.pass_obj
def down(it: Cluster) -> None:
    """Take the cluster down; nothing of it is left."""
    it.down()


@cluster.command()
@click.pass_obj
def status(it: Cluster) -> None:
    """Say how the cluster is; exit 1 when it cannot be used or something is wrong with it."""
    found = it.status()
    say(f"{it.name}: {found.summary}")
    for problem in found.problems:
        say(problem)
    sys.exit(0 if found.usable else 1)


@cluster.command()
@click.pass_obj
def kubeconfig(it: Cluster) -> None:
    """Print the path of a kubeconfig that leads to the cluster alone."""
    if not it.status().usable:
        raise ClusterError(f"{it.name} cannot be used: make cluster-status says why, make cluster-up brings it up")
    click.echo(it.kubeconfig)


@cluster.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def load_image(it: Cluster, archives: tuple[Path, ...]) -> None:
    """Put the images of ARCHIVES (docker save, OCI) where the cluster's nodes find them."""
    for archive in archives:
        it.load(archive)


@cluster.command()
@click.argument("component")
@click.pass_obj
def restart(it: Cluster, component: str) -> None:
    """Kill a component of a cluster of processes and start it again."""
    if not isinstance(it, Local):
        raise ClusterError(f"the components of {it.name} are not ours to restart")
    it.restart(component)


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    try:
        cluster()
    except ClusterError as error:
        say(f"Error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
