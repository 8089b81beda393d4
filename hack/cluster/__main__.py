"""``python -m hack.cluster``: a Kubernetes for this checkout."""

import sys

import click

from hack.cluster import images, local
from hack.cluster.binaries import CONTROL_PLANE, NODE, binaries
from hack.cluster.fakes import FakeGpus
from hack.cluster.layout import layout
from hack.cluster.local import Level
from hack.cluster.progress import ClusterError, say


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cluster() -> None:
    """Bring a local Kubernetes up and down."""


@cluster.command()
@click.option(
    "--level", type=click.Choice([each.value for each in Level]), default=Level.CONTROL_PLANE.value, show_default=True
)
@click.option("--gpus", default=8, show_default=True, help="GPUs that the node pretends to have; 0: none.")
@click.option("--gpu-product", default="NVIDIA-H200", show_default=True, help="Their product name.")
@click.option("--gpu-memory", default=143771, show_default=True, metavar="MIB", help="Memory of each.")
def up(level: str, gpus: int, gpu_product: str, gpu_memory: int) -> None:
    """Bring the cluster up; nothing happens when it is."""
    local.up(layout(), Level(level), FakeGpus(gpus, gpu_product, gpu_memory) if gpus else None)
    say(f"export KUBECONFIG={layout().kubeconfig}")


@cluster.command()
def build() -> None:
    """Build what up needs, without bringing anything up."""
    binaries((*CONTROL_PLANE, *NODE))
    images.pause_archive()


@cluster.command()
def down() -> None:
    """Take the cluster down; nothing of it is left."""
    local.down(layout())


@cluster.command()
def status() -> None:
    """Say how the cluster is; exit 1 when it does not run or a component has ended."""
    found = local.status(layout())
    say(f"{layout().name}: {f'running ({found.level})' if found.running else 'not running'}")
    for death in found.deaths:
        say(death)
    sys.exit(0 if found.running and not found.deaths else 1)


@cluster.command()
def kubeconfig() -> None:
    """Print the path of the administrator's kubeconfig."""
    if not local.status(layout()).running:
        raise ClusterError("no cluster runs: make cluster-up")
    click.echo(layout().kubeconfig)


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    try:
        cluster()
    except ClusterError as error:
        say(f"Error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
