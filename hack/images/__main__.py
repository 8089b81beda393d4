"""``python -m hack.images``: the container images of this checkout."""

import click

from hack.cluster.program import run
from hack.cluster.progress import say
from hack.cluster.resolve import resolve
from hack.images.build import build as build_image
from hack.images.load import load as load_image
from hack.images.names import Target


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def images() -> None:
    """Build container images, and load them into a cluster."""


@images.command()
@click.argument("targets", nargs=-1, type=click.Choice([target.value for target in Target]))
def build(targets: tuple[str, ...]) -> None:
    """Build the images (default: all) that are not there yet; print the path of each one's archive."""
    for target in targets or tuple(Target):
        click.echo(build_image(Target(target)))


@images.command()
@click.argument("targets", nargs=-1, type=click.Choice([target.value for target in Target]))
def load(targets: tuple[str, ...]) -> None:
    """Build the images (default: all) and load those into this checkout's cluster that it lacks, if it runs."""
    cluster = resolve()
    runs = cluster.status().usable
    for target in targets or tuple(Target):
        say(load_image(cluster, Target(target)) if runs else str(build_image(Target(target))))
    if not runs:
        say(f"{cluster.name} does not run: nothing was loaded (make cluster-up images)")


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    run(
        lambda: images.main(standalone_mode=False),
        "interrupted: the next build goes on from the last finished step",
        75,
    )


if __name__ == "__main__":
    main()
