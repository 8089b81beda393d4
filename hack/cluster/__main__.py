"""``python -m hack.cluster``: a Kubernetes for this checkout."""

import sys
from pathlib import Path

import click

from hack.cluster import images
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, NODE, binaries
from hack.cluster.fakes import FakeGpus, offer_gpus
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.node import NAME
from hack.cluster.progress import ClusterError, say
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
@click.pass_obj
def up(it: Cluster, level: str, gpus: int, gpu_product: str, gpu_memory: int) -> None:
    """Bring the cluster up; nothing happens when it is."""
    it.up(Level(level))
    if it.ours and level == Level.NODE and gpus:
        offer_gpus(Client(it.kubeconfig), NAME, FakeGpus(gpus, gpu_product, gpu_memory))
    say(f"export KUBECONFIG={it.kubeconfig}")


@cluster.command()
def build() -> None:
    """Get what up needs, without bringing anything up."""
    binaries((*CONTROL_PLANE, *NODE))
    images.pause_archive()


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
