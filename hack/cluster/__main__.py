"""``python -m hack.cluster``: a Kubernetes for this checkout."""

import shlex
import sys
from pathlib import Path

import click

from hack.cluster.api import Client
from hack.cluster.fakes import dcgm_exporter, node_option, nodes
from hack.cluster.fakes.dcgm_exporter import Exporter
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.fakes.node_option import FakeNode
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.program import INTERRUPTED, run
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
    "--level", type=click.Choice([level.value for level in Level]), default=Level.NODE.value, show_default=True
)
@click.option(
    "--gpus",
    type=click.IntRange(0, 9999),
    default=8,
    show_default=True,
    help="GPUs that the node pretends to have; 0: none.",
)
@click.option("--gpu-product", default="NVIDIA-H200", show_default=True, help="Their product name.")
@click.option(
    "--gpu-memory", type=click.IntRange(min=1), default=143771, show_default=True, metavar="MIB", help="Memory of each."
)
@click.option(
    "--node", "more", multiple=True, metavar=node_option.SYNTAX, help="A node that is an object only; repeat for more."
)
@click.option("--dcgm", is_flag=True, help="A DCGM exporter for each node with NVIDIA's GPUs.")
@click.pass_obj
def up(  # noqa: PLR0913 - one for each option
    target: Cluster, level: str, gpus: int, gpu_product: str, gpu_memory: int, more: tuple[str, ...], *, dcgm: bool
) -> None:
    """Bring the cluster up; nothing happens when it is, but nodes that are named are made anew."""
    wanted = node_option.read_all(more)
    own = gpus_of(gpus, gpu_product, gpu_memory)
    if dcgm and level != Level.NODE:
        raise ClusterError("--dcgm: an exporter is a pod, which needs --level node")
    if (dcgm or wanted) and not isinstance(target, Local):
        raise ClusterError(f"--node and --dcgm are for a cluster of processes; {target.name} is not one")
    try:
        target.up(Level(level))
        if target.ours:
            _pretend(target, own, wanted, with_node=level != Level.CONTROL_PLANE, dcgm=dcgm)
    except KeyboardInterrupt:
        say(f"interrupted: {target.name} may be half up; make cluster-up begins anew, make cluster-down ends it")
        sys.exit(INTERRUPTED)
    say(f"export KUBECONFIG={shlex.quote(str(target.kubeconfig))}")


def gpus_of(count: int, product: str, memory_mib: int) -> FakeGpus | None:
    """Return the node's GPUs; None: it is to have none.

    Raises:
        ClusterError: No label can have the name of the product.
    """
    if not node_option.PRODUCT.fullmatch(product):
        raise ClusterError(f'--gpu-product: "{product}" is no product as labels have them, such as NVIDIA-H200')
    return FakeGpus(count, product, memory_mib) if count else None


def _pretend(
    target: Cluster, own: FakeGpus | None, wanted: tuple[FakeNode, ...], *, with_node: bool, dcgm: bool
) -> None:
    """Give the node GPUs, and the cluster more nodes and exporters."""
    api = Client(target.kubeconfig)
    if with_node and target.node:
        offer_gpus(api, target.node, own)
    if wanted:
        with step(f"Adding {len(wanted)} node objects"):
            for node in wanted:
                nodes.add(api, node)
    if dcgm:
        offers = {target.node: own} | {node.name: node.gpus for node in wanted if node.ready}
        exporters = [Exporter(name, gpus) for name, gpus in offers.items() if name and gpus and not gpus.is_amd]
        with step(f"Starting {len(exporters)} DCGM exporters"):
            for exporter in exporters:
                dcgm_exporter.start(api, exporter)


@cluster.command()
@click.option(
    "--level", type=click.Choice([level.value for level in Level]), default=Level.NODE.value, show_default=True
)
@click.pass_obj
def build(target: Cluster, level: str) -> None:
    """Get what up needs, without bringing anything up."""
    target.prepare(Level(level))


@cluster.command()
@click.pass_obj
def down(target: Cluster) -> None:
    """Take the cluster down; nothing of it is left."""
    target.down()


@cluster.command()
@click.pass_obj
def status(target: Cluster) -> None:
    """Say how the cluster is; exit 1 when it cannot be used or something is wrong with it."""
    found = target.status()
    say(f"{target.name}: {found.summary}")
    for problem in found.problems:
        say(problem)
    sys.exit(0 if found.usable else 1)


@cluster.command()
@click.pass_obj
def kubeconfig(target: Cluster) -> None:
    """Print the path of a kubeconfig that leads to the cluster alone."""
    if not target.status().usable:
        raise ClusterError(f"{target.name} cannot be used: make cluster-status says why, make cluster-up brings it up")
    click.echo(target.kubeconfig)


@cluster.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def load_image(target: Cluster, archives: tuple[Path, ...]) -> None:
    """Put the images of ARCHIVES (docker save, OCI) where the cluster's nodes find them."""
    for archive in archives:
        target.load(archive)


@cluster.command()
@click.argument("component")
@click.pass_obj
def restart(target: Cluster, component: str) -> None:
    """Kill a component of a cluster of processes and start it again."""
    if not isinstance(target, Local):
        raise ClusterError(f"the components of {target.name} are not ours to restart")
    target.restart(component)


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    run(lambda: cluster.main(standalone_mode=False))


if __name__ == "__main__":
    main()
